package vecmath

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// addRowsImplementations are all that this CPU has.
func addRowsImplementations() map[string]func(c, rows, y []float32) {
	all := map[string]func(c, rows, y []float32){"plain": addRowsPlain, "chosen": AddRows}
	if hasAVX2 {
		all["avx2"] = addRowsAVX2
	}
	return all
}

func TestAddRowsAtEveryShape(t *testing.T) {
	t.Parallel()
	for name, addRows := range addRowsImplementations() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(8, 8))
			for n := range 150 {
				for rows := range 6 {
					shift := (n + rows) % 9
					c, m, y := newGuarded(rng, rows, shift).v, newGuarded(rng, n*rows, shift*5%9).v, newGuarded(rng, n, shift*7%9)
					before := slices.Clone(y.v)
					addRows(c, m, y.v)
					what := fmt.Sprintf("%d rows of %d", rows, n)
					y.checkIntact(t, what)
					for j, got := range y.v {
						column, ones := []float32{before[j]}, []float32{1}
						for k := range c {
							column, ones = append(column, m[k*n+j]), append(ones, c[k])
						}
						want, bound := dotTwin(column, ones)
						near(t, what, got, want, bound)
					}
				}
			}
		})
	}
}

// A sum may not depend on how it was cut into blocks of columns: training relies on it.
func TestAddRowsIsAxpyRowByRow(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(9, 9))
	for _, n := range []int{1, 8, 63, 64, 65, 200} {
		c, m := newGuarded(rng, 7, 0).v, newGuarded(rng, 7*n, 0).v
		want, got := make([]float32, n), make([]float32, n)
		for k, alpha := range c {
			Axpy(alpha, m[k*n:(k+1)*n], want)
		}
		AddRows(c, m, got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("rows of %d (-want +got):\n%s", n, diff)
		}
	}
}

func TestAddRowsOfNaN(t *testing.T) {
	t.Parallel()
	for name, addRows := range addRowsImplementations() {
		for n := 1; n < 80; n++ {
			m, y := make([]float32, 2*n), make([]float32, n)
			m[n+n/2] = float32(math.NaN())
			addRows([]float32{1, 1}, m, y)
			for j, got := range y {
				if (got != got) != (j == n/2) {
					t.Fatalf("%s: column %d of %d is %v with a NaN in column %d", name, j, n, got, n/2)
				}
			}
		}
	}
}

func TestAddRowsPanicsOnLengths(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	AddRows(make([]float32, 2), make([]float32, 5), make([]float32, 3))
}

func BenchmarkAddRows(b *testing.B) {
	for _, rows := range []int{10, 50, 500} {
		b.Run(fmt.Sprintf("%dx64", rows), func(b *testing.B) {
			c, m, y := vector(rows), vector(rows*64), make([]float32, 64)
			for i := range c {
				c[i] *= 1e-9
			}
			b.ResetTimer()
			for range b.N {
				AddRows(c, m, y)
			}
			report(b, rows*64, func() {
				for k, alpha := range c {
					Axpy(alpha, m[k*64:(k+1)*64], y)
				}
			})
		})
	}
}
