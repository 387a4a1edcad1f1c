package ann

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

// difficult returns vectors that codes approximate well and badly, at lengths at which
// float32 is near its limits and far from them.
func difficult(rng *rand.Rand, dims int) []float32 {
	v := unit(rng, dims)
	switch rng.IntN(5) {
	case 0: // one element hides the others
		v[rng.IntN(dims)] = 100
	case 1: // few elements count
		for i := range v {
			v[i] = float32(math.Pow(float64(v[i]), 9))
		}
	case 2:
		for i := range v {
			v[i] = float32(rng.IntN(3) - 1)
		}
		v[0] = 1
	}
	size := []float32{1, 1, 3e-21, 5e16, 1e-12}[rng.IntN(5)]
	for i := range v {
		v[i] *= size
	}
	if norm := vecmath.SquaredNorm(v); !(norm > 0 && norm < 1e38) {
		return difficult(rng, dims) // an index would refuse it
	}
	return v
}

// The sieve is exact because no score is off by more than its radius.
func TestScoresOfCodesStayWithinTheirRadius(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(91, 1))
	for _, dims := range []int{1, 48, 64, 100, 384, 1280} {
		tightest := math.Inf(1)
		for range 25 {
			r := newRows(dims, true)
			const n = 32
			r.floats = make([]float32, 0, n*dims)
			for range n {
				r.floats = append(r.floats, difficult(rng, dims)...)
			}
			r.codes, r.scale = make([]uint8, n*vecmath.CodeLen(dims)), make([]float32, n)
			for i := range n {
				r.encode(i)
			}
			query := difficult(rng, dims)
			var s sieve
			s.begin(query, vecmath.SquaredNorm(query), n, true)
			m, exact := s.measure(&r), make([]float32, n)
			vecmath.DotRows(query, r.floats, exact)
			for i, score := range m.scores {
				off := math.Abs(float64(score) - float64(exact[i])/float64(s.probe.code.Scale))
				radius := float64(m.radius(i))
				if !(off <= radius) {
					t.Fatalf("%d elements: score %v of %v is off by %v, radius %v", dims, score, exact[i], off, radius)
				}
				if off > 0 {
					tightest = min(tightest, radius/off)
				}
			}
		}
		t.Logf("%d elements: the radius is at least %.2f times what scores are off by", dims, tightest)
	}
}

// An index of coded vectors gives what the twin gives, to the bit, also where scores crowd
// within the radius of codes.
func TestExactIsExactOnCodes(t *testing.T) {
	t.Parallel()
	const n, dims = 2000, 64
	sources := map[string]func(rng *rand.Rand) func() []float32{
		"difficult": func(rng *rand.Rand) func() []float32 { return func() []float32 { return difficult(rng, dims) } },
		"clustered": func(rng *rand.Rand) func() []float32 { return clustered(rng, dims) },
		"crowded": func(rng *rand.Rand) func() []float32 {
			centre := unit(rng, dims)
			return func() []float32 {
				v := unit(rng, dims)
				for i := range v {
					v[i] = centre[i] + v[i]*1e-4
				}
				return v
			}
		},
	}
	for name, open := range sources {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source := open(rand.New(rand.NewPCG(92, 1)))
			e := engine{name: "exact", exact: true, open: func(dims int) Index { return newExact(dims, true) }}
			v := newVersion(e, dims).apply(t, additions(n, source)...)
			for k := range 20 {
				v.checkSearch(t, source(), k*k, nil)
				v.checkSearch(t, source(), k, odd)
			}
			v.checkSearch(t, make([]float32, dims), 20, nil)
		})
	}
}

// Few rows should need to be read in full: the sieve saves nothing otherwise.
func TestSieveKeepsFew(t *testing.T) {
	t.Parallel()
	for _, dims := range []int{64, 384} {
		t.Run(fmt.Sprint(dims), func(t *testing.T) {
			t.Parallel()
			const n, k = 5_000, 10
			source := clustered(rand.New(rand.NewPCG(93, 1)), dims)
			ix, err := newExact(dims, true).apply(additions(n, source))
			if err != nil {
				t.Fatal(err)
			}
			full := 0
			const queries = 20
			for range queries {
				var s sieve
				query := source()
				s.begin(query, 1, k, true)
				ix.scan(&s, nil)
				s.winnow()
				full += len(s.kept)
			}
			t.Logf("%d of %d rows are scored in full", full/queries, n)
			if full/queries > n/20 {
				t.Errorf("%d of %d rows are scored in full for %d results", full/queries, n, k)
			}
		})
	}
}
