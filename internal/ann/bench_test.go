package ann

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// BenchmarkSearch reports recall@10 beside the time of a search for 10.
func BenchmarkSearch(b *testing.B) {
	for _, s := range []shape{
		{10_000, 64, "clustered"}, {10_000, 64, "uniform"}, {5_000, 512, "clustered"}, {5_000, 512, "uniform"},
	} {
		m := measure(b, s, 100)
		for name, ix := range map[string]Index{Exact: m.exact, Coder: m.coder} {
			b.Run(fmt.Sprintf("%s/%s", s, name), func(b *testing.B) {
				recall := m.recall(b, ix, 10)
				b.ReportAllocs()
				b.ResetTimer()
				for i := range b.N {
					if _, err := ix.Search(m.queries[i%len(m.queries)], 10, nil); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(recall, "recall@10")
			})
		}
	}
}

// BenchmarkSearchLarge is the exact scan where memory is the limit, with and without a filter.
func BenchmarkSearchLarge(b *testing.B) {
	const n, dims = 100_000, 64
	rng := rand.New(rand.NewPCG(61, 1))
	ix := large(b, n, dims)
	query := unit(rng, dims)
	for name, allowed := range map[string]func(uint32) bool{"all": nil, "half": odd, "none": none} {
		b.Run(fmt.Sprintf("%dx%d/%s", n, dims, name), func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				if _, err := ix.Search(query, 100, allowed); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(1, "recall@100")
		})
	}
}

// BenchmarkApply is the price of persistence: one change of a large version, and the
// first load in one batch.
func BenchmarkApply(b *testing.B) {
	for _, s := range []struct{ n, dims int }{{100_000, 64}, {20_000, 512}} {
		full := large(b, s.n, s.dims)
		rng := rand.New(rand.NewPCG(62, 1))
		vectors := make([][]float32, 512)
		for i := range vectors {
			vectors[i] = unit(rng, s.dims)
		}
		one := func(name string, change func(i int) Change) {
			b.Run(fmt.Sprintf("%dx%d/%s", s.n, s.dims, name), func(b *testing.B) {
				b.ReportAllocs()
				ix, err := full, error(nil)
				for i := range b.N {
					if i%s.n == 0 {
						ix = full // do not grow without end
					}
					if ix, err = ix.Apply([]Change{change(i % s.n)}); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		order := rng.Perm(s.n)
		one("add", func(i int) Change { return Change{uint32(s.n + i), vectors[i%len(vectors)]} })
		one("replace", func(i int) Change { return Change{uint32(order[i]), vectors[i%len(vectors)]} })
		one("remove", func(i int) Change { return Change{Item: uint32(order[i])} })
	}
	b.Run("100000x64/load", func(b *testing.B) {
		rng := rand.New(rand.NewPCG(63, 1))
		changes := additions(100_000, func() []float32 { return unit(rng, 64) })
		b.ReportAllocs()
		b.ResetTimer()
		for range b.N {
			if _, err := newExact(64, coded(64)).Apply(changes); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func large(b *testing.B, n, dims int) Index {
	b.Helper()
	rng := rand.New(rand.NewPCG(64, 1))
	ix, err := newExact(dims, coded(dims)).Apply(additions(n, func() []float32 { return unit(rng, dims) }))
	if err != nil {
		b.Fatal(err)
	}
	return ix
}
