package ann

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// rowsOf returns n rows from a source, with codes or without.
func rowsOf(n, dims int, codes bool, source func() []float32) *rows {
	r := newRows(dims, false)
	for range n {
		r.floats = append(r.floats, source()...)
	}
	if codes {
		r.encodeAll()
	}
	return &r
}

func buildGraph(t testing.TB, r *rows, c Config) *graph {
	t.Helper()
	b := newBuilder(r, c)
	if err := b.insert(context.Background(), 0, r.len(), c.workers()); err != nil {
		t.Fatal(err)
	}
	return b.graph
}

// scoreTwin is the inner product of two rows as the linker sees it.
func scoreTwin(r *rows, a, b uint32) float32 {
	var p probe
	p.setRow(r, a)
	var out [1]float32
	p.score(r, []uint32{b}, out[:])
	return out[0] * p.unit()
}

// Algorithm 4 as the paper has it: one candidate after another, each held against all that
// are chosen.
func TestChooseAgainstThePaper(t *testing.T) {
	t.Parallel()
	for name, codes := range map[string]bool{"codes": true, "float32": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(111, 1))
			r := rowsOf(300, 12, codes, clustered(rng, 12))
			g := &graph{rows: r, m: 8}
			var l linker
			for range 50 {
				node := uint32(rng.IntN(300))
				var candidates []uint32
				for _, i := range rng.Perm(300)[:40] {
					if uint32(i) != node {
						candidates = append(candidates, uint32(i))
					}
				}
				got := slices.Clone(l.chooseFor(g, node, candidates, 8))
				slices.SortFunc(candidates, func(a, b uint32) int {
					if scoreTwin(r, node, a) > scoreTwin(r, node, b) {
						return -1
					}
					return 1
				})
				var want []uint32
				for _, c := range candidates {
					nearer := func(chosen uint32) bool { return scoreTwin(r, chosen, c) >= scoreTwin(r, node, c) }
					if len(want) < 8 && !slices.ContainsFunc(want, nearer) {
						want = append(want, c)
					}
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatalf("neighbours (-want +got):\n%s", diff)
				}
			}
		})
	}
}

// With a limit of all nodes a walk finds all, best first; among some, all of these.
func TestWalkFindsAllItMay(t *testing.T) {
	t.Parallel()
	for name, codes := range map[string]bool{"codes": true, "float32": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const n, dims = 400, 16
			source := clustered(rand.New(rand.NewPCG(112, 1)), dims)
			g := buildGraph(t, rowsOf(n, dims, codes, source), smallGraph())
			if err := g.fault(); err != nil {
				t.Fatal(err)
			}
			var w walker
			var p probe
			p.set(source(), codes)
			w.begin(g, &p)
			w.walk(g, 0, w.descend(g, 0), n)
			all := make([]key, n)
			scores := make([]float32, n)
			p.scoreAll(g.rows, scores)
			for node, score := range scores {
				all[node] = keyOf(score, uint32(node)) | opened
			}
			slices.Sort(all)
			if diff := cmp.Diff(all, w.near.keys); diff != "" {
				t.Errorf("nodes found (-want +got):\n%s", diff)
			}
			if w.visited < n {
				t.Errorf("%d scores for %d nodes", w.visited, n)
			}
			third := func(node uint32) bool { return node%3 == 1 }
			if !w.walkAmong(g, n, 10*n, third) {
				t.Error("the walk among a third gave up")
			}
			some := slices.DeleteFunc(all, func(k key) bool { return !third(nodeOf(k)) })
			for i := range some {
				some[i] &^= opened
			}
			if diff := cmp.Diff(some, w.near.keys); diff != "" {
				t.Errorf("nodes found among a third (-want +got):\n%s", diff)
			}
			if w.walkAmong(g, n, 10, third) {
				t.Error("the walk did not keep to its budget")
			}
		})
	}
}

// One worker and one seed make one graph, another seed another; several workers make a
// graph that is as sound.
func TestBuildIsDeterministic(t *testing.T) {
	t.Parallel()
	const n, dims = 600, 64
	source := clustered(rand.New(rand.NewPCG(113, 1)), dims)
	changes := additions(n, source)
	build := func(workers int, seed uint64) *base {
		c := DefaultConfig()
		c.Engine, c.EfConstruction, c.MinGraph, c.Workers, c.Seed = HNSW, 60, 2, workers, seed
		x, err := newHNSW(dims, c).apply(changes)
		if err != nil {
			t.Fatal(err)
		}
		x = rebuilt(x)
		if err := x.fault(); err != nil {
			t.Fatal(err)
		}
		return x.base
	}
	one, again, other, many := build(1, 5), build(1, 5), build(1, 6), build(4, 5)
	if diff := cmp.Diff(one.graph.layers, again.graph.layers); diff != "" {
		t.Errorf("the same seed gave another graph (-first +second):\n%s", diff)
	}
	if !slices.Equal(one.items, again.items) || one.effort != again.effort {
		t.Errorf("the same seed gave other items, or effort %v and %v", one.effort, again.effort)
	}
	if slices.Equal(one.items, other.items) {
		t.Error("another seed gave the same order")
	}
	if !slices.Equal(one.items, many.items) && len(many.items) != n {
		t.Errorf("%d items of %d", len(many.items), n)
	}
}

func TestBuildStopsWithItsContext(t *testing.T) {
	t.Parallel()
	x, err := newHNSW(8, smallGraph()).apply(additions(2000, clustered(rand.New(rand.NewPCG(114, 1)), 8)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if built, err := x.Rebuild(ctx); !errors.Is(err, context.Canceled) || built != nil {
		t.Errorf("Rebuild = %v, %v, want %v", built, err, context.Canceled)
	}
}

// Rearranging renumbers and moves, and changes nothing else.
func TestRearrangeKeepsTheGraph(t *testing.T) {
	t.Parallel()
	const n, dims = 500, 64
	r := rowsOf(n, dims, true, clustered(rand.New(rand.NewPCG(115, 1)), dims))
	g := buildGraph(t, r, smallGraph())
	before := &rows{dims: dims, floats: slices.Clone(r.floats), codes: slices.Clone(r.codes), scale: slices.Clone(r.scale)}
	var links [][]uint32
	for _, l := range g.layers {
		links = append(links, slices.Clone(l))
	}
	order := g.order()
	if sorted := slices.Sorted(slices.Values(order)); len(sorted) != n || sorted[0] != 0 || sorted[n-1] != n-1 || len(slices.Compact(sorted)) != n {
		t.Fatalf("not a permutation: %v", order)
	}
	g.rearrange(order)
	if err := g.fault(); err != nil {
		t.Fatal(err)
	}
	for i, old := range order {
		if !slices.Equal(r.row(i), before.row(int(old))) || !slices.Equal(r.code(i), before.code(int(old))) || r.scale[i] != before.scale[old] {
			t.Fatalf("row %d is not what row %d was", i, old)
		}
	}
	for layer, all := range links {
		w := g.width(layer)
		for i := range g.nodes(layer) {
			for j, link := range g.links(layer, uint32(i)) {
				was := all[int(order[i])*w+j]
				if link == noLink && was != noLink || link != noLink && order[link] != was {
					t.Fatalf("layer %d, node %d: link %d is %d, was %d", layer, i, j, link, was)
				}
			}
		}
	}
}
