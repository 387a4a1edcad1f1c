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
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"

	environments "github.com/seed-473295a7/vitrine/bench/internal/peers"
	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

//go:embed peer.py
var peerScript string

// allPeers are whom ours can be measured with; coder is in the process, the others in Python.
var allPeers = []string{"hnswlib", "faiss", "usearch", "coder"}

// packages are what pip installs for a peer.
var packages = map[string]string{"hnswlib": "hnswlib==0.8.0", "faiss": "faiss-cpu==1.15.1", "usearch": "usearch==2.26.6"}

// python is an interpreter and which peers it can load.
type python struct {
	program string
	peers   []string
}

// installPeers makes a virtual environment with what is missing and says what cannot be had.
func installPeers(ctx context.Context, cache string, peers []string) (python, error) {
	folder := filepath.Join(cache, "ann-peers")
	var p python
	for _, name := range peers {
		pinned, ok := packages[name]
		if !ok {
			continue
		}
		program, err := environments.Environment(ctx, folder, "import numpy, "+name, []string{"numpy==2.4.6", pinned})
		if err != nil {
			fmt.Printf("peer %s left out: %v\n", pinned, err)
			continue
		}
		p.program, p.peers = program, append(p.peers, name)
	}
	return p, ctx.Err()
}

// process is a Python process that holds one set and the peers' indexes of it.
type process struct {
	command *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
	folder  string
}

func (p python) start(ctx context.Context, s *set) (*process, error) {
	folder, err := os.MkdirTemp("", "bench-ann-")
	if err != nil {
		return nil, err
	}
	base, queries := filepath.Join(folder, "base.f32"), filepath.Join(folder, "queries.f32")
	if err := errors.Join(writeFloats(base, s.base), writeFloats(queries, s.queries)); err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	q := &process{folder: folder}
	q.command = exec.CommandContext(ctx, p.program, "-c", peerScript, base, queries, strconv.Itoa(s.dims))
	q.command.Stderr = os.Stderr
	if q.in, err = q.command.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := q.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	q.out = bufio.NewReader(out)
	return q, q.command.Start()
}

func writeFloats(path string, v []float32) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(file)
	for piece := range slices.Chunk(v, 1<<16) {
		if _, err := w.Write(vecmath.AppendBytes(nil, piece)); err != nil {
			return errors.Join(err, file.Close())
		}
	}
	return errors.Join(w.Flush(), file.Close())
}

func (q *process) stop() error {
	return errors.Join(q.in.Close(), q.command.Wait(), os.RemoveAll(q.folder))
}

type request struct {
	Op      string `json:"op"`
	Library string `json:"library"`
	Ef      int    `json:"ef"`
	K       int    `json:"k"`
}

type reply struct {
	CPU   float64
	Bytes int64
	IDs   []byte
	Error string
}

func (q *process) ask(r request) (reply, error) {
	var answer reply
	if err := json.NewEncoder(q.in).Encode(r); err != nil {
		return answer, err
	}
	line, err := q.out.ReadBytes('\n')
	if err != nil {
		return answer, fmt.Errorf("the Python process ended: %w", err)
	}
	if err := json.Unmarshal(line, &answer); err != nil {
		return answer, err
	}
	if answer.Error != "" {
		return answer, fmt.Errorf("%s: %s", r.Library, answer.Error)
	}
	return answer, nil
}

// peer is one library of the process.
type peer struct {
	process *process
	library string
	queries int
}

func (p peer) name() string { return packages[p.library] }

func (p peer) build() (cost, error) {
	r, err := p.process.ask(request{Op: "build", Library: p.library})
	return cost{cpu: r.CPU, bytes: r.Bytes}, err
}

func (p peer) search(ef, k int) ([][]uint32, float64, error) {
	r, err := p.process.ask(request{Op: "search", Library: p.library, Ef: ef, K: k})
	if err != nil {
		return nil, 0, err
	}
	if len(r.IDs) != 4*k*p.queries {
		return nil, 0, fmt.Errorf("%s gave %d bytes, want %d results for each of %d queries", p.library, len(r.IDs), k, p.queries)
	}
	found := make([][]uint32, p.queries)
	for i := range found {
		for j := range k {
			found[i] = append(found[i], binary.LittleEndian.Uint32(r.IDs[4*(i*k+j):]))
		}
	}
	return found, r.CPU, nil
}

func (p peer) drop() { _, _ = p.process.ask(request{Op: "drop", Library: p.library}) }
