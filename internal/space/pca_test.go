package space

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// decaying makes rows whose covariance has distinct, falling eigenvalues along random axes.
func decaying(n, d int) [][]float32 {
	r := rand.New(rand.NewPCG(3, 5))
	axes := orthonormal(mat.NewDense(d, d, func() []float64 {
		v := make([]float64, d*d)
		for i := range v {
			v[i] = r.NormFloat64()
		}
		return v
	}()))
	rows := make([][]float32, n)
	for i := range rows {
		x := mat.NewVecDense(d, nil)
		for k := range d {
			x.AddScaledVec(x, r.NormFloat64()*math.Pow(.85, float64(k)), axes.ColView(k))
		}
		rows[i] = narrow(x.RawVector().Data)
		rows[i][0] += 2 // a mean that must not become a component
	}
	return rows
}

// plainPrincipal is the slow twin: power iteration with deflation on a covariance summed the plain way.
func plainPrincipal(rows [][]float32, keep int) (components [][]float64, values []float64) {
	n, d := len(rows), len(rows[0])
	unit := make([][]float64, n)
	mean := make([]float64, d)
	for i, x := range rows {
		unit[i] = make([]float64, d)
		for j := range x {
			unit[i][j] = float64(x[j]) / length(x)
			mean[j] += unit[i][j] / float64(n)
		}
	}
	c := make([][]float64, d)
	for j := range c {
		c[j] = make([]float64, d)
		for k := range d {
			for i := range unit {
				c[j][k] += (unit[i][j] - mean[j]) * (unit[i][k] - mean[k]) / float64(n)
			}
		}
	}
	for range keep {
		v := make([]float64, d)
		for j := range v {
			v[j] = 1 / float64(j+1)
		}
		var value float64
		for range 3000 {
			next := make([]float64, d)
			for j := range d {
				for k := range d {
					next[j] += c[j][k] * v[k]
				}
			}
			value = mat.Norm(mat.NewVecDense(d, next), 2)
			for j := range next {
				v[j] = next[j] / value
			}
		}
		v = oriented(v)
		for j := range d {
			for k := range d {
				c[j][k] -= value * v[j] * v[k]
			}
		}
		components, values = append(components, v), append(values, value)
	}
	return components, values
}

func TestPrincipalAgreesWithPowerIteration(t *testing.T) {
	t.Parallel()
	rows := decaying(300, 24)
	for _, keep := range []int{2, 5} { // Krylov space; whole decomposition
		want, wantValues := plainPrincipal(rows, keep)
		got, values, err := principal(context.Background(), rows, keep)
		if err != nil || len(got) != keep {
			t.Fatalf("%d components, error %v", len(got), err)
		}
		for k := range want {
			if math.Abs(values[k]/wantValues[k]-1) > 1e-6 {
				t.Errorf("keep %d: eigenvalue %d is %v, want %v", keep, k, values[k], wantValues[k])
			}
			for j := range want[k] {
				if math.Abs(got[k][j]-want[k][j]) > 1e-4 {
					t.Fatalf("keep %d: component %d: %v, want %v", keep, k, got[k], want[k])
				}
			}
		}
	}
}

// Over the Krylov space the kept components hold as much variance as the exact ones.
func TestLeadingCapturesTheVariance(t *testing.T) {
	t.Parallel()
	covariance, err := covarianceOf(context.Background(), decaying(500, 160))
	if err != nil {
		t.Fatal(err)
	}
	exact, _, err := eigen(covariance)
	if err != nil {
		t.Fatal(err)
	}
	const keep = 32
	values, vectors, err := leading(context.Background(), covariance, keep)
	if err != nil || len(values) == len(exact) {
		t.Fatalf("%d eigenvalues, error %v; want the Krylov space", len(values), err)
	}
	var got, want float64
	for k := 1; k <= keep; k++ {
		got += values[len(values)-k]
		want += exact[len(exact)-k]
	}
	if got < .999*want || got > want*(1+1e-9) {
		t.Errorf("captured %v of %v", got, want)
	}
	var gram mat.Dense
	gram.Mul(vectors.T(), vectors)
	for i := range len(values) {
		for j := range len(values) {
			if i == j && math.Abs(gram.At(i, j)-1) > 1e-9 || i != j && math.Abs(gram.At(i, j)) > 1e-9 {
				t.Fatalf("vectors %d and %d have the inner product %v", i, j, gram.At(i, j))
			}
		}
	}
}

func TestPrincipalOfTooFewDirections(t *testing.T) {
	t.Parallel()
	same := make([][]float32, 40)
	two := make([][]float32, 40)
	for i := range same {
		same[i] = []float32{1, 2, 3, 4, 5, 6, 7, 8}
		two[i] = make([]float32, 8)
		two[i][i%3] = 1
	}
	for name, c := range map[string]struct {
		rows [][]float32
		want int
	}{"all alike": {same, 0}, "three points": {two, 2}} {
		got, values, err := principal(context.Background(), c.rows, 5)
		if err != nil || len(got) != c.want || len(values) != c.want {
			t.Errorf("%s: %d components, want %d (error %v)", name, len(got), c.want, err)
		}
	}
}

// The block a projection makes equals the formula computed in float64 from scratch.
func TestImageBlockFollowsItsFormula(t *testing.T) {
	t.Parallel()
	inputs, _ := planted(150)
	cfg := smallConfig()
	s := mustFit(t, inputs, Schema{}, cfg)
	rows := make([][]float32, len(inputs))
	for i := range inputs {
		rows[i] = inputs[i].Image
	}
	components, values, err := principal(context.Background(), rows, cfg.ImageDims)
	if err != nil {
		t.Fatal(err)
	}
	mean := shrunkMean(rows, testRaw)
	for _, x := range rows[:20] {
		want := make([]float64, len(components))
		for k, v := range components {
			for j := range v {
				want[k] += v[j] * (float64(x[j])/length(x) - mean[j])
			}
			want[k] /= math.Pow(values[k], cfg.ImagePower)
		}
		norm := mat.Norm(mat.NewVecDense(len(want), want), 2)
		for k, got := range s.Embed(Input{Image: x}) {
			if math.Abs(want[k]/norm-float64(got)) > 1e-5 {
				t.Fatalf("component %d is %v, want %v", k, got, want[k]/norm)
			}
		}
	}
}
