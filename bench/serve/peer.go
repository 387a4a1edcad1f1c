package main

import (
	"bufio"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/seed-473295a7/vitrine/models"
)

//go:embed peer.py
var peerScript []byte

// The peer's packages; onnxruntime is the release whose library the server loads.
const peerName = "onnxruntime 1.24.4, Pillow 13.0.0"

func peerPackages() []string {
	return []string{"onnxruntime==1.24.4", "numpy==2.4.6", "pillow==13.0.0"}
}

// peer is a Python process that embeds pictures. Not safe for concurrent use.
type peer struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	faults strings.Builder
}

// startPeer installs the packages unless they work, and starts the process with the server's
// own model and its rule, which are built into it.
func startPeer(ctx context.Context, cache, scratch string) (*peer, error) {
	python, err := installPeer(ctx, filepath.Join(cache, "python-onnxruntime-1.24.4"))
	if err != nil {
		return nil, err
	}
	p := new(peer)
	script, files := filepath.Join(scratch, "peer.py"), filepath.Join(scratch, "models")
	if err := errors.Join(os.WriteFile(script, peerScript, 0o600), os.CopyFS(files, models.Files)); err != nil {
		return nil, err
	}
	p.cmd = command(ctx, python, script, filepath.Join(files, models.DefaultManifest))
	p.cmd.Stderr = &p.faults
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewReader(out)
	return p, p.cmd.Start()
}

// installPeer makes the environment unless it works already.
func installPeer(ctx context.Context, dir string) (python string, err error) {
	python = filepath.Join(dir, "bin", "python")
	check := `import numpy, onnxruntime, PIL; assert (onnxruntime.__version__, numpy.__version__, PIL.__version__) == ("1.24.4", "2.4.6", "13.0.0")`
	if exec.CommandContext(ctx, python, "-c", check).Run() == nil {
		return python, nil
	}
	progress("install %s", strings.Join(peerPackages(), " "))
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", err
	}
	for _, args := range [][]string{
		{"python3", "-m", "venv", dir},
		append([]string{python, "-m", "pip", "install", "-q", "--only-binary=:all:"}, peerPackages()...),
	} {
		if out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput(); err != nil {
			return "", fmt.Errorf("%s: %w", strings.Join(args, " "), withOutput(err, string(out)))
		}
	}
	return python, nil
}

// embed returns once all pictures are embedded.
func (p *peer) embed(pictures []picture) error {
	paths := make([]string, len(pictures))
	for k, picture := range pictures {
		path, err := filepath.Abs(picture.path)
		if err != nil {
			return err
		}
		paths[k] = path
	}
	if err := json.NewEncoder(p.in).Encode(paths); err != nil {
		return p.ended(err)
	}
	answer, err := p.out.ReadString('\n')
	if err != nil {
		return p.ended(err)
	}
	if n, err := strconv.Atoi(strings.TrimSpace(answer)); err != nil || n != len(pictures) {
		return fmt.Errorf("python embedded %q pictures, want %d", answer, len(pictures))
	}
	return nil
}

// ended explains why the process does not answer.
func (p *peer) ended(err error) error {
	return withOutput(errors.Join(err, p.stop()), p.faults.String())
}

func (p *peer) cpuSeconds() (float64, error) { return cpuSeconds(p.cmd.Process.Pid) }

// stop ends the process: its input is over.
func (p *peer) stop() error { return errors.Join(p.in.Close(), p.cmd.Wait()) }
