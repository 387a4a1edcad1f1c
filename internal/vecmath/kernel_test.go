package vecmath

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// kernels is one implementation of the three; every test of a kernel runs over all
// that this CPU has, so neither path goes untested.
type kernels struct {
	name    string
	dot     func(a, b []float32) float32
	axpy    func(alpha float32, x, y []float32)
	dotRows func(q, rows, out []float32)
}

func implementations() []kernels {
	all := []kernels{{"plain", dotPlain, axpyPlain, dotRowsPlain}, {"chosen", Dot, Axpy, DotRows}}
	if hasAVX2 {
		all = append(all, kernels{"avx2", dotAVX2, axpyAVX2, dotRowsAVX2})
	}
	return all
}

// eachImplementation runs a test over all implementations, side by side.
func eachImplementation(t *testing.T, test func(t *testing.T, k kernels)) {
	t.Helper()
	t.Parallel()
	for _, k := range implementations() {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			test(t, k)
		})
	}
}

// dotTwin is the dot product in float64 and how far a float32 sum in any order may
// be from it: (n+4)·2⁻²⁴·Σ|aᵢbᵢ|, and as much again where products are denormal.
func dotTwin(a, b []float32) (want, bound float64) {
	var magnitude float64
	for i := range a {
		p := float64(a[i]) * float64(b[i])
		want += p
		magnitude += math.Abs(p)
	}
	return want, float64(len(a)+4) * (0x1p-24*magnitude + 0x1p-149)
}

// near reports a result that is off by more than the bound.
func near(t *testing.T, what string, got float32, want, bound float64) {
	t.Helper()
	if diff := math.Abs(float64(got) - want); !(diff <= bound) {
		t.Errorf("%s = %v, want %v ± %v", what, got, want, bound)
	}
}

const guard = 40 // elements of NaN on either side of a guarded vector

// guarded is a vector between NaNs: a kernel that reads outside it computes NaN,
// one that writes outside it overwrites them.
type guarded struct{ v, whole []float32 }

// newGuarded returns n normal deviates; shift (elements) moves the alignment.
func newGuarded(rng *rand.Rand, n, shift int) guarded {
	g := guarded{whole: make([]float32, guard+shift+n+guard)}
	for i := range g.whole {
		g.whole[i] = float32(math.NaN())
	}
	g.v = g.whole[guard+shift:][:n:n]
	for i := range g.v {
		g.v[i] = float32(rng.NormFloat64())
	}
	return g
}

// checkIntact reports a write outside the vector.
func (g guarded) checkIntact(t *testing.T, what string) {
	t.Helper()
	inside := len(g.whole) - guard - len(g.v)
	for i, x := range g.whole {
		if (i < inside || i >= inside+len(g.v)) && x == x {
			t.Fatalf("%s wrote %v at %d, outside the vector", what, x, i-inside)
		}
	}
}

func TestDotAtEveryLengthAndAlignment(t *testing.T) {
	eachImplementation(t, func(t *testing.T, k kernels) {
		rng := rand.New(rand.NewPCG(1, 1))
		for n := range 140 {
			for shift := range 9 {
				a, b := newGuarded(rng, n, shift).v, newGuarded(rng, n, shift*5%9).v
				want, bound := dotTwin(a, b)
				near(t, fmt.Sprintf("dot of %d at shift %d", n, shift), k.dot(a, b), want, bound)
			}
		}
	})
}

func TestAxpyAtEveryLengthAndAlignment(t *testing.T) {
	eachImplementation(t, func(t *testing.T, k kernels) {
		rng := rand.New(rand.NewPCG(2, 2))
		for n := range 140 {
			for shift := range 9 {
				alpha := float32(rng.NormFloat64())
				x, y := newGuarded(rng, n, shift).v, newGuarded(rng, n, shift*5%9)
				before := append([]float32(nil), y.v...)
				k.axpy(alpha, x, y.v)
				what := fmt.Sprintf("axpy of %d at shift %d", n, shift)
				y.checkIntact(t, what)
				for i := range x {
					product := float64(alpha) * float64(x[i])
					want := product + float64(before[i])
					near(t, what, y.v[i], want, 0x1p-23*(math.Abs(product)+math.Abs(want)))
				}
			}
		}
	})
}

func TestAxpyOfASliceToItself(t *testing.T) {
	eachImplementation(t, func(t *testing.T, k kernels) {
		for n := range 70 {
			y, want := make([]float32, n), make([]float32, n)
			for i := range y {
				y[i], want[i] = float32(i), float32(3*i)
			}
			k.axpy(2, y, y)
			if diff := cmp.Diff(want, y); diff != "" {
				t.Fatalf("n = %d (-want +got):\n%s", n, diff)
			}
		}
	})
}

func TestDotRowsAtEveryShape(t *testing.T) {
	eachImplementation(t, func(t *testing.T, k kernels) {
		rng := rand.New(rand.NewPCG(3, 3))
		for n := range 70 {
			for rows := range 14 {
				shift := (n + rows) % 9
				q, m, out := newGuarded(rng, n, shift).v, newGuarded(rng, n*rows, shift*5%9).v, newGuarded(rng, rows, shift*7%9)
				k.dotRows(q, m, out.v)
				what := fmt.Sprintf("dotRows of %d rows of %d", rows, n)
				out.checkIntact(t, what)
				for i, got := range out.v {
					want, bound := dotTwin(q, m[i*n:(i+1)*n])
					near(t, what, got, want, bound)
				}
			}
		}
	})
}

// Ties between equal vectors are decided by id, so equal rows must score equally to
// the bit wherever they stand.
func TestDotRowsDoesNotDependOnThePlace(t *testing.T) {
	eachImplementation(t, func(t *testing.T, k kernels) {
		rng := rand.New(rand.NewPCG(4, 4))
		for n := 1; n < 70; n++ {
			q, row := newGuarded(rng, n, 0).v, newGuarded(rng, n, 0).v
			alone := make([]float32, 1)
			k.dotRows(q, row, alone)
			for rows := 2; rows < 10; rows++ {
				var m, want []float32
				for range rows {
					m, want = append(m, row...), append(want, alone[0])
				}
				got := make([]float32, rows)
				k.dotRows(q, m, got)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatalf("%d rows of %d (-want +got):\n%s", rows, n, diff)
				}
			}
		}
	})
}

// A NaN or an infinity in any lane, the masked tail included, must come out, and
// only in the rows that hold it.
func TestNaNAndInfinityPropagate(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	same := func(a, b float32) bool { return a == b || a != a && b != b }
	eachImplementation(t, func(t *testing.T, k kernels) {
		for n := 1; n < 70; n++ {
			ones := make([]float32, n)
			for i := range ones {
				ones[i] = 1
			}
			for _, special := range []float32{nan, inf, -inf} {
				for at := range n {
					v := append([]float32(nil), ones...)
					v[at] = special
					if got := k.dot(v, ones); !same(got, special) {
						t.Fatalf("dot of %d with %v at %d = %v", n, special, at, got)
					}
					y := append([]float32(nil), ones...)
					k.axpy(1, v, y)
					for i := range y {
						if want := 1 + v[i]; !same(y[i], want) {
							t.Fatalf("axpy of %d with %v at %d: y[%d] = %v, want %v", n, special, at, i, y[i], want)
						}
					}
					const rows = 6
					m, out := make([]float32, 0, rows*n), make([]float32, rows)
					for r := range rows {
						m = append(m, [][]float32{ones, v}[r%2]...)
					}
					k.dotRows(ones, m, out)
					for r, got := range out {
						if want := []float32{float32(n), special}[r%2]; !same(got, want) {
							t.Fatalf("dotRows of %d with %v at %d: row %d = %v, want %v", n, special, at, r, got, want)
						}
					}
				}
			}
		}
		if got := k.dot([]float32{inf, 1}, []float32{0, 1}); got == got {
			t.Errorf("∞·0 gave %v, want NaN", got)
		}
	})
}

func TestLengthsThatDifferPanic(t *testing.T) {
	t.Parallel()
	two, three := make([]float32, 2), make([]float32, 3)
	for name, call := range map[string]func(){
		"dot":              func() { Dot(two, three) },
		"axpy":             func() { Axpy(1, three, two) },
		"rows too short":   func() { DotRows(two, three, two) },
		"rows of no query": func() { DotRows(nil, three, two) },
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

// FuzzKernels reads floats from the input — denormals, huge values, NaN and all —
// and holds every implementation against the float64 twin.
func FuzzKernels(f *testing.F) {
	f.Add([]byte("\x00\x00\x80?\x00\x00\x00@\x00\x00@@\x00\x00\x80@"), uint8(1), float32(1))
	f.Add(AppendBytes(nil, []float32{1e38, 1e38, -1e38, 1e-40, 0, 3, 2, 1, 9}), uint8(3), float32(-2))
	f.Fuzz(func(t *testing.T, data []byte, dims uint8, alpha float32) {
		if len(data) > 1<<14 {
			return
		}
		values := make([]float32, len(data)/4)
		for i := range values {
			values[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
		}
		n := min(int(dims), len(values))
		q, m := values[:n], values[n:]
		rows := 0
		if n > 0 {
			rows = len(m) / n
		}
		for _, k := range implementations() {
			out := make([]float32, rows)
			k.dotRows(q, m[:rows*n], out)
			for i, got := range out {
				row := m[i*n : (i+1)*n]
				fuzzNear(t, k.name+" dotRows", got, q, row)
				fuzzNear(t, k.name+" dot", k.dot(q, row), q, row)
				y := append([]float32(nil), row...)
				k.axpy(alpha, q, y)
				for j := range y {
					fuzzNear(t, k.name+" axpy", y[j], []float32{alpha, 1}, []float32{q[j], row[j]})
				}
			}
		}
	})
}

// fuzzNear checks got against the twin of a·b. Where Σ|aᵢbᵢ| is beyond float32 or not
// a number, the order of summation may turn a finite sum into an infinity or NaN.
func fuzzNear(t *testing.T, what string, got float32, a, b []float32) {
	t.Helper()
	want, bound := dotTwin(a, b)
	var magnitude float64
	for i := range a {
		magnitude += math.Abs(float64(a[i]) * float64(b[i]))
	}
	switch {
	case magnitude < math.MaxFloat32/2:
		near(t, what, got, want, bound)
	case math.IsNaN(want) && got == got:
		t.Errorf("%s = %v, want NaN", what, got)
	}
}
