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

// BenchmarkDotAt reads 16 rows at a time from anywhere in a catalogue, as a walk through a
// graph does: float32, codes, and float32 row by row.
func BenchmarkDotAt(b *testing.B) {
	for _, shape := range []struct{ rows, dims int }{{100_000, 64}, {1_000_000, 64}, {100_000, 384}, {50_000, 1280}} {
		rng := rand.New(rand.NewPCG(8, 8))
		rows, q := vector(shape.rows*shape.dims), vector(shape.dims)
		codes, scale := encodeRows(rows, shape.dims)
		var coded Query
		coded.Encode(q)
		ids, out := make([]uint32, 1<<18), make([]float32, 16)
		for i := range ids {
			ids[i] = uint32(rng.IntN(shape.rows))
		}
		each := func(name string, score func(ids []uint32)) {
			b.Run(fmt.Sprintf("%dx%d/%s", shape.rows, shape.dims, name), func(b *testing.B) {
				for i := range b.N {
					from := i * 16 % len(ids)
					score(ids[from : from+16])
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(16*b.N), "ns/row")
			})
		}
		each("float32", func(ids []uint32) { DotAt(q, rows, ids, out) })
		each("codes", func(ids []uint32) { DotCodesAt(&coded, codes, scale, ids, out) })
		each("one by one", func(ids []uint32) {
			for _, id := range ids {
				sink += Dot(q, rows[int(id)*shape.dims:(int(id)+1)*shape.dims])
			}
		})
	}
}

// BenchmarkDotCodes scans codes that stay in cache and codes that do not.
func BenchmarkDotCodes(b *testing.B) {
	for _, shape := range []struct{ rows, dims int }{{256, 64}, {256, 1280}, {100_000, 64}, {100_000, 384}} {
		b.Run(fmt.Sprintf("%dx%d", shape.rows, shape.dims), func(b *testing.B) {
			codes, scale := encodeRows(vector(shape.rows*shape.dims), shape.dims)
			var q Query
			q.Encode(vector(shape.dims))
			out := make([]float32, shape.rows)
			b.ResetTimer()
			for range b.N {
				DotCodes(&q, codes, scale, out)
			}
			report(b, shape.rows*shape.dims, func() { dotCodesPlain(q.signed, codes, scale, q.bias, out) })
		})
	}
}

func encodeRows(rows []float32, dims int) (codes []uint8, scale []float32) {
	n, size := len(rows)/dims, CodeLen(dims)
	codes, scale = make([]uint8, n*size), make([]float32, n)
	for i := range n {
		scale[i], _, _ = Encode(rows[i*dims:(i+1)*dims], codes[i*size:(i+1)*size])
	}
	return codes, scale
}

func BenchmarkEncode(b *testing.B) {
	for _, n := range []int{64, 384, 1280} {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			v, code := vector(n), make([]uint8, CodeLen(n))
			for range b.N {
				Encode(v, code)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n*b.N), "ns/element")
		})
	}
}
