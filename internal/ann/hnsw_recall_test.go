package ann

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

// walked is an hnsw that walks its graph whatever a scan would cost.
func walked(t *testing.T, dims int, change func(c *Config), changes []Change) *hnsw {
	t.Helper()
	c := DefaultConfig()
	c.Engine, c.EfConstruction, c.MinGraph, c.Workers, c.walkAlways = HNSW, 100, 2, 1, true
	if change != nil {
		change(&c)
	}
	x, err := newHNSW(dims, c).apply(changes)
	if err != nil {
		t.Fatal(err)
	}
	return rebuilt(x)
}

// recallOf returns which share of the truly k best an index finds.
func recallOf(t *testing.T, x *hnsw, queries [][]float32, k int, allowed func(uint32) bool) float64 {
	t.Helper()
	found, wanted := 0, 0
	for _, q := range queries {
		want, err := x.SearchExact(q, k, allowed)
		if err != nil {
			t.Fatal(err)
		}
		truth := map[uint32]bool{}
		for _, h := range want {
			truth[h.ID] = true
		}
		got, err := x.Search(q, k, allowed)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != len(want) {
			t.Fatalf("%d results, want %d", len(got), len(want))
		}
		for _, h := range got {
			if truth[h.ID] {
				found++
			}
		}
		wanted += len(want)
	}
	return float64(found) / float64(wanted)
}

func draw(n int, source func() []float32) [][]float32 {
	vectors := make([][]float32, n)
	for i := range vectors {
		vectors[i] = source()
	}
	return vectors
}

// stretched gives the vectors of a source different lengths, as item factors have.
func stretched(rng *rand.Rand, source func() []float32) func() []float32 {
	return func() []float32 {
		v := source()
		size := float32(rng.ExpFloat64() + .2)
		for i := range v {
			v[i] *= size
		}
		return v
	}
}

// The effort that a rebuild measures reaches the target on queries it has not seen. The
// floors lie below .99 by what the sample of queries may be off.
func TestHNSWReachesItsTarget(t *testing.T) {
	t.Parallel()
	const n = 2500
	for _, c := range []struct {
		name    string
		dims    int
		source  func(rng *rand.Rand) func() []float32
		float32 bool
	}{
		{"clustered 64", 64, func(rng *rand.Rand) func() []float32 { return clustered(rng, 64) }, false},
		{"clustered 64 float32", 64, func(rng *rand.Rand) func() []float32 { return clustered(rng, 64) }, true},
		{"clustered 200", 200, func(rng *rand.Rand) func() []float32 { return clustered(rng, 200) }, false},
		{"uniform 12", 12, func(rng *rand.Rand) func() []float32 { return func() []float32 { return unit(rng, 12) } }, false},
		{"of many lengths 64", 64, func(rng *rand.Rand) func() []float32 { return stretched(rng, clustered(rng, 64)) }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			source := c.source(rand.New(rand.NewPCG(121, 1)))
			x := walked(t, c.dims, func(config *Config) { config.Float32 = c.float32 }, additions(n, source))
			queries := draw(60, source)
			for _, k := range []int{10, 100} {
				recall := recallOf(t, x, queries, k, nil)
				ef, visited := x.base.effort.at(k)
				t.Logf("recall@%d %.4f with ef %d, %.0f of %d nodes scored", k, recall, ef, visited, n)
				if recall < .975 {
					t.Errorf("recall@%d %.4f, target .99", k, recall)
				}
			}
			for share, allowed := range map[string]func(uint32) bool{
				"nine in ten": func(item uint32) bool { return item%10 > 0 },
				"a third":     func(item uint32) bool { return item%3 == 0 },
			} {
				recall := recallOf(t, x, queries, 10, allowed)
				t.Logf("recall@10 %.4f among %s", recall, share)
				if recall < .975 {
					t.Errorf("recall@10 %.4f among %s, target .99", recall, share)
				}
			}
		})
	}
}

// Copies of one vector, exact ones and almost exact ones, must not hide the others.
func TestHNSWDuplicates(t *testing.T) {
	t.Parallel()
	const others, dims = 1000, 64
	fixed := func(c *Config) { c.Ef = 50 }
	rng := rand.New(rand.NewPCG(122, 1))
	source := clustered(rng, dims)
	changes, queries, one := additions(others, source), draw(80, source), source()
	fresh := recallOf(t, walked(t, dims, fixed, changes), queries, 10, nil)
	// What differs at all is a node of its own; which of these come first, 1e-6 apart, is
	// beyond what a search can tell, so they are asked for the others only.
	for _, c := range []struct {
		name   string
		noise  float32
		copies int
		among  func(item uint32) bool
		loss   float64
	}{
		{"exact copies", 0, 3000, nil, .005},
		{"others among exact copies", 0, 3000, func(item uint32) bool { return item < others }, .005},
		{"others among near copies", 1e-6, 800, func(item uint32) bool { return item < others }, .02},
	} {
		with := slices.Clone(changes)
		for i := range uint32(c.copies) {
			v := slices.Clone(one)
			vecmath.Axpy(c.noise, unit(rng, dims), v)
			with = append(with, Change{others + i, v})
		}
		x := walked(t, dims, fixed, with)
		if c.noise == 0 && x.base.rows.len() != others+1 {
			t.Errorf("%d nodes, want %d", x.base.rows.len(), others+1)
		}
		recall := recallOf(t, x, queries, 10, c.among)
		t.Logf("recall@10 of %s %.4f, without copies %.4f", c.name, recall, fresh)
		if recall < fresh-c.loss {
			t.Errorf("recall@10 of %s %.4f, without copies %.4f", c.name, recall, fresh)
		}
	}
}

// Half of the items are replaced or removed: recall before and after the next rebuild is
// that of an index built from what is left.
func TestHNSWChurn(t *testing.T) {
	t.Parallel()
	const n, dims = 2000, 64
	rng := rand.New(rand.NewPCG(123, 1))
	source := clustered(rng, dims)
	fixed := func(c *Config) { c.Ef = 40 }
	x := walked(t, dims, fixed, additions(n, source))
	for step := range 20 {
		var changes []Change
		for i := range n / 40 {
			item := uint32(step*n/40 + i)
			changes = append(changes, Change{Item: item})
			if i%2 == 0 {
				changes[i].Vector = source()
			}
		}
		var err error
		if x, err = x.apply(changes); err != nil {
			t.Fatal(err)
		}
	}
	if err := x.fault(); err != nil {
		t.Fatal(err)
	}
	if !x.RebuildDue() {
		t.Error("half of the graph is dead and no rebuild is due")
	}
	var left []Change
	x.each(func(item uint32, vector []float32) { left = append(left, Change{item, vector}) })
	queries := draw(100, source)
	fresh := recallOf(t, walked(t, dims, fixed, left), queries, 10, nil)
	for name, ix := range map[string]*hnsw{"before a rebuild": x, "after it": rebuilt(x)} {
		recall := recallOf(t, ix, queries, 10, nil)
		t.Logf("recall@10 %s %.4f, of a fresh build %.4f", name, recall, fresh)
		if recall < fresh-.005 {
			t.Errorf("recall@10 %s %.4f, of a fresh build %.4f", name, recall, fresh)
		}
	}
}

// What a search enters by, and everything on the upper layers, may go.
func TestHNSWWithoutItsEntry(t *testing.T) {
	t.Parallel()
	const n, dims = 2000, 32
	source := clustered(rand.New(rand.NewPCG(124, 1)), dims)
	x := walked(t, dims, func(c *Config) { c.Ef = 50 }, additions(n, source))
	queries := draw(50, source)
	for _, nodes := range []int{1, x.base.graph.nodes(len(x.base.graph.layers) - 1), x.base.graph.nodes(1)} {
		var changes []Change
		for node := range uint32(nodes) {
			changes = append(changes, Change{Item: x.base.itemsOf(node)[0]})
		}
		v := version{engine: engine{name: "hnsw"}, Index: x, twin: map[uint32][]float32{}}
		x.each(func(item uint32, vector []float32) { v.twin[item] = vector })
		v = v.apply(t, changes...)
		v.checkVectors(t, changes[0].Item)
		v.checkSearch(t, queries[0], 20, nil)
		if recall := recallOf(t, v.Index.(*hnsw), queries, 10, nil); recall < .97 {
			t.Errorf("recall@10 %.4f without the %d uppermost nodes", recall, nodes)
		}
	}
}

// A filter that allows what lies far from the query only: the walk must go there, or a
// scan must find it.
func TestHNSWFilterFarFromTheQuery(t *testing.T) {
	t.Parallel()
	const n, dims = 2000, 32
	rng := rand.New(rand.NewPCG(125, 1))
	centres := draw(10, func() []float32 { return unit(rng, dims) })
	source := func(centre int) []float32 {
		v := unit(rng, dims)
		vecmath.Axpy(2, centres[centre], v)
		vecmath.Normalize(v)
		return v
	}
	changes := make([]Change, n)
	for i := range changes {
		changes[i] = Change{uint32(i), source(i % 10)}
	}
	x := walked(t, dims, func(c *Config) { c.Ef = 12 }, changes)
	for centre := range 10 {
		allowed := func(item uint32) bool { return int(item)%10 != centre } // nine tenths, and not those near
		for _, allowed := range []func(uint32) bool{allowed, func(item uint32) bool { return allowed(item) && item%2 == 0 }} {
			queries := draw(5, func() []float32 { return source(centre) })
			if recall := recallOf(t, x, queries, 10, allowed); recall < .9 {
				t.Errorf("recall@10 %.3f where none of the query's cluster is allowed", recall)
			}
		}
	}
}

// BenchmarkHNSW reports recall@10 beside the time of a search for 10.
func BenchmarkHNSW(b *testing.B) {
	for _, s := range []shape{{50_000, 64, "clustered"}, {20_000, 384, "clustered"}} {
		source := s.source()
		c := DefaultConfig()
		c.Engine = HNSW
		for name, change := range map[string]func(*Config){"codes": func(*Config) {}, "float32": func(c *Config) { c.Float32 = true }} {
			c := c
			change(&c)
			x, err := newHNSW(s.dims, c).apply(additions(s.n, source))
			if err != nil {
				b.Fatal(err)
			}
			x = rebuilt(x)
			queries := draw(200, source)
			for _, how := range []string{"walk", "walk among half", "scan"} {
				b.Run(fmt.Sprintf("%s/%s/%s", s, name, how), func(b *testing.B) {
					search, allowed := x.Search, func(uint32) bool { return true }
					switch how {
					case "walk among half":
						allowed = odd
					case "scan":
						search = x.SearchExact
					}
					found := 0
					for _, q := range queries {
						want, _ := x.SearchExact(q, 10, allowed)
						got, _ := search(q, 10, allowed)
						found += common(want, got)
					}
					b.ReportAllocs()
					b.ResetTimer()
					for i := range b.N {
						if _, err := search(queries[i%len(queries)], 10, allowed); err != nil {
							b.Fatal(err)
						}
					}
					b.ReportMetric(float64(found)/float64(10*len(queries)), "recall@10")
				})
			}
		}
	}
}

func common(a, b []Hit) (n int) {
	for _, x := range a {
		for _, y := range b {
			if x.ID == y.ID {
				n++
			}
		}
	}
	return n
}
