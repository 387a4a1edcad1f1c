package ann

import (
	"context"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

// engine is one row of the conformance suite.
type engine struct {
	name  string
	exact bool // finds the truly best, always
	slow  bool // takes tens of times as long as the others to build
	open  func(dims int) Index
}

// engines are what New accepts, and coder and hnsw once more with thresholds so low that
// small indexes go through their graphs and rebuild them too.
func engines() []engine {
	named := func(name string) func(int) Index {
		return func(dims int) Index {
			ix, err := New(name, dims)
			if err != nil {
				panic(err)
			}
			return ix
		}
	}
	return []engine{
		{name: "exact", exact: true, open: named(Exact)},
		{name: "coder", slow: true, open: named(Coder)},
		{name: "coder with a small graph", slow: true, open: func(dims int) Index { return newCoder(dims, tuning{fetch: 8, floor: 8}) }},
		{name: "hnsw", exact: true, open: named(HNSW)}, // never rebuilt: scanned
		{name: "auto", exact: true, open: named(Auto)},
		{name: "hnsw with a small graph", open: func(dims int) Index { return rebuilding{newHNSW(dims, smallGraph())} }},
	}
}

// smallGraph makes hnsw build graphs of few items, soon, and walk them always.
func smallGraph() Config {
	c := DefaultConfig()
	c.Engine, c.M, c.EfConstruction = HNSW, 4, 20
	c.MinGraph, c.MaxTail, c.Ef, c.Workers, c.walkAlways = 2, 150, 30, 1, true
	return c
}

// rebuilding is an hnsw that rebuilds within Apply as soon as that is due.
type rebuilding struct{ *hnsw }

func (x rebuilding) Apply(changes []Change) (Index, error) {
	next, err := x.apply(changes)
	if err != nil {
		return nil, err
	}
	if next.RebuildDue() {
		next = rebuilt(next)
	}
	return rebuilding{next}, nil
}

// rebuilt is the version after a rebuild.
func rebuilt(x *hnsw) *hnsw {
	built, err := x.Rebuild(context.Background())
	if err != nil {
		panic(err)
	}
	next, err := x.Adopt(built)
	if err != nil {
		panic(err)
	}
	return next.(*hnsw)
}

// eachEngine runs a test over all engines, side by side.
func eachEngine(t *testing.T, test func(t *testing.T, e engine)) {
	t.Helper()
	t.Parallel()
	for _, e := range engines() {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			test(t, e)
		})
	}
}

// version is an Index and its slow twin: a map of its vectors.
type version struct {
	engine
	Index
	twin map[uint32][]float32
}

func newVersion(e engine, dims int) version {
	return version{engine: e, Index: e.open(dims), twin: map[uint32][]float32{}}
}

// apply applies the changes to both; the receiver keeps its own twin.
func (v version) apply(t *testing.T, changes ...Change) version {
	t.Helper()
	next, err := v.Index.Apply(changes)
	if err != nil {
		t.Fatalf("Apply of %d changes: %v", len(changes), err)
	}
	return version{v.engine, next, v.follow(changes)}
}

// follow returns the twin after the changes.
func (v version) follow(changes []Change) map[uint32][]float32 {
	twin := maps.Clone(v.twin)
	for _, c := range changes {
		if c.Vector == nil {
			delete(twin, c.Item)
		} else {
			twin[c.Item] = slices.Clone(c.Vector)
		}
	}
	return twin
}

// vectorFault compares Len, Vector and the engine's own bookkeeping with the twin.
func (v version) vectorFault(absent ...uint32) error {
	if v.Len() != len(v.twin) {
		return fmt.Errorf("Len = %d, want %d", v.Len(), len(v.twin))
	}
	for item, want := range v.twin {
		if got, ok := v.Vector(item); !ok || !slices.Equal(got, want) {
			return fmt.Errorf("Vector(%d) = %v, %v, want %v", item, got, ok, want)
		}
	}
	for _, item := range absent {
		if got, ok := v.Vector(item); ok != (v.twin[item] != nil) {
			return fmt.Errorf("Vector(%d) = %v, %v", item, got, ok)
		}
	}
	if x := hnswOf(v.Index); x != nil {
		return x.fault()
	}
	return storage(v.Index).fault()
}

func (v version) checkVectors(t *testing.T, absent ...uint32) {
	t.Helper()
	if err := v.vectorFault(absent...); err != nil {
		t.Fatal(err)
	}
}

// storage returns where an engine keeps its vectors, hnsw those of its tail.
func storage(ix Index) *exact {
	switch x := ix.(type) {
	case *coder:
		return x.exact
	case *exact:
		return x
	}
	return hnswOf(ix).tail
}

// hnswOf returns the hnsw behind an index, nil if it is another engine.
func hnswOf(ix Index) *hnsw {
	switch x := ix.(type) {
	case *hnsw:
		return x
	case rebuilding:
		return x.hnsw
	}
	return nil
}

// fault checks what the code of exact takes for granted.
func (x *exact) fault() error {
	holes, live := 0, 0
	for i, c := range x.chunks {
		if c == nil {
			holes++
			continue
		}
		if c.sparse() || i != x.tail && !c.full() {
			return fmt.Errorf("chunk %d keeps %d live of %d rows (tail %d)", i, c.live, len(c.items), x.tail)
		}
		for row, item := range c.items {
			if c.isDead(row) {
				continue
			}
			live++
			if slot, ok := x.slots.get(item); !ok || slot != uint32(i<<rowBits|row) {
				return fmt.Errorf("item %d is in chunk %d, row %d, but its slot is %d, %v", item, i, row, slot, ok)
			}
		}
	}
	if holes != x.holes || live != x.live {
		return fmt.Errorf("%d holes and %d live rows, counted as %d and %d", holes, live, x.holes, x.live)
	}
	return nil
}

// search returns what the twin finds: everything that matches, scored and sorted.
// Scores come from the scanning kernel row by row, whose results do not depend on
// where a row stands, so they must be met to the bit.
func (v version) search(query []float32, k int, allowed func(uint32) bool) []Hit {
	top, score := []Hit{}, make([]float32, 1)
	for item, vector := range v.twin {
		if allowed == nil || allowed(item) {
			vecmath.DotRows(query, vector, score)
			top = append(top, Hit{ID: item, Score: score[0]})
		}
	}
	slices.SortFunc(top, func(a, b Hit) int {
		switch {
		case a.Score > b.Score, a.Score == b.Score && a.ID < b.ID:
			return -1
		}
		return 1
	})
	return top[:min(k, len(top))]
}

// searchFault compares a search with the twin. An engine that approximates may find
// other items, but as many, only matching ones, each once, rightly scored and sorted.
func (v version) searchFault(query []float32, k int, allowed func(uint32) bool) error {
	got, err := v.Search(query, k, allowed)
	if err != nil {
		return fmt.Errorf("search for %d: %w", k, err)
	}
	want := v.search(query, k, allowed)
	if !v.exact {
		known := map[uint32]bool{}
		for _, h := range got {
			known[h.ID] = true
		}
		matching := len(want)
		want = v.search(query, len(v.twin), func(item uint32) bool {
			return known[item] && (allowed == nil || allowed(item))
		})
		if len(want) != matching {
			return fmt.Errorf("search for %d gave %d different matching items, want %d", k, len(want), matching)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		return fmt.Errorf("search for %d of %d (-want +got):\n%s", k, v.Len(), diff)
	}
	if allowed == nil {
		return nil
	}
	return v.setFault(query, k, allowed)
}

// setFault compares a search within a set with the twin: of what is allowed, and of a few
// of those, which are found one by one.
func (v version) setFault(query []float32, k int, allowed func(uint32) bool) error {
	few, all := set{}, set{math.MaxUint32: true}
	for item := range v.twin {
		all[item] = allowed(item)
		few[item] = all[item] && item%16 < 2
	}
	for _, set := range []set{all, few} {
		got, err := v.SearchSet(query, k, set, nil)
		if err != nil {
			return fmt.Errorf("search in a set for %d: %w", k, err)
		}
		want := v.search(query, k, set.Contains)
		if len(got) != len(want) {
			return fmt.Errorf("search in a set for %d of %d gave %d, want %d", k, v.Len(), len(got), len(want))
		}
		if v.exact {
			if diff := cmp.Diff(want, got); diff != "" {
				return fmt.Errorf("search in a set for %d of %d (-want +got):\n%s", k, v.Len(), diff)
			}
		}
		for _, h := range got {
			if v.twin[h.ID] == nil || !set[h.ID] {
				return fmt.Errorf("search in a set for %d of %d gave item %d, which is not in it", k, v.Len(), h.ID)
			}
		}
	}
	return nil
}

// set is the slow twin of a bitmap.
type set map[uint32]bool

func (s set) Contains(item uint32) bool { return s[item] }

func (s set) GetCardinality() (n uint64) {
	for _, in := range s {
		if in {
			n++
		}
	}
	return n
}

func (s set) Iterate(f func(uint32) bool) {
	for _, item := range slices.Sorted(maps.Keys(s)) {
		if s[item] && !f(item) {
			return
		}
	}
}

func (v version) checkSearch(t *testing.T, query []float32, k int, allowed func(uint32) bool) {
	t.Helper()
	if err := v.searchFault(query, k, allowed); err != nil {
		t.Fatal(err)
	}
}

// grid returns a vector of small whole numbers, not all zero: equal vectors and equal
// scores are frequent among them.
func grid(rng *rand.Rand, dims int) []float32 {
	v := make([]float32, dims)
	for i := range v {
		v[i] = float32(rng.IntN(5) - 2)
	}
	v[rng.IntN(dims)] = 1
	return v
}

// unit returns a random direction.
func unit(rng *rand.Rand, dims int) []float32 {
	v := make([]float32, dims)
	for i := range v {
		v[i] = float32(rng.NormFloat64())
	}
	vecmath.Normalize(v)
	return v
}

// clustered returns a source of directions spread around 100 centres, as a catalogue's
// are around its kinds: cosine about .5 within a kind.
func clustered(rng *rand.Rand, dims int) func() []float32 {
	centres := make([][]float32, 100)
	for i := range centres {
		centres[i] = unit(rng, dims)
	}
	return func() []float32 {
		v := unit(rng, dims)
		vecmath.Axpy(1, centres[rng.IntN(len(centres))], v)
		vecmath.Normalize(v)
		return v
	}
}

// additions puts n vectors under items 0 … n−1.
func additions(n int, vector func() []float32) []Change {
	changes := make([]Change, n)
	for i := range changes {
		changes[i] = Change{uint32(i), vector()}
	}
	return changes
}

func odd(item uint32) bool { return item%2 == 1 }

func none(uint32) bool { return false }
