package ann

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// What changes between a rebuild and its adoption must all be there afterwards.
func TestAdoptAfterChanges(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(131, 1))
	const dims, items = 4, 900
	e := engine{name: "hnsw", open: func(dims int) Index { return newHNSW(dims, smallGraph()) }}
	v := newVersion(e, dims)
	change := func(v version, n int) version {
		changes := make([]Change, n)
		for i := range changes {
			changes[i].Item = uint32(rng.IntN(items))
			if rng.IntN(3) > 0 {
				changes[i].Vector = grid(rng, dims)
			}
			if old := v.twin[changes[i].Item]; old != nil && rng.IntN(9) == 0 {
				changes[i].Vector = old
			}
		}
		return v.apply(t, changes...)
	}
	for range 40 {
		v = change(v, rng.IntN(700))
		built, err := v.Index.(Rebuilder).Rebuild(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		for range rng.IntN(8) { // meanwhile
			v = change(v, rng.IntN(60))
		}
		before := v
		if v.Index, err = v.Index.(Rebuilder).Adopt(built); err != nil {
			t.Fatal(err)
		}
		for _, v := range []version{v, before} {
			v.checkVectors(t, items, items+1)
			v.checkSearch(t, grid(rng, dims), 12, nil)
			v.checkSearch(t, grid(rng, dims), 12, odd)
		}
	}
}

func TestAdoptRefusesAnotherLine(t *testing.T) {
	t.Parallel()
	source := clustered(rand.New(rand.NewPCG(132, 1)), 8)
	x, err := newHNSW(8, smallGraph()).apply(additions(300, source))
	if err != nil {
		t.Fatal(err)
	}
	built, err := x.Rebuild(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for name, other := range map[string]*hnsw{"another index": newHNSW(8, smallGraph()), "rebuilt meanwhile": rebuilt(x)} {
		if ix, err := other.Adopt(built); !errors.Is(err, recsys.ErrConflict) || ix != nil {
			t.Errorf("%s: Adopt = %v, %v, want ErrConflict", name, ix, err)
		}
	}
}

// An index that lost everything since the rebuild is empty, and can be filled again.
func TestAdoptWhenAllIsGone(t *testing.T) {
	t.Parallel()
	source := clustered(rand.New(rand.NewPCG(133, 1)), 8)
	e := engine{name: "hnsw", open: func(dims int) Index { return newHNSW(dims, smallGraph()) }}
	v := newVersion(e, 8).apply(t, additions(300, source)...)
	built, err := v.Index.(Rebuilder).Rebuild(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	last := v.apply(t, additions(299, func() []float32 { return nil })...)
	for name, v := range map[string]version{"one left": last, "none left": last.apply(t, Change{Item: 299})} {
		ix, err := v.Index.(Rebuilder).Adopt(built)
		if errors.Is(err, recsys.ErrConflict) && v.Len() == 0 {
			continue // an empty index begins a line of its own
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		v.Index = ix
		v.checkVectors(t, 0, 299)
		v.checkSearch(t, source(), 10, nil)
		v.apply(t, Change{5, source()}).checkVectors(t)
	}
}

func TestRebuildDue(t *testing.T) {
	t.Parallel()
	source := clustered(rand.New(rand.NewPCG(134, 1)), 8)
	c := smallGraph()
	c.MinGraph, c.MaxTail = 400, 1000
	apply := func(x *hnsw, changes []Change) *hnsw {
		next, err := x.apply(changes)
		if err != nil {
			t.Fatal(err)
		}
		return next
	}
	removals := func(n int) []Change { return additions(n, func() []float32 { return nil }) }
	later := func(n int) []Change {
		changes := additions(n, source)
		for i := range changes {
			changes[i].Item += 10_000
		}
		return changes
	}
	empty := newHNSW(8, c)
	built := rebuilt(apply(empty, additions(1000, source)))
	for _, step := range []struct {
		name string
		x    *hnsw
		want bool
	}{
		{"empty", empty, false},
		{"too few for a graph", apply(empty, additions(399, source)), false},
		{"enough for a graph", apply(empty, additions(400, source)), true},
		{"just built", built, false},
		{"a short tail", apply(built, later(250)), false},
		{"a quarter more", apply(built, later(251)), true},
		{"three tenths gone", apply(built, removals(300)), false},
		{"more gone", apply(built, removals(301)), true},
		{"half of what makes a graph", rebuilt(apply(built, append(removals(800), Change{9999, source()}))), false},
	} {
		if got := step.x.RebuildDue(); got != step.want {
			t.Errorf("%s: a rebuild is due: %v, want %v", step.name, got, step.want)
		}
	}
	// A catalogue that shrank below what a graph is for goes back to scans.
	small := rebuilt(apply(built, removals(801)))
	if small.base.graph != nil || small.RebuildDue() || small.Len() != 199 {
		t.Errorf("after shrinking to %d: graph %v, due %v", small.Len(), small.base.graph != nil, small.RebuildDue())
	}
}

// auto serves small catalogues without a graph and large ones with one.
func TestAutoSwitches(t *testing.T) {
	t.Parallel()
	source := clustered(rand.New(rand.NewPCG(135, 1)), 8)
	ix, err := New(Auto, 8)
	if err != nil {
		t.Fatal(err)
	}
	x, err := ix.(*hnsw).apply(additions(19_999, source))
	if err != nil {
		t.Fatal(err)
	}
	if x.RebuildDue() {
		t.Error("19,999 items ask for a graph")
	}
	if x, err = x.apply([]Change{{19_999, source()}}); err != nil || !x.RebuildDue() {
		t.Errorf("20,000 items do not ask for a graph (%v)", err)
	}
}

func TestStats(t *testing.T) {
	t.Parallel()
	source := clustered(rand.New(rand.NewPCG(136, 1)), 64)
	one := source()
	changes := append(additions(300, source), Change{300, one}, Change{301, one})
	x, err := newHNSW(64, smallGraph()).apply(changes)
	if err != nil {
		t.Fatal(err)
	}
	if s := x.Stats(); s.Items != 302 || s.Tail != 302 || s.Nodes != 0 || s.Ef != 0 || s.Bytes < 302*64*4 {
		t.Errorf("before a rebuild: %+v", s)
	}
	if x, err = rebuilt(x).apply([]Change{{Item: 3}, {4, source()}, {500, source()}}); err != nil {
		t.Fatal(err)
	}
	if s := x.Stats(); s.Items != 302 || s.Tail != 2 || s.Nodes != 301 || s.Dead != 2 || s.Ef != 30 || s.Bytes < 301*64*4 {
		t.Errorf("after a rebuild: %+v", s)
	}
}

// A search allocates its result and nothing else once its memory has grown. (Not parallel:
// allocations are counted for the whole process.)
func TestHNSWSearchAllocatesForTheResultOnly(t *testing.T) {
	const dims = 64
	source := clustered(rand.New(rand.NewPCG(137, 1)), dims)
	x, err := newHNSW(dims, smallGraph()).apply(additions(3000, source))
	if err != nil {
		t.Fatal(err)
	}
	if x, err = rebuilt(x).apply([]Change{{Item: 5}, {6, source()}}); err != nil {
		t.Fatal(err)
	}
	query := source()
	var s search
	most := func(item uint32) bool { return item%10 > 0 }
	for name, allowed := range map[string]func(uint32) bool{"all": nil, "most": most, "a third": func(item uint32) bool { return item%3 == 0 }} {
		allocations := testing.AllocsPerRun(20, func() {
			s.begin(query, 1, 10, x.tail.coded)
			x.find(&s, true, allowed)
			s.finish()
		})
		if allocations > 1 {
			t.Errorf("%v allocations among %s, want at most 1", allocations, name)
		}
	}
}

func TestConfigValidate(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Config){
		"engine":          func(c *Config) { c.Engine = "tree" },
		"m":               func(c *Config) { c.M = 1 },
		"ef_construction": func(c *Config) { c.EfConstruction = c.M - 1 },
		"ef":              func(c *Config) { c.Ef = -1 },
		"target_recall":   func(c *Config) { c.TargetRecall = 1 },
		"min_graph":       func(c *Config) { c.MinGraph = -1 },
		"max_tail":        func(c *Config) { c.MaxTail = 0 },
		"max_dead":        func(c *Config) { c.MaxDead = 0 },
		"workers":         func(c *Config) { c.Workers = -1 },
	} {
		c := DefaultConfig()
		if err := c.Validate(); err != nil {
			t.Fatalf("the usual settings: %v", err)
		}
		change(&c)
		var field *recsys.FieldError
		if err := c.Validate(); !errors.Is(err, recsys.ErrInvalid) || !errors.As(err, &field) || field.Field != name {
			t.Errorf("%s: %v, want ErrInvalid about it", name, err)
		}
		if ix, err := c.New(8); !errors.Is(err, recsys.ErrInvalid) || ix != nil {
			t.Errorf("%s: New = %v, %v, want ErrInvalid", name, ix, err)
		}
	}
}

func TestWithEf(t *testing.T) {
	t.Parallel()
	const dims = 32
	source := clustered(rand.New(rand.NewPCG(138, 1)), dims)
	x := walked(t, dims, nil, additions(2000, source))
	queries := draw(40, source)
	measured := x.Stats().Ef
	var last float64
	for _, ef := range []int{10, 100, 1000} {
		wide := x.WithEf(ef).(*hnsw)
		recall := recallOf(t, wide, queries, 10, nil)
		if wide.Stats().Ef != ef || recall < last {
			t.Errorf("ef %d: recall@10 %.3f after %.3f, ef is %d", ef, recall, last, wide.Stats().Ef)
		}
		last = recall
		next, err := wide.apply([]Change{{5000, source()}})
		if err != nil || next.Stats().Ef != ef || rebuilt(next).Stats().Ef != ef {
			t.Errorf("ef %d does not last: %+v, %v", ef, next.Stats(), err)
		}
	}
	if last < .999 {
		t.Errorf("recall@10 %.3f with an ef of half the nodes", last)
	}
	for given, want := range map[int]int{0: measured, -5: measured, 1 << 30: widest} {
		if got := x.WithEf(10).(*hnsw).WithEf(given).(*hnsw).Stats().Ef; got != want {
			t.Errorf("ef %d is %d, want %d", given, got, want)
		}
	}
}
