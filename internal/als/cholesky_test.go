package als

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestCholeskyAgainstElimination(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(4, 4))
	for _, n := range []int{1, 2, 5, 33} {
		a := newDense(n, n)
		for range n + 3 {
			x := wide(randomNumbers(random, n))
			a.outerTo(1, x, x)
		}
		packed, b := slices.Concat(a...), wide(randomNumbers(random, n))
		want := gauss(t, a, slices.Clone(b))
		if !cholesky(packed, n) {
			t.Fatalf("n = %d: positive definite matrix refused", n)
		}
		choleskySolve(packed, n, b)
		for k := range want {
			if math.Abs(want[k]-b[k]) > 1e-8*(1+math.Abs(want[k])) {
				t.Errorf("n = %d: x[%d] is %g, want %g", n, k, b[k], want[k])
			}
		}
	}
}

func TestCholeskyRefuses(t *testing.T) {
	t.Parallel()
	for name, a := range map[string][]float64{
		"zero":       {0, 0, 0, 0},
		"indefinite": {1, 2, 2, 1},
		"negative":   {-1, 0, 0, 1},
		"NaN":        {1, 0, math.NaN(), 1},
		"infinite":   {math.Inf(1), 0, 0, 1},
	} {
		if cholesky(a, 2) {
			t.Errorf("%s matrix accepted", name)
		}
	}
}

// More rows than a segment, and a last block that is not full.
func TestGramAgainstPlainLoops(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(4, 5))
	for _, n := range []int{0, 1, 63, 64, 65, gramSegment + 70} {
		x := randomNumbers(random, 5*n)
		want := newDense(5, 5)
		for _, row := range denseOf(x, 5) {
			want.outerTo(1, row, row)
		}
		got, err := gram(t.Context(), 2, x, 5)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "Gram matrix", slices.Concat(want...), scaled(1, got), 1e-6)
	}
}
