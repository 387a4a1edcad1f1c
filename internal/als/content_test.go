package als

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

func TestContentConfigReportsEveryFault(t *testing.T) {
	t.Parallel()
	if err := DefaultContentConfig().Validate(); err != nil {
		t.Errorf("default: %v", err)
	}
	cases := map[string]ContentConfig{
		"ridges":    {},
		"folds":     {Ridges: []float64{1}},
		"ridges[1]": {Ridges: []float64{3, 3}},
		"ridges[0]": {Ridges: []float64{math.NaN()}},
		"min_gain":  {MinGain: -1},
		"max_gain":  {MinGain: 2, MaxGain: 1},
	}
	for field, cfg := range cases {
		if err := cfg.Validate(); !hasField(err, field) {
			t.Errorf("%v does not mention %s", err, field)
		}
	}
}

// twinMap solves the normal equations of the content map with an explicit column of ones.
func twinMap(t *testing.T, x Content, v dense, items []int, ridge float64) dense {
	t.Helper()
	d, f := x.Dims, len(v[0])
	b := newDense(d+1, f)
	for k := range f {
		a, right := newDense(d+1, d+1), make([]float64, d+1)
		for _, item := range items {
			row := append(wide(x.row(item)), 1)
			a.outerTo(1, row, row)
			for j := range right {
				right[j] += row[j] * v[item][k]
			}
		}
		for j := range d {
			a[j][j] += ridge
		}
		for j, value := range gauss(t, a, right) {
			b[j][k] = value
		}
	}
	return b
}

func twinPrior(b dense, x []float32) []float64 {
	out := make([]float64, len(b[0]))
	for j, value := range append(wide(x), 1) {
		for k := range out {
			out[k] += value * b[j][k]
		}
	}
	return out
}

func TestContentMapIsTheDenseRidge(t *testing.T) {
	t.Parallel()
	s := newShop(80, 150, 4, true, 31)
	s.items += 2 // rows without positives are predicted and not fitted on
	s.content.Rows = append(s.content.Rows, s.content.Rows[:2*s.content.Dims]...)
	var warm []int
	for i := range s.items - 2 {
		warm = append(warm, i)
	}
	for _, ridge := range []float64{.3, 10} {
		model, f := fitted(t, s, testConfig(8, 5), fixed(ridge, 1.25))
		b := twinMap(t, s.content, denseOf(f.V, 8), warm, ridge)
		for i := range s.items {
			want := twinPrior(b, s.content.row(i))
			near(t, "stored prior", want, model.ItemPrior(i), 1e-4)
			near(t, "prior", want, model.Prior(s.content.row(i)), 1e-4)
		}
		if model.Ridge() != ridge || model.DefaultGain() != 1.25 || model.Trained(s.items-1) || !model.Trained(0) {
			t.Errorf("ridge %g, gain %g, trained %t and %t; want %g, 1.25, false and true",
				model.Ridge(), model.DefaultGain(), model.Trained(s.items-1), model.Trained(0), ridge)
		}
	}
}

// Adding one vector to all factors moves the intercept and nothing else: it is not penalised.
func TestInterceptIsNotPenalised(t *testing.T) {
	t.Parallel()
	s := newShop(80, 60, 4, false, 32)
	m, f := trained(t, s, testConfig(4, 5))
	before, err := FitModel(t.Context(), m, f, s.content, fixed(30, 1))
	if err != nil {
		t.Fatal(err)
	}
	for k := range f.V {
		f.V[k] += 5
	}
	after, err := FitModel(t.Context(), m, f, s.content, fixed(30, 1))
	if err != nil {
		t.Fatal(err)
	}
	want := wide(before.Prior(s.content.row(3)))
	for k := range want {
		want[k] += 5
	}
	near(t, "prior of shifted factors", want, after.Prior(s.content.row(3)), 1e-4)
}

func TestModelMoments(t *testing.T) {
	t.Parallel()
	s := newShop(300, 90, 3, true, 33)
	s.users++ // one without a positive is no part of the mean
	m, f := trained(t, s, testConfig(8, 4))
	model, err := FitModel(t.Context(), m, f, s.content, fixed(1, 1))
	if err != nil {
		t.Fatal(err)
	}
	for name, pair := range map[string]struct{ got, x []float32 }{"G_V": {model.gramV, f.V}, "G_W": {model.gramW, f.W}} {
		want := newDense(8, 8)
		for _, x := range denseOf(pair.x, 8) {
			want.outerTo(1, x, x)
		}
		near(t, name, slices.Concat(want...), pair.got, 1e-5)
	}
	var mass float64
	for _, e := range s.entries {
		if e.Target > 0 {
			mass += float64(e.Confidence)
		}
	}
	if want := mass / 90; math.Abs(model.MeanPositives()-want) > 1e-6 {
		t.Errorf("n̄ is %g, want %g", model.MeanPositives(), want)
	}
	mean := make([]float64, 8)
	for _, w := range denseOf(f.W, 8)[:300] {
		for k := range mean {
			mean[k] += w[k] / 300
		}
	}
	near(t, "w̄", mean, model.MeanUser(), 1e-5)
}

func TestFitModelIsTheSameForAnyNumberOfWorkers(t *testing.T) {
	t.Parallel()
	s := newShop(90, 80, 3, true, 36)
	m, f := trained(t, s, testConfig(8, 4))
	cfg := DefaultContentConfig()
	var want []byte
	for _, workers := range []int{1, 0, 3, 8} {
		cfg.Workers = workers
		model, err := FitModel(t.Context(), m, f, s.content, cfg)
		if err != nil {
			t.Fatal(err)
		}
		if want == nil {
			want = encoded(t, model)
		}
		if !slices.Equal(want, encoded(t, model)) {
			t.Errorf("%d workers give another model", workers)
		}
	}
}

// Bounds on users and items must not keep any item from the fit.
func TestFitModelWithinBounds(t *testing.T) {
	t.Parallel()
	s := newShop(90, 80, 3, true, 37)
	cfg := DefaultContentConfig()
	cfg.Users, cfg.Items, cfg.Ridges = 10, 20, []float64{1}
	bounded, _ := fitted(t, s, testConfig(8, 4), cfg)
	free, _ := fitted(t, s, testConfig(8, 4), fixed(1, 1))
	if diff := cmp.Diff(free.content, bounded.content); diff != "" {
		t.Errorf("content map (-all users and items +few):\n%.300s", diff)
	}
	if bounded.Choice().ColdShare <= 0 {
		t.Errorf("cold share %g, want one measured on the few", bounded.Choice().ColdShare)
	}
}

func TestFitModelRefuses(t *testing.T) {
	t.Parallel()
	s := newShop(20, 15, 3, false, 38)
	m, f := trained(t, s, testConfig(4, 2))
	nan := float32(math.NaN())
	cases := map[string]func(f *Factors, x *Content, cfg *ContentConfig){
		"other users":       func(f *Factors, _ *Content, _ *ContentConfig) { f.Users++ },
		"other items":       func(f *Factors, _ *Content, _ *ContentConfig) { f.Items-- },
		"short factors":     func(f *Factors, _ *Content, _ *ContentConfig) { f.V = f.V[1:] },
		"no dimensions":     func(f *Factors, _ *Content, _ *ContentConfig) { f.Dims = 0 },
		"factors NaN":       func(f *Factors, _ *Content, _ *ContentConfig) { f.W = slices.Clone(f.W); f.W[3] = nan },
		"no regularization": func(f *Factors, _ *Content, _ *ContentConfig) { f.Regularization = 0 },
		"short content":     func(_ *Factors, x *Content, _ *ContentConfig) { x.Rows = x.Rows[1:] },
		"content NaN":       func(_ *Factors, x *Content, _ *ContentConfig) { x.Rows = slices.Clone(x.Rows); x.Rows[0] = nan },
		"content too wide":  func(_ *Factors, x *Content, _ *ContentConfig) { x.Dims = MaxContentDims + 1 },
		"negative width":    func(_ *Factors, x *Content, _ *ContentConfig) { x.Dims = -1 },
		"settings":          func(_ *Factors, _ *Content, cfg *ContentConfig) { cfg.Folds = 0 },
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, x, cfg := *f, s.content, DefaultContentConfig()
			change(&g, &x, &cfg)
			if _, err := FitModel(t.Context(), m, &g, x, cfg); !errors.Is(err, recsys.ErrInvalid) {
				t.Errorf("error %v, want ErrInvalid", err)
			}
		})
	}
	s.content.Rows = randomNumbers(rand.New(rand.NewPCG(1, 1)), len(s.content.Rows))
	for k := range s.content.Rows {
		s.content.Rows[k] *= 1e30
	}
	if _, err := FitModel(t.Context(), m, f, s.content, fixed(1, 1)); !errors.Is(err, recsys.ErrInvalid) {
		t.Errorf("content beyond float32: error %v, want ErrInvalid", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := FitModel(ctx, m, f, s.content, DefaultContentConfig()); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
}

// checkUse calls everything a model can do and fails on a number that is not finite.
func (m *Model) checkUse(t *testing.T) {
	t.Helper()
	x := make([]float32, m.ContentDims())
	for k := range x {
		x[k] = 1
	}
	numbers := [][]float32{m.MeanUser(), m.Prior(nil), m.Prior(x), m.gramV, m.gramW,
		{float32(m.MeanPositives()), float32(m.Ridge()), float32(m.DefaultGain())}}
	history := []Weighted{{Factor: m.Prior(x), Confidence: 1, Target: 1}, {Factor: m.Prior(nil), Confidence: .5}}
	for row := range m.Items() {
		numbers = append(numbers, m.ItemFactor(row), m.ItemPrior(row))
		history = append(history, Weighted{Factor: m.ItemFactor(row), Confidence: 1, Target: 1, Decay: .5})
	}
	w, err := m.FoldInUser(history)
	if err != nil {
		t.Error(err)
	}
	r, mu := m.FoldInItem([]Touch{{w, 1, 1}, {w, .5, 0}}, 1, m.Prior(x))
	numbers = append(numbers, w, r, mu, m.UserHalfStep(history))
	for k, x := range numbers {
		if !vecmath.Finite(x) {
			t.Errorf("result %d is not finite: %v", k, x)
		}
	}
	if m.Trained(-1) || m.Trained(m.Items()) {
		t.Error("rows out of range count as trained")
	}
}

func TestFitModelDegenerateData(t *testing.T) {
	t.Parallel()
	usual := newShop(80, 70, 3, true, 39)
	with := func(change func(s *shop)) shop {
		s := usual
		s.content.Rows = slices.Clone(usual.content.Rows)
		change(&s)
		return s
	}
	like := Entry{Confidence: 1, Target: 1}
	cases := map[string]shop{
		"nothing":              {},
		"no interactions":      {users: 4, items: 60, content: Content{Dims: 3, Rows: make([]float32, 180)}},
		"one pair":             {users: 1, items: 1, entries: []Entry{like}, content: Content{Dims: 1, Rows: []float32{1}}},
		"no content":           with(func(s *shop) { s.content = Content{} }),
		"zero content":         with(func(s *shop) { clear(s.content.Rows) }),
		"some zero rows":       with(func(s *shop) { clear(s.content.Rows[:20*s.content.Dims]) }),
		"constant content":     with(func(s *shop) { constant(s.content.Rows, .5) }),
		"huge content":         with(func(s *shop) { constant(s.content.Rows, 1e18) }),
		"dislikes only":        with(func(s *shop) { s.entries = changed(s.entries, func(e *Entry) { e.Target = 0 }) }),
		"one user":             with(func(s *shop) { s.users, s.entries = 1, ofUser(s.entries, 0) }),
		"one user of many":     with(func(s *shop) { s.entries = ofUser(s.entries, 3) }),
		"everybody has it all": with(func(s *shop) { s.entries = everything(s.users, s.items) }),
		"greatest confidence": with(func(s *shop) {
			s.entries = changed(s.entries, func(e *Entry) { e.Confidence = MaxConfidence })
		}),
	}
	for name, s := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			model, _ := fitted(t, s, testConfig(4, 4), DefaultContentConfig())
			model.checkUse(t)
			if g := model.DefaultGain(); g < 1 || g > 3 {
				t.Errorf("gain %g, want 1 to 3", g)
			}
		})
	}
}

func constant(x []float32, v float32) {
	for k := range x {
		x[k] = v
	}
}

func changed(entries []Entry, change func(*Entry)) []Entry {
	out := slices.Clone(entries)
	for k := range out {
		change(&out[k])
	}
	return out
}

func ofUser(entries []Entry, user int32) []Entry {
	return slices.DeleteFunc(slices.Clone(entries), func(e Entry) bool { return e.User != user })
}

func everything(users, items int) []Entry {
	var out []Entry
	for u := range users {
		for i := range items {
			out = append(out, Entry{int32(u), int32(i), 1, 1})
		}
	}
	return out
}
