package als

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

func randomNumbers(random *rand.Rand, n int) []float32 {
	out := make([]float32, n)
	for k := range out {
		out[k] = float32(random.NormFloat64())
	}
	return out
}

func TestScanAgainstPlainLoops(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 4))
	for _, f := range []int{1, 7, 64} {
		for _, n := range []int{0, 1, 5, scanBlock, scanBlock + 1, 3*scanBlock + 17} {
			w, r, m := randomNumbers(random, f), randomNumbers(random, n*f), randomNumbers(random, n*f)
			for _, content := range [][]float32{m, nil} {
				got := make([]float32, n)
				Scan(w, r, content, 1.25, got)
				for k := range got {
					want := inner(wide(w), wide(r[k*f:(k+1)*f]))
					if content != nil {
						want += 1.25 * inner(wide(w), wide(m[k*f:(k+1)*f]))
					}
					if math.Abs(want-float64(got[k])) > 1e-4 {
						t.Fatalf("f %d, n %d, content %t: score %d is %g, want %g", f, n, content != nil, k, got[k], want)
					}
				}
			}
		}
	}
}

func TestScanPanicsOnLengths(t *testing.T) {
	t.Parallel()
	for name, call := range map[string]func(){
		"r":   func() { Scan(make([]float32, 2), make([]float32, 5), nil, 1, make([]float32, 3)) },
		"m":   func() { Scan(make([]float32, 2), make([]float32, 6), make([]float32, 4), 1, make([]float32, 3)) },
		"out": func() { Scan(make([]float32, 2), make([]float32, 6), nil, 1, make([]float32, 2)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			call()
		})
	}
}

func BenchmarkScan(b *testing.B) {
	random := rand.New(rand.NewPCG(1, 4))
	for _, n := range []int{4654, 100_000} {
		w, r, out := randomNumbers(random, 64), randomNumbers(random, n*64), make([]float32, n)
		m := randomNumbers(random, n*64)
		for name, content := range map[string][]float32{"r": nil, "r+m": m} {
			b.Run(fmt.Sprintf("%d/%s", n, name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					Scan(w, r, content, 1.25, out)
				}
			})
		}
	}
}
