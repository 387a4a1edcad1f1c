package ann

import (
	"math"
	"math/rand/v2"
	"sync/atomic"
	"testing"
)

// coderOf returns the version's engine.
func coderOf(v version) *coder { return v.Index.(*coder) }

// withCoder returns an index of n clustered vectors that goes through its graph.
func withCoder(t *testing.T, n, dims int) (version, func() []float32) {
	t.Helper()
	source := clustered(rand.New(rand.NewPCG(41, 1)), dims)
	e := engine{name: "coder", open: func(dims int) Index { return newCoder(dims, tuning{fetch: 40, floor: 20}) }}
	return newVersion(e, dims).apply(t, additions(n, source)...), source
}

// countDistances counts the graph's distance computations from now on.
func countDistances(g *coderGraph) *atomic.Int64 {
	var calls atomic.Int64
	plain := g.lib.Distance
	g.lib.Distance = func(a, b []float32) float32 {
		calls.Add(1)
		return plain(a, b)
	}
	return &calls
}

func TestCoderAsksItsGraphOnlyWhereThatPays(t *testing.T) {
	t.Parallel()
	v, source := withCoder(t, 600, 8)
	calls := countDistances(coderOf(v).graph)
	for _, c := range []struct {
		name  string
		query []float32
		k     int
		graph bool
	}{
		{"few of many", source(), 10, true},
		{"four times k is just below all", source(), 149, true},
		{"four times k is all", source(), 150, false},
		{"more than there are", source(), 1000, false},
		{"everything", source(), math.MaxInt, false},
		{"nothing", source(), 0, false},
		{"a query without direction", make([]float32, 8), 10, false},
	} {
		before := calls.Load()
		v.checkSearch(t, c.query, c.k, nil)
		if asked := calls.Load() > before; asked != c.graph {
			t.Errorf("%s: asked the graph: %v, want %v", c.name, asked, c.graph)
		}
	}
}

func TestCoderRebuildsWhenStale(t *testing.T) {
	t.Parallel()
	v, source := withCoder(t, 600, 8)
	first, removals := coderOf(v).graph, 0
	for coderOf(v).graph == first && removals < 600 {
		v = v.apply(t, Change{Item: uint32(removals)})
		v.checkSearch(t, source(), 10, nil)
		removals++
	}
	// After 138 there are 462 items, 30 % of which are 138: not more yet.
	if removals != 139 {
		t.Errorf("rebuilt after %d removals, want 139", removals)
	}
	if nodes := coderOf(v).graph.nodes; nodes != v.Len() {
		t.Errorf("the new graph has %d nodes for %d items", nodes, v.Len())
	}
	v.checkSearch(t, source(), 10, nil)
}

// A replaced vector is found where it is now, an unchanged one is not inserted again.
func TestCoderInsertsWhatChanged(t *testing.T) {
	t.Parallel()
	v, source := withCoder(t, 200, 8)
	nodes := coderOf(v).graph.nodes
	v = v.apply(t, Change{3, v.twin[3]}, Change{Item: 4}, Change{4, v.twin[4]})
	if got := coderOf(v).graph.nodes; got != nodes {
		t.Errorf("unchanged vectors made %d nodes", got-nodes)
	}
	v = v.apply(t, Change{5, source()}, Change{5, source()}, Change{6, source()}, Change{Item: 6})
	if got := coderOf(v).graph.nodes; got != nodes+1 {
		t.Errorf("one replaced vector made %d nodes", got-nodes)
	}
	v.checkSearch(t, source(), 10, nil)
}

// Whatever the library does, an answer comes and it is right; after as many changes
// as make a graph stale there is a new one.
func TestCoderSurvivesPanics(t *testing.T) {
	t.Parallel()
	panics := func(a, b []float32) float32 { panic("library") }
	for name, provoke := range map[string]func(t *testing.T, v version, source func() []float32) version{
		"in a search": func(t *testing.T, v version, source func() []float32) version {
			v.checkSearch(t, source(), 10, nil)
			return v
		},
		"in an insertion": func(t *testing.T, v version, source func() []float32) version {
			return v.apply(t, Change{1000, source()}, Change{1001, source()})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v, source := withCoder(t, 300, 8)
			old := v
			broken := coderOf(v).graph
			broken.lib.Distance = panics
			v = provoke(t, v, source)
			if !broken.broken {
				t.Fatal("the panic went unnoticed")
			}
			exactly := v
			exactly.engine.exact = true // without a graph the twin's order must be met
			exactly.checkSearch(t, source(), 10, odd)
			changes := 0
			for coderOf(v).graph == broken {
				v = v.apply(t, Change{uint32(2000 + changes), source()})
				v.checkSearch(t, source(), 10, nil)
				if changes++; changes > 300 {
					t.Fatal("never rebuilt")
				}
			}
			if nodes, isBroken := coderOf(v).graph.state(); isBroken || nodes != v.Len() {
				t.Errorf("the new graph has %d nodes for %d items, broken %v", nodes, v.Len(), isBroken)
			}
			if debt := coderOf(v).debt; debt != 0 {
				t.Errorf("the new graph begins with a debt of %d changes", debt)
			}
			old.checkSearch(t, source(), 10, nil)
			v.checkSearch(t, source(), 10, nil)
			v.checkVectors(t)
		})
	}
}

// A filter that few candidates pass leaves too little: the scan then finds them all.
func TestCoderFallsBackBehindANarrowFilter(t *testing.T) {
	t.Parallel()
	v, source := withCoder(t, 600, 8)
	exactly := v
	exactly.engine.exact = true
	exactly.checkSearch(t, source(), 10, func(item uint32) bool { return item%100 == 3 })
}
