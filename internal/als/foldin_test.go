package als

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

// histories of several lengths, below and above the 8 at which a user counts as half known.
func histories(model *Model, random *rand.Rand) map[string][]Weighted {
	out := map[string][]Weighted{}
	for _, n := range []int{1, 2, 7, 40} {
		for _, kind := range []string{"binary", "decayed", "weighted", "weighted and decayed"} {
			var h []Weighted
			for pos := range n {
				e := Weighted{Factor: model.ItemFactor(random.IntN(model.Items())), Confidence: 1, Target: 1}
				if kind == "weighted" || kind == "weighted and decayed" {
					e.Confidence, e.Target = .1+random.Float32(), float32(random.IntN(3))/2
				}
				if kind == "decayed" || kind == "weighted and decayed" {
					e.Decay = float32(math.Exp2(-float64(pos) / 10))
				}
				h = append(h, e)
			}
			out[fmt.Sprintf("%s, %d events", kind, n)] = h
		}
	}
	return out
}

func eventsOf(history []Weighted, decayed bool) []event {
	var events []event
	for _, h := range history {
		e := event{wide(h.Factor), float64(h.Confidence), float64(h.Target), float64(h.Confidence)}
		if decayed && h.Decay > 0 {
			e.a *= float64(h.Decay)
		}
		events = append(events, e)
	}
	return events
}

func TestUserFoldInsAreTheDenseSolutions(t *testing.T) {
	t.Parallel()
	model, f := fitted(t, newShop(60, 40, 4, true, 11), testConfig(8, 6), fixed(1, 1.25))
	v, w := denseOf(f.V, 8), denseOf(f.W, 8)
	mean := make([]float64, 8)
	for u := range w { // every user of this shop has a positive
		for k := range mean {
			mean[k] += w[u][k] / float64(len(w))
		}
	}
	near(t, "mean user", mean, model.MeanUser(), 1e-5)
	for name, history := range histories(model, rand.New(rand.NewPCG(1, 2))) {
		events := eventsOf(history, true)
		n := twinMass(events)
		lambda := model.Regularization() * (n + model.Alpha0()*40)
		rho, prior := n/(n+8), make([]float64, 8)
		for k := range prior {
			prior[k] = (1 - rho) * mean[k]
		}
		want := twinSolve(t, v, events, rho*model.Alpha0(), lambda, prior)
		got, err := model.FoldInUser(history)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "served, "+name, want, got, 1e-4)
		if n > 0 {
			plain := twinSolve(t, v, eventsOf(history, false), model.Alpha0(), lambda, make([]float64, 8))
			near(t, "plain, "+name, plain, model.UserHalfStep(history), 1e-4)
		}
	}
}

func TestFoldInUserWithoutHistoryIsTheMeanUser(t *testing.T) {
	t.Parallel()
	model, _ := fitted(t, newShop(30, 20, 2, false, 12), testConfig(8, 4), fixed(1, 1.25))
	got, err := model.FoldInUser(nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(model.MeanUser(), got); diff != "" {
		t.Errorf("no history (-mean user +got):\n%s", diff)
	}
	got[0]++ // the caller owns it
	if cmp.Equal(model.MeanUser(), got) {
		t.Error("the result shares memory with the model")
	}
}

func TestDislikesPushAway(t *testing.T) {
	t.Parallel()
	model, _ := fitted(t, newShop(60, 40, 4, false, 13), testConfig(8, 6), fixed(1, 1.25))
	item := model.ItemFactor(3)
	w, err := model.FoldInUser([]Weighted{{Factor: item, Confidence: 5, Target: 0}})
	if err != nil {
		t.Fatal(err)
	}
	if before, after := vecmath.Dot(model.MeanUser(), item), vecmath.Dot(w, item); !(math.Abs(float64(after)) < math.Abs(float64(before))) {
		t.Errorf("score of a disliked item went from %g to %g, want it nearer 0", before, after)
	}
}

func TestItemFoldInIsTheDenseSolution(t *testing.T) {
	t.Parallel()
	s := newShop(60, 40, 4, true, 14)
	model, f := fitted(t, s, testConfig(8, 6), fixed(1, 1.25))
	w, random := denseOf(f.W, 8), rand.New(rand.NewPCG(5, 6))
	prior := model.Prior(s.content.row(7))
	for _, n := range []int{1, 3, 12, 50, 200} {
		var touches []Touch
		var events []event
		for range n {
			touch := Touch{User: f.W[8*random.IntN(60):][:8], Confidence: .1 + random.Float32(), Target: float32(random.IntN(3)) / 2}
			touches = append(touches, touch)
			a := float64(touch.Confidence)
			events = append(events, event{wide(touch.User), a, float64(touch.Target), a})
		}
		mass := twinMass(events)
		rho := math.Min(1, mass/(3*model.MeanPositives()))
		c := 1 + 2*(1-rho)
		lambda := model.Regularization() * (mass + model.Alpha0()*60)
		zero := make([]float64, 8)
		wantR := twinSolve(t, w, events, rho*model.Alpha0(), c*lambda, zero)
		for k := range events {
			events[k].p = 0 // leaves the prior's side of the equation alone
		}
		wantM := twinSolve(t, w, events, rho*model.Alpha0(), c*lambda, wide(prior))
		r, m := model.FoldInItem(touches, mass, prior)
		near(t, fmt.Sprintf("r of %d touches", n), wantR, r, 1e-4)
		near(t, fmt.Sprintf("m of %d touches", n), wantM, m, 1e-4)
	}
}

func TestFoldInItemWithoutTouchesIsThePrior(t *testing.T) {
	t.Parallel()
	s := newShop(30, 20, 2, false, 15)
	model, _ := fitted(t, s, testConfig(8, 4), fixed(1, 1.25))
	prior := model.Prior(s.content.row(4))
	r, m := model.FoldInItem(nil, 0, prior)
	if diff := cmp.Diff(make([]float32, 8), r); diff != "" {
		t.Errorf("r (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(prior, m); diff != "" {
		t.Errorf("m (-want +got):\n%s", diff)
	}
}

// An item folded in by all that its users did ends near its trained factor: with ρ = 1 the two
// differ by the prior alone.
func TestFoldInItemApproachesTheTrainedFactor(t *testing.T) {
	t.Parallel()
	s := newShop(200, 40, 4, false, 16)
	model, f := fitted(t, s, testConfig(8, 15), fixed(1, 1.25))
	item := slices.Index(model.positives, slices.Max(model.positives))
	var touches []Touch
	for _, e := range s.entries {
		if int(e.Item) == item {
			touches = append(touches, Touch{User: f.W[8*int(e.User):][:8], Confidence: 1, Target: 1})
		}
	}
	distance := func(n int) float64 {
		r, m := model.FoldInItem(touches[:n], float64(n), model.Prior(nil))
		return distanceOf(model.ItemFactor(item), r, m)
	}
	if few, all := distance(1), distance(len(touches)); !(all < few/2) {
		t.Errorf("distance from the trained factor is %g after 1 touch and %g after all %d, want it to shrink", few, all, len(touches))
	}
}

func distanceOf(v, r, m []float32) float64 {
	var sum float64
	for k := range v {
		sum += math.Pow(float64(v[k]-r[k]-m[k]), 2)
	}
	return math.Sqrt(sum)
}

func TestFoldInsWithBadInput(t *testing.T) {
	t.Parallel()
	model, f := fitted(t, newShop(30, 20, 2, false, 17), testConfig(4, 4), fixed(1, 1.25))
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	good := Weighted{Factor: model.ItemFactor(1), Confidence: 1, Target: 1}
	bad := map[string]Weighted{
		"short factor":        {Factor: good.Factor[:3], Confidence: 1, Target: 1},
		"no factor":           {Confidence: 1, Target: 1},
		"factor NaN":          {Factor: []float32{1, nan, 1, 1}, Confidence: 1, Target: 1},
		"factor infinite":     {Factor: []float32{1, inf, 1, 1}, Confidence: 1, Target: 1},
		"confidence zero":     {Factor: good.Factor, Target: 1},
		"confidence NaN":      {Factor: good.Factor, Confidence: nan, Target: 1},
		"confidence infinite": {Factor: good.Factor, Confidence: inf, Target: 1},
		"target NaN":          {Factor: good.Factor, Confidence: 1, Target: nan},
		"target above one":    {Factor: good.Factor, Confidence: 1, Target: 2},
		"decay above one":     {Factor: good.Factor, Confidence: 1, Target: 1, Decay: 2},
		"decay negative":      {Factor: good.Factor, Confidence: 1, Target: 1, Decay: -1},
		"decay NaN":           {Factor: good.Factor, Confidence: 1, Target: 1, Decay: nan},
	}
	plain := model.UserHalfStep([]Weighted{good})
	wantR, wantM := model.FoldInItem([]Touch{{f.W[:4], 1, 1}}, 1, nil)
	for name, b := range bad {
		var fault *recsys.FieldError
		if _, err := model.FoldInUser([]Weighted{good, b}); !errors.Is(err, recsys.ErrInvalid) || !errors.As(err, &fault) {
			t.Errorf("%s: error %v, want ErrInvalid about a field", name, err)
		}
		if diff := cmp.Diff(plain, model.UserHalfStep([]Weighted{b, good})); diff != "" {
			t.Errorf("%s is not passed over by UserHalfStep:\n%s", name, diff)
		}
		if b.Decay != 0 {
			continue
		}
		r, m := model.FoldInItem([]Touch{{b.Factor, b.Confidence, b.Target}, {f.W[:4], 1, 1}}, 1, []float32{nan, 0, 0, 0})
		if diff := cmp.Diff([][]float32{wantR, wantM}, [][]float32{r, m}); diff != "" {
			t.Errorf("%s is not passed over by FoldInItem:\n%s", name, diff)
		}
	}
}

// Factors and masses at the end of float32 must not leave it.
func TestFoldInsStayFinite(t *testing.T) {
	t.Parallel()
	model, _ := fitted(t, newShop(30, 20, 2, false, 18), testConfig(4, 4), fixed(1, 1.25))
	huge := []float32{3e38, -3e38, 3e38, 1}
	w, err := model.FoldInUser([]Weighted{{Factor: huge, Confidence: MaxConfidence, Target: 1}})
	if err != nil || !vecmath.Finite(w) {
		t.Errorf("user factor %v, error %v", w, err)
	}
	if w := model.UserHalfStep([]Weighted{{Factor: huge, Confidence: MaxConfidence, Target: 1}}); !vecmath.Finite(w) {
		t.Errorf("half step %v", w)
	}
	for _, n := range []float64{-1, 0, math.NaN(), math.Inf(1), math.MaxFloat64} {
		r, m := model.FoldInItem([]Touch{{huge, MaxConfidence, 1}, {[]float32{1, 0, 0, 0}, 1, 1}}, n, huge)
		if !vecmath.Finite(r) || !vecmath.Finite(m) {
			t.Errorf("n = %g: r %v, m %v", n, r, m)
		}
		r, m = model.FoldInItem([]Touch{{[]float32{1, 0, 0, 0}, 1, 1}}, n, []float32{1, 1, 1, 1})
		if !vecmath.Finite(r) || !vecmath.Finite(m) {
			t.Errorf("n = %g: r %v, m %v", n, r, m)
		}
	}
	for _, x := range [][]float32{nil, {1}, make([]float32, model.ContentDims()), {huge[0], huge[0], huge[0], huge[0], huge[0], huge[0]}} {
		if mu := model.Prior(x); !vecmath.Finite(mu) {
			t.Errorf("prior of %v is %v", x, mu)
		}
	}
}

func TestModelIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	s := newShop(60, 40, 4, true, 19)
	model, f := fitted(t, s, testConfig(8, 4), fixed(1, 1.25))
	all := histories(model, rand.New(rand.NewPCG(1, 2)))
	touches := []Touch{{f.W[:8], 1, 1}, {f.W[8:16], 1, 1}}
	wantW, wantR := map[string][]float32{}, map[string][]float32{}
	for name, history := range all {
		wantW[name], _ = model.FoldInUser(history)
		wantR[name], _ = model.FoldInItem(touches, float64(len(history)), nil)
	}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for name, history := range all {
				w, err := model.FoldInUser(history)
				r, _ := model.FoldInItem(touches, float64(len(history)), nil)
				if err != nil || !slices.Equal(wantW[name], w) || !slices.Equal(wantR[name], r) {
					t.Errorf("%s: differs from what one goroutine gets; error %v", name, err)
				}
				model.UserHalfStep(history)
				model.Prior(s.content.row(1))
			}
		})
	}
	group.Wait()
}

func TestEvidence(t *testing.T) {
	t.Parallel()
	model, _ := fitted(t, newShop(60, 40, 4, true, 20), testConfig(8, 4), fixed(1, 1.25))
	mean := model.MeanPositives()
	for n, want := range map[float64]float64{-1: 0, 0: 0, mean / 2: .25, mean: .5, 2 * mean: 1, 9 * mean: 1, math.Inf(1): 1} {
		if got := model.Evidence(n); math.Abs(got-want) > 1e-9 {
			t.Errorf("evidence of %g at a mean of %g is %g, want %g", n, mean, got, want)
		}
	}
	if got := model.Evidence(math.NaN()); got != 0 {
		t.Errorf("evidence of NaN is %g, want 0", got)
	}
}

func BenchmarkFoldInUser50(b *testing.B) {
	model, _ := fitted(b, newShop(300, 200, 4, false, 20), testConfig(64, 2), fixed(1, 1.25))
	var history []Weighted
	for k := range 50 {
		history = append(history, Weighted{Factor: model.ItemFactor(k), Confidence: 1, Target: 1, Decay: float32(math.Exp2(-float64(k) / 10))})
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := model.FoldInUser(history); err != nil {
			b.Fatal(err)
		}
	}
}
