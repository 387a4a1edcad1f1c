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
	"runtime"
	"strconv"
	"strings"
	"sync"

	"github.com/seed-473295a7/vitrine/bench/internal/peers"
	"github.com/seed-473295a7/vitrine/bench/internal/serving"
	"github.com/seed-473295a7/vitrine/models"
)

//go:embed peer.py
var peerScript []byte

// The peer's packages; onnxruntime is the release whose library the server loads.
const peerName = "onnxruntime 1.24.4, Pillow 13.0.0"

func peerPackages() []string {
	return []string{"onnxruntime==1.24.4", "numpy==2.4.6", "pillow==13.0.0"}
}

// peer is Python processes that embed pictures, as many as the server has processors to run on.
// Not safe for concurrent use.
type peer []*peerWorker

// peerWorker is one of them.
type peerWorker struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	faults strings.Builder
}

// startPeer installs the packages unless they work, and starts the processes with the server's
// own model and its rule, which are built into it.
func startPeer(ctx context.Context, cache, scratch string) (peer, error) {
	python, err := installPeer(ctx, filepath.Join(cache, "python-onnxruntime-1.24.4"))
	if err != nil {
		return nil, err
	}
	script, files := filepath.Join(scratch, "peer.py"), filepath.Join(scratch, "models")
	if err := errors.Join(os.WriteFile(script, peerScript, 0o600), os.CopyFS(files, models.Files)); err != nil {
		return nil, err
	}
	var p peer
	for range min(runtime.NumCPU(), registerCallers) {
		w := &peerWorker{cmd: serving.Command(ctx, python, script, filepath.Join(files, models.DefaultManifest))}
		if err := w.start(); err != nil {
			return nil, errors.Join(err, p.stop())
		}
		p = append(p, w)
	}
	return p, nil
}

func (w *peerWorker) start() (err error) {
	w.cmd.Stderr = &w.faults
	if w.in, err = w.cmd.StdinPipe(); err != nil {
		return err
	}
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	w.out = bufio.NewReader(out)
	return w.cmd.Start()
}

// installPeer makes the environment unless it works already.
func installPeer(ctx context.Context, dir string) (python string, err error) {
	const check = `import numpy, onnxruntime, PIL; assert (onnxruntime.__version__, numpy.__version__, PIL.__version__) == ("1.24.4", "2.4.6", "13.0.0")`
	return peers.Environment(ctx, dir, check, append([]string{"--only-binary=:all:"}, peerPackages()...))
}

// embed shares the pictures out and returns once all are embedded.
func (p peer) embed(pictures []picture) error {
	var wg sync.WaitGroup
	faults := make([]error, len(p))
	for k, w := range p {
		wg.Go(func() { faults[k] = w.embed(pictures[k*len(pictures)/len(p) : (k+1)*len(pictures)/len(p)]) })
	}
	wg.Wait()
	return errors.Join(faults...)
}

func (p peer) cpuSeconds() (sum float64, err error) {
	for _, w := range p {
		seconds, fault := serving.CPUSeconds(w.cmd.Process.Pid)
		sum, err = sum+seconds, errors.Join(err, fault)
	}
	return sum, err
}

func (p peer) stop() error {
	var faults []error
	for _, w := range p {
		faults = append(faults, w.stop())
	}
	return errors.Join(faults...)
}

func (w *peerWorker) embed(pictures []picture) error {
	paths := make([]string, len(pictures))
	for k, picture := range pictures {
		path, err := filepath.Abs(picture.path)
		if err != nil {
			return err
		}
		paths[k] = path
	}
	if err := json.NewEncoder(w.in).Encode(paths); err != nil {
		return w.ended(err)
	}
	answer, err := w.out.ReadString('\n')
	if err != nil {
		return w.ended(err)
	}
	if n, err := strconv.Atoi(strings.TrimSpace(answer)); err != nil || n != len(pictures) {
		return fmt.Errorf("python embedded %q pictures, want %d", answer, len(pictures))
	}
	return nil
}

// ended explains why the process does not answer.
func (w *peerWorker) ended(err error) error {
	return serving.WithOutput(errors.Join(err, w.stop()), w.faults.String())
}

// stop ends the process: its input is over.
func (w *peerWorker) stop() error { return errors.Join(w.in.Close(), w.cmd.Wait()) }
