package vecmath

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// Each benchmark reports ns/op of the kernel this CPU gets, and beside it how many
// times the plain twin took in the same run ("xplain") and billions of
// multiply-adds a second ("Gmadd/s"): both can be compared between machines.

func vector(n int) []float32 {
	rng := rand.New(rand.NewPCG(7, uint64(n)))
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(rng.NormFloat64())
	}
	return v
}

func report(b *testing.B, madds int, plain func()) {
	b.Helper()
	b.ReportAllocs()
	elapsed := b.Elapsed()
	b.StopTimer()
	begin := time.Now()
	for range b.N {
		plain()
	}
	b.ReportMetric(float64(time.Since(begin))/float64(elapsed), "xplain")
	b.ReportMetric(float64(madds)*float64(b.N)/float64(elapsed.Nanoseconds()), "Gmadd/s")
}

var sink float32

func BenchmarkDot(b *testing.B) {
	for _, n := range []int{64, 128, 512, 1280} {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			x, y := vector(n), vector(n)
			b.ResetTimer()
			for range b.N {
				sink += Dot(x, y)
			}
			report(b, n, func() { sink += dotPlain(x, y) })
		})
	}
}

func BenchmarkAxpy(b *testing.B) {
	for _, n := range []int{64, 128, 512, 1280} {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			x, y := vector(n), vector(n)
			b.ResetTimer()
			for range b.N {
				Axpy(1e-9, x, y)
			}
			report(b, n, func() { axpyPlain(1e-9, x, y) })
		})
	}
}

// BenchmarkDotRows scans one chunk that stays in cache and a catalogue that does not.
func BenchmarkDotRows(b *testing.B) {
	for _, shape := range []struct{ rows, dims int }{{256, 64}, {256, 512}, {100_000, 64}} {
		b.Run(fmt.Sprintf("%dx%d", shape.rows, shape.dims), func(b *testing.B) {
			q, rows, out := vector(shape.dims), vector(shape.rows*shape.dims), make([]float32, shape.rows)
			b.ResetTimer()
			for range b.N {
				DotRows(q, rows, out)
			}
			report(b, shape.rows*shape.dims, func() { dotRowsPlain(q, rows, out) })
		})
	}
}

// BenchmarkDotRowByRow is what DotRows saves.
func BenchmarkDotRowByRow(b *testing.B) {
	const n, dims = 256, 64
	q, rows := vector(dims), vector(n*dims)
	b.ResetTimer()
	for range b.N {
		for i := range n {
			sink += Dot(q, rows[i*dims:(i+1)*dims])
		}
	}
	report(b, n*dims, func() {
		for i := range n {
			sink += dotPlain(q, rows[i*dims:(i+1)*dims])
		}
	})
}

func BenchmarkTopK(b *testing.B) {
	scores := vector(100_000)
	b.ReportAllocs()
	for range b.N {
		top := NewTopK(100)
		for i, s := range scores {
			top.Push(uint32(i), s)
		}
		if len(top.Sorted()) != 100 {
			b.Fatal("not 100 results")
		}
	}
}
