package main

import (
	"bufio"
	"context"
	_ "embed"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/seed-473295a7/vitrine/bench/internal/peers"
)

//go:embed peer.py
var peerScript string

// packages are what the peer runs on: the runtime's version is the one Vitrine uses.
var packages = []string{"onnxruntime==1.24.4", "pillow==13.0.0", "numpy==2.4.6"}

// peer is a Python process that embeds pictures.
type peer struct {
	command *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
}

// startPeer makes the virtual environment if it is missing and starts the process in it.
func startPeer(ctx context.Context, model string) (*peer, error) {
	python, err := virtualEnvironment(ctx)
	if err != nil {
		return nil, err
	}
	p := &peer{command: exec.CommandContext(ctx, python, "-c", peerScript, model)}
	p.command.Stderr = os.Stderr
	if p.in, err = p.command.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewReader(out)
	return p, p.command.Start()
}

// virtualEnvironment answers the interpreter of CACHE/vitrine/bench-embed.
func virtualEnvironment(ctx context.Context) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	folder := filepath.Join(cache, "vitrine", "bench-embed")
	return peers.Environment(ctx, folder, "import onnxruntime, PIL, numpy; assert (onnxruntime.__version__, PIL.__version__) == ('1.24.4', '13.0.0')", packages)
}

// embed has the peer embed files, batch at a time.
func (p *peer) embed(files []string, batch int) (costs, [][]float32, error) {
	if err := json.NewEncoder(p.in).Encode(map[string]any{"files": files, "batch": batch}); err != nil {
		return costs{}, nil, err
	}
	line, err := p.out.ReadBytes('\n')
	if err != nil {
		return costs{}, nil, fmt.Errorf("the Python peer ended: %w", errors.Join(err, p.command.Wait()))
	}
	var reply struct {
		Decode, Resize, Infer float64
		Vectors               []byte
	}
	if err := json.Unmarshal(line, &reply); err != nil {
		return costs{}, nil, err
	}
	return costs{len(files), reply.Decode, reply.Resize, reply.Infer}, split(reply.Vectors, len(files)), nil
}

// split cuts little-endian float32 into n vectors.
func split(raw []byte, n int) [][]float32 {
	dims := len(raw) / 4 / n
	vectors := make([][]float32, n)
	for i := range vectors {
		vectors[i] = make([]float32, dims)
		for k := range vectors[i] {
			vectors[i][k] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*(i*dims+k):]))
		}
	}
	return vectors
}

// stop ends the process.
func (p *peer) stop() error {
	return errors.Join(p.in.Close(), p.command.Wait())
}
