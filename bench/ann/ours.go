package main

import (
	"context"
	"fmt"
	"math/rand"
	"runtime"
	"syscall"

	"github.com/coder/hnsw"

	"github.com/seed-473295a7/vitrine/internal/ann"
	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

// ours is an engine of internal/ann.
type ours struct {
	ctx    context.Context
	set    *set
	label  string
	config ann.Config
	index  ann.Index
}

func (o *ours) name() string { return o.label }

// build is what a server does: all items at once, then a rebuild on one worker.
func (o *ours) build() (cost, error) {
	before := heap()
	start := cpu()
	index, err := o.config.New(o.set.dims)
	if err != nil {
		return cost{}, err
	}
	changes := make([]ann.Change, o.set.len())
	for i := range changes {
		changes[i] = ann.Change{Item: uint32(i), Vector: o.set.vector(i)}
	}
	if index, err = index.Apply(changes); err != nil {
		return cost{}, err
	}
	if r, ok := index.(ann.Rebuilder); ok {
		built, err := r.Rebuild(o.ctx)
		if err != nil {
			return cost{}, err
		}
		if index, err = r.Adopt(built); err != nil {
			return cost{}, err
		}
	}
	took := cpu() - start
	changes, o.index = nil, index
	return cost{cpu: took, bytes: heap() - before - 4*int64(len(o.set.base))}, nil
}

// search answers all queries; ef 0 is the width the engine measured.
func (o *ours) search(ef, k int) ([][]uint32, float64, error) {
	index := o.index
	if r, ok := index.(ann.Rebuilder); ok {
		index = r.WithEf(ef)
	}
	found := make([][]uint32, len(o.set.truth))
	start := cpu()
	for i := range found {
		hits, err := index.Search(o.set.query(i), k, nil)
		if err != nil {
			return nil, 0, err
		}
		found[i] = make([]uint32, len(hits))
		for j, hit := range hits {
			found[i][j] = hit.ID
		}
	}
	return found, cpu() - start, nil
}

func (o *ours) drop() { o.index = nil }

// coder is github.com/coder/hnsw by itself, with its usual settings but for ef.
type coder struct {
	set   *set
	graph *hnsw.Graph[uint32]
}

func (c *coder) name() string { return "coder/hnsw 0.6.1" }

func (c *coder) build() (cost, error) {
	before, start := heap(), cpu()
	c.graph = hnsw.NewGraph[uint32]()
	c.graph.Distance = func(a, b []float32) float32 { return 1 - vecmath.Dot(a, b) }
	c.graph.Rng = rand.New(rand.NewSource(1))
	for i := range c.set.len() {
		c.graph.Add(hnsw.MakeNode(uint32(i), c.set.vector(i)))
	}
	took := cpu() - start
	return cost{cpu: took, bytes: heap() - before}, nil // it keeps the caller's vectors
}

func (c *coder) search(ef, k int) (found [][]uint32, seconds float64, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("coder/hnsw panics: %v", r)
		}
	}()
	c.graph.EfSearch = ef
	start := cpu()
	for i := range c.set.truth {
		var ids []uint32
		for _, node := range c.graph.Search(c.set.query(i), k) {
			ids = append(ids, node.Key)
		}
		found = append(found, ids)
	}
	return found, cpu() - start, nil
}

func (c *coder) drop() { c.graph = nil }

// heap is what is alive of this process's memory.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // pools are let go in two steps
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// cpu is the processor time of this process, its runtime's own included.
func cpu() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}
