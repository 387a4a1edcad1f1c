package als

import (
	"math"
	"math/rand/v2"
	"testing"
)

// The slow twin: dense float64 arithmetic straight from the equations in the package comment, with a
// solver that shares nothing with the package.

type dense [][]float64

func newDense(rows, columns int) dense {
	d := make(dense, rows)
	for k := range d {
		d[k] = make([]float64, columns)
	}
	return d
}

func denseOf(x []float32, dims int) dense {
	d := newDense(len(x)/dims, dims)
	for k := range d {
		for j := range d[k] {
			d[k][j] = float64(x[k*dims+j])
		}
	}
	return d
}

func wide(x []float32) []float64 {
	if len(x) == 0 {
		return nil
	}
	return denseOf(x, len(x))[0]
}

func inner(a, b []float64) float64 {
	var s float64
	for k := range a {
		s += a[k] * b[k]
	}
	return s
}

// outerTo adds weight·x yᵀ to a.
func (d dense) outerTo(weight float64, x, y []float64) {
	for j := range x {
		for k := range y {
			d[j][k] += weight * x[j] * y[k]
		}
	}
}

// gauss solves a x = b by elimination with partial pivoting; a and b are spoilt.
func gauss(t *testing.T, a dense, b []float64) []float64 {
	t.Helper()
	n := len(a)
	for k := range n {
		pivot := k
		for i := k; i < n; i++ {
			if math.Abs(a[i][k]) > math.Abs(a[pivot][k]) {
				pivot = i
			}
		}
		a[k], a[pivot], b[k], b[pivot] = a[pivot], a[k], b[pivot], b[k]
		if a[k][k] == 0 {
			t.Fatal("twin: singular system")
		}
		for i := k + 1; i < n; i++ {
			factor := a[i][k] / a[k][k]
			for j := k; j < n; j++ {
				a[i][j] -= factor * a[k][j]
			}
			b[i] -= factor * b[k]
		}
	}
	for k := n - 1; k >= 0; k-- {
		for j := k + 1; j < n; j++ {
			b[k] -= a[k][j] * b[j]
		}
		b[k] /= a[k][k]
	}
	return b
}

// event is one observed pair seen from the row that is solved for.
type event struct {
	x       []float64 // factor of the other side
	a, p, n float64   // confidence, target, and what it adds to the mass if p > 0
}

// system is alpha·Σ_all z zᵀ + Σ a x xᵀ + lambda·Id and Σ a p x + lambda·prior.
func twinSolve(t *testing.T, all dense, events []event, alpha, lambda float64, prior []float64) []float64 {
	t.Helper()
	f := len(prior)
	a, b := newDense(f, f), make([]float64, f)
	for _, z := range all {
		a.outerTo(alpha, z, z)
	}
	for _, e := range events {
		a.outerTo(e.a, e.x, e.x)
		for k := range b {
			b[k] += e.a * e.p * e.x[k]
		}
	}
	for k := range f {
		a[k][k] += lambda
		b[k] += lambda * prior[k]
	}
	return gauss(t, a, b)
}

func twinMass(events []event) float64 {
	var n float64
	for _, e := range events {
		if e.p > 0 {
			n += e.n
		}
	}
	return n
}

// twinObjective is the whole loss, the sum over all pairs taken pair by pair.
func twinObjective(entries []Entry, f *Factors) float64 {
	w, v := denseOf(f.W, f.Dims), denseOf(f.V, f.Dims)
	massU, massI := make([]float64, f.Users), make([]float64, f.Items)
	var loss float64
	for _, e := range entries {
		miss := float64(e.Target) - inner(w[e.User], v[e.Item])
		loss += float64(e.Confidence) * miss * miss
		if e.Target > 0 {
			massU[e.User] += float64(e.Confidence)
			massI[e.Item] += float64(e.Confidence)
		}
	}
	for u := range w {
		for i := range v {
			s := inner(w[u], v[i])
			loss += f.Alpha0 * s * s
		}
		loss += f.Regularization * (massU[u] + f.Alpha0*float64(f.Items)) * inner(w[u], w[u])
	}
	for i := range v {
		loss += f.Regularization * (massI[i] + f.Alpha0*float64(f.Users)) * inner(v[i], v[i])
	}
	return loss
}

// near fails unless got is want up to tolerance times the length of want.
func near(t *testing.T, what string, want []float64, got []float32, tolerance float64) {
	t.Helper()
	if len(want) != len(got) {
		t.Fatalf("%s has %d entries, want %d", what, len(got), len(want))
	}
	var miss, size float64
	for k := range want {
		miss += (want[k] - float64(got[k])) * (want[k] - float64(got[k]))
		size += want[k] * want[k]
	}
	if !(math.Sqrt(miss) <= tolerance*math.Sqrt(size)+1e-9) {
		t.Errorf("%s is off by %.2g of its length %.3g\nwant %.5g …\ngot  %.5g …", what, math.Sqrt(miss/size), math.Sqrt(size), want[:min(8, len(want))], got[:min(8, len(got))])
	}
}

// shop is a random data set with planted clusters: users like items of their own.
type shop struct {
	users, items, clusters int
	entries                []Entry
	content                Content // a unit vector: one-hot cluster and noise
}

// newShop draws it; cluster of row k is k % clusters on both sides. Weighted shops have
// unequal confidences and some dislikes.
func newShop(users, items, clusters int, weighted bool, seed uint64) shop {
	random := rand.New(rand.NewPCG(seed, 7))
	s := shop{users: users, items: items, clusters: clusters, content: Content{Dims: clusters + 4}}
	for u := range users {
		for i := range items {
			same := u%clusters == i%clusters
			if random.Float64() > map[bool]float64{true: .5, false: .03}[same] {
				continue
			}
			e := Entry{User: int32(u), Item: int32(i), Confidence: 1, Target: 1}
			if weighted {
				e.Confidence = .2 + float32(random.IntN(6))/4
				if random.IntN(6) == 0 {
					e.Target, e.Confidence = 0, .5
				}
			}
			s.entries = append(s.entries, e)
		}
	}
	for i := range items {
		row := make([]float32, s.content.Dims)
		var norm float64
		row[i%clusters] = 1
		for k := range row {
			row[k] += float32(.15 * random.NormFloat64())
			norm += float64(row[k]) * float64(row[k])
		}
		for k := range row {
			row[k] /= float32(math.Sqrt(norm))
		}
		s.content.Rows = append(s.content.Rows, row...)
	}
	return s
}

func (s shop) matrix(t testing.TB) *Matrix {
	t.Helper()
	m, err := NewMatrix(s.users, s.items, s.entries)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// testConfig has settings of its own: the planted shops are a tenth as large as the smallest that the
// defaults were chosen on.
func testConfig(factors, epochs int) Config {
	cfg := DefaultConfig()
	cfg.Alpha0, cfg.Regularization = .3, .01
	cfg.Factors, cfg.Epochs, cfg.Workers, cfg.Seed = factors, epochs, 2, 42
	return cfg
}

func trained(t testing.TB, s shop, cfg Config) (*Matrix, *Factors) {
	t.Helper()
	m := s.matrix(t)
	f, err := Train(t.Context(), m, s.content, cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	return m, f
}

func fitted(t testing.TB, s shop, cfg Config, content ContentConfig) (*Model, *Factors) {
	t.Helper()
	m, f := trained(t, s, cfg)
	model, err := FitModel(t.Context(), m, f, s.content, content)
	if err != nil {
		t.Fatal(err)
	}
	return model, f
}

// fixed chooses neither ridge nor gain.
func fixed(ridge, gain float64) ContentConfig {
	cfg := DefaultContentConfig()
	cfg.Ridges, cfg.MinGain, cfg.MaxGain, cfg.Workers = []float64{ridge}, gain, gain, 2
	return cfg
}

func randomNumbers(random *rand.Rand, n int) []float32 {
	out := make([]float32, n)
	for k := range out {
		out[k] = float32(random.NormFloat64())
	}
	return out
}
