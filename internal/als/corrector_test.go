package als

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

func fitCorrector(t testing.TB, s shop, cfg CorrectorConfig, workers int) *Corrector {
	t.Helper()
	m, f := trained(t, s, testConfig(8, 4))
	c, err := FitCorrector(t.Context(), m, f, cfg, workers)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// correctorTwin solves each column by itself: the ridge regression of an item on all others.
func correctorTwin(t *testing.T, s shop, rows []int32, ridge float64) dense {
	n := len(rows)
	x := newDense(s.users, n)
	for _, e := range s.entries {
		if at := slices.Index(rows, e.Item); at >= 0 {
			x[e.User][at] = float64(e.Confidence) * float64(e.Target)
		}
	}
	b := newDense(n, n)
	for i := range n {
		var others []int
		for j := range n {
			if j != i {
				others = append(others, j)
			}
		}
		a, right := newDense(n-1, n-1), make([]float64, n-1)
		for k, j := range others {
			for l, m := range others {
				for u := range x {
					a[k][l] += x[u][j] * x[u][m]
				}
			}
			a[k][k] += ridge
			for u := range x {
				right[k] += x[u][j] * x[u][i]
			}
		}
		for k, v := range gauss(t, a, right) {
			b[others[k]][i] = v
		}
	}
	return b
}

func TestCorrectorIsTheRidgeOnAllOtherItems(t *testing.T) {
	t.Parallel()
	s := newShop(60, 30, 3, true, 61)
	for _, cfg := range []CorrectorConfig{{Items: 100, Positives: 1, Ridge: 2}, {Items: 12, Positives: 3, Ridge: 20}} {
		c := fitCorrector(t, s, cfg, 2)
		if c.Len() != min(cfg.Items, s.items) {
			t.Fatalf("%+v: %d items are covered", cfg, c.Len())
		}
		want := correctorTwin(t, s, c.rows, cfg.Ridge*c.meanSquare(s.matrix(t)))
		scale := float64(c.b[1]) / want[0][1] // the level; TestCorrectorLevel says what it must be
		for j := range want {
			for i := range want[j] {
				want[j][i] *= scale
			}
		}
		for j := range c.Len() {
			near(t, "row of B", want[j], c.b[j*c.Len():(j+1)*c.Len()], 1e-4)
			scores := make([]float32, c.Len())
			c.Add(j, 2, scores)
			for i := range scores {
				if math.Abs(float64(scores[i])-2*want[j][i]) > 1e-3 || scores[i] != 2*c.Weight(j, i) {
					t.Fatalf("item %d says %g of %d, want twice %g", j, scores[i], i, want[j][i])
				}
			}
		}
	}
}

func TestCorrectorCoversTheMostLiked(t *testing.T) {
	t.Parallel()
	var s shop
	s.users, s.items = 10, 6
	for item, users := range []int{3, 9, 1, 5, 5, 8} {
		for user := range users {
			target := float32(1)
			if item == 5 { // disliked by most
				target = 0
			}
			s.entries = append(s.entries, Entry{User: int32(user), Item: int32(item), Confidence: 1, Target: target})
		}
	}
	c := fitCorrector(t, s, CorrectorConfig{Items: 3, Positives: 2, Ridge: 1}, 1)
	if !slices.Equal(c.rows, []int32{1, 3, 4}) {
		t.Errorf("rows %v are covered, want 1, 3 and 4", c.rows)
	}
	for row, want := range []int{-1, 0, -1, 1, 2, -1} {
		at, ok := c.Place(row)
		if ok != (want >= 0) || ok && (at != want || c.Row(at) != row) {
			t.Errorf("row %d is at %d, %t; want %d", row, at, ok, want)
		}
	}
	for _, row := range []int{-1, 6, math.MaxInt} {
		if _, ok := c.Place(row); ok {
			t.Errorf("row %d of 6 is covered", row)
		}
	}
}

// Pairs that are always liked together, with nothing else to tell them apart.
func TestCorrectorFindsPlantedPairs(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(4, 6))
	s := shop{users: 400, items: 20}
	for user := range s.users {
		for k, pair := range random.Perm(10)[:4] {
			for _, item := range []int{2 * pair, 2*pair + 1}[:2-k/3] { // of the last one the partner is yet to be found
				s.entries = append(s.entries, Entry{User: int32(user), Item: int32(item), Confidence: 1, Target: 1})
			}
		}
	}
	c := fitCorrector(t, s, CorrectorConfig{Items: 20, Positives: 5, Ridge: 10}, 2)
	for item := range 20 {
		scores := make([]float32, 20)
		c.Add(item, 1, scores)
		if best := slices.Index(scores, slices.Max(scores)); best != item^1 {
			t.Errorf("item %d points to %d, want its partner %d", item, best, item^1)
		}
	}
}

// Whatever the ridge shrinks, both scores are on one level where lists are made; and the unit of
// confidence has no say.
func TestCorrectorLevel(t *testing.T) {
	t.Parallel()
	s := newShop(100, 40, 4, true, 67)
	var first []float32
	for _, unit := range []float32{1, .01} {
		in := s
		in.entries = changed(s.entries, func(e *Entry) { e.Confidence *= unit })
		_, f := trained(t, s, testConfig(8, 4)) // the factors' own scale must not vary with the unit here
		for _, ridge := range []float64{1, 60} {
			c, err := FitCorrector(t.Context(), in.matrix(t), f, CorrectorConfig{Items: 40, Positives: 1, Ridge: ridge}, 1)
			if err != nil {
				t.Fatal(err)
			}
			again := *c
			again.b = slices.Clone(c.b)
			again.level(in.matrix(t), f, math.Inf(1))
			near(t, "level again", wide(c.b), again.b, 1e-4)
			if ridge == 60 && unit == 1 {
				first = c.b
			} else if ridge == 60 {
				for k := range first {
					first[k] /= unit
				}
				near(t, "B in another unit", wide(first), c.b, 1e-3)
			}
		}
	}
}

func TestCorrectorIsTheSameForAnyNumberOfWorkers(t *testing.T) {
	t.Parallel()
	s := newShop(300, 150, 5, true, 62) // more rows than one block of the factorisation
	cfg := CorrectorConfig{Items: 140, Positives: 2, Ridge: 5}
	want := fitCorrector(t, s, cfg, 1)
	for _, workers := range []int{0, 2, 7} {
		if got := fitCorrector(t, s, cfg, workers); !slices.Equal(want.b, got.b) || !slices.Equal(want.rows, got.rows) {
			t.Errorf("%d workers give another corrector", workers)
		}
	}
}

func TestCorrectorDegenerateData(t *testing.T) {
	t.Parallel()
	like := Entry{Confidence: 1, Target: 1}
	usual := newShop(20, 12, 2, false, 63)
	for name, s := range map[string]shop{
		"nothing":              {},
		"no interactions":      {users: 4, items: 3},
		"one pair":             {users: 1, items: 1, entries: []Entry{like}},
		"everybody has it all": {users: 9, items: 8, entries: everything(9, 8)},
		"dislikes only":        {users: 20, items: 12, entries: changed(usual.entries, func(e *Entry) { e.Target = 0 })},
	} {
		for _, cfg := range []CorrectorConfig{DefaultCorrectorConfig(), {Items: 0, Positives: 1, Ridge: 1}, {Items: 50, Positives: 1, Ridge: 1e-3}} {
			c := fitCorrector(t, s, cfg, 2)
			for j := range c.Len() {
				c.Add(j, 1, make([]float32, c.Len()))
			}
			if cfg.Items == 0 && c.Len() > 0 {
				t.Errorf("%s: %d items are covered, want none", name, c.Len())
			}
		}
	}
}

func TestFitCorrectorRefuses(t *testing.T) {
	t.Parallel()
	m, f := trained(t, newShop(20, 12, 2, false, 64), testConfig(8, 2))
	for name, cfg := range map[string]CorrectorConfig{
		"zero":           {},
		"negative items": {Items: -1, Positives: 1, Ridge: 1},
		"too many":       {Items: maxCorrected + 1, Positives: 1, Ridge: 1},
		"ridge NaN":      {Items: 5, Positives: 1, Ridge: math.NaN()},
	} {
		if _, err := FitCorrector(t.Context(), m, f, cfg, 1); !errors.Is(err, recsys.ErrInvalid) {
			t.Errorf("%s: error %v, want ErrInvalid", name, err)
		}
	}
	huge := newShop(20, 12, 2, false, 65)
	huge.entries = changed(huge.entries, func(e *Entry) { e.Confidence = MaxConfidence })
	if _, err := FitCorrector(t.Context(), huge.matrix(t), f, CorrectorConfig{Items: 12, Positives: 1, Ridge: 1e-3}, 1); err != nil && !errors.Is(err, recsys.ErrInvalid) {
		t.Errorf("greatest confidence: error %v, want none or ErrInvalid", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := FitCorrector(ctx, m, f, DefaultCorrectorConfig(), 1); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
}

func TestInvertAgainstElimination(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(5, 6))
	for _, n := range []int{0, 1, 5, invertBlock, invertBlock + 1, 150} {
		x := randomNumbers(random, 2*n*n)
		a := make([]float64, n*n)
		for i := range n {
			for j := range n {
				for k := range 2 * n {
					a[i*n+j] += float64(x[k*n+i]) * float64(x[k*n+j])
				}
			}
			a[i*n+i]++
		}
		original := slices.Clone(a)
		got, err := invert(t.Context(), 3, a, n)
		if err != nil {
			t.Fatal(err)
		}
		for i := range n {
			for j := range n {
				product := 0.0
				for k := range n {
					product += original[i*n+k] * got[k*n+j]
				}
				want := 0.0
				if i == j {
					want = 1
				}
				if math.Abs(product-want) > 1e-8 {
					t.Fatalf("n %d: A·A⁻¹ has %g at %d, %d, want %g", n, product, i, j, want)
				}
			}
		}
	}
	if _, err := invert(t.Context(), 1, []float64{1, 2, 2, 1}, 2); !errors.Is(err, recsys.ErrInvalid) {
		t.Errorf("an indefinite matrix: error %v, want ErrInvalid", err)
	}
}

func BenchmarkFitCorrector(b *testing.B) {
	s := newShop(2000, 1000, 20, false, 66)
	m, f := trained(b, s, testConfig(8, 2))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := FitCorrector(b.Context(), m, f, DefaultCorrectorConfig(), 1); err != nil {
			b.Fatal(err)
		}
	}
}
