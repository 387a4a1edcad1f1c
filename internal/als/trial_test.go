package als

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

// heldOutNDCG is the slow twin of the choice of λ_r: every map refitted from nothing, every user
// solved densely without the held-out items, every list sorted whole.
func heldOutNDCG(t *testing.T, s shop, f *Factors, mean []float64, cfg ContentConfig, ridge float64) float64 {
	t.Helper()
	m := s.matrix(t)
	random := rand.New(rand.NewPCG(cfg.Seed, 1))
	groups := split(positiveRows(m.byItem.mass, random), cfg.Folds)
	v := denseOf(f.V, f.Dims)
	var sum, count float64
	for _, held := range groups {
		var rest []int
		var others dense
		for i := range v {
			if !slices.Contains(held, int32(i)) {
				rest = append(rest, i)
				others = append(others, v[i])
			}
		}
		b := twinMap(t, s.content, v, rest, ridge)
		for u := range s.users {
			events, wanted := s.without(held, v, u)
			if len(wanted) == 0 {
				continue
			}
			n := twinMass(events)
			w := twinSolve(t, others, events, math.Min(1, n/16)*f.Alpha0, f.Regularization*(n+f.Alpha0*float64(s.items)), mean)
			ranked := make([]vecmath.Scored, len(held))
			for k, item := range held {
				ranked[k] = vecmath.Scored{ID: uint32(k), Score: float32(inner(w, twinPrior(b, s.content.row(int(item)))))}
			}
			slices.SortFunc(ranked, func(a, b vecmath.Scored) int { return int(math.Copysign(1, float64(b.Score-a.Score))) })
			sum += ndcg(ranked[:10], wanted)
			count++
		}
	}
	return sum / count
}

// without gives what a user did with all items but the held ones, and the places of their positives among those.
func (s shop) without(held []int32, v dense, user int) (events []event, wanted map[uint32]bool) {
	wanted = map[uint32]bool{}
	for _, e := range s.entries {
		place := slices.Index(held, e.Item)
		switch {
		case int(e.User) != user:
		case place < 0:
			events = append(events, event{v[e.Item], float64(e.Confidence), float64(e.Target), float64(e.Confidence)})
		case e.Target > 0:
			wanted[uint32(place)] = true
		}
	}
	return events, wanted
}

func TestChoiceOfRidgeAgainstTheSlowTwin(t *testing.T) {
	t.Parallel()
	s := newShop(50, 75, 3, true, 34)
	cfg := DefaultContentConfig()
	cfg.Ridges, cfg.Workers, cfg.Seed = []float64{.3, 10, 1000}, 2, 5
	model, f := fitted(t, s, testConfig(6, 8), cfg)
	best := model.Choice().Ridges[0]
	for k, tried := range model.Choice().Ridges {
		want := heldOutNDCG(t, s, f, wide(model.MeanUser()), cfg, cfg.Ridges[k])
		if tried.Ridge != cfg.Ridges[k] || math.Abs(tried.NDCG-want) > 2e-3 {
			t.Errorf("λ_r %g has NDCG@10 %.4f, want %g with %.4f", tried.Ridge, tried.NDCG, cfg.Ridges[k], want)
		}
		if tried.NDCG > best.NDCG {
			best = tried
		}
	}
	if model.Ridge() != best.Ridge {
		t.Errorf("chose λ_r %g, want %g of %v", model.Ridge(), best.Ridge, model.Choice().Ridges)
	}
}

// Content that names the planted cluster lets new items find their users; noise does not.
func TestPlantedContentRanksNewItems(t *testing.T) {
	t.Parallel()
	s := newShop(120, 100, 4, false, 35)
	planted, _ := fitted(t, s, testConfig(4, 10), DefaultContentConfig())
	random := rand.New(rand.NewPCG(8, 8))
	s.content.Rows = randomNumbers(random, len(s.content.Rows))
	for i := range s.items {
		vecmath.Normalize(s.content.row(i))
	}
	noise, _ := fitted(t, s, testConfig(4, 10), DefaultContentConfig())
	best := func(m *Model) float64 {
		var top float64
		for _, tried := range m.Choice().Ridges {
			top = max(top, tried.NDCG)
		}
		return top
	}
	// Users like half of their cluster at random, so that a perfect order of clusters is worth about .72.
	if best(planted) < .65 || best(noise) > .45 {
		t.Errorf("held-out NDCG@10 %.3f with planted content and %.3f with noise, want above .65 and below .45", best(planted), best(noise))
	}
	if share := planted.Choice().ColdShare; share < .075 {
		t.Errorf("held-out items take %.3f of the places at g = %g, want at least .075", share, planted.DefaultGain())
	}
}

// coldShareTwin sorts both lists together.
func coldShareTwin(lists []topList, gain float64) float64 {
	type place struct {
		score float64
		cold  bool
	}
	var cold, places float64
	for _, list := range lists {
		var all []place
		for _, s := range list.warm {
			all = append(all, place{float64(s.Score), false})
		}
		for _, s := range list.cold {
			all = append(all, place{gain * float64(s.Score), true})
		}
		slices.SortStableFunc(all, func(a, b place) int {
			switch {
			case a.score > b.score:
				return -1
			case a.score < b.score:
				return 1
			}
			return 0
		})
		for _, p := range all[:min(20, len(all))] {
			places++
			if p.cold {
				cold++
			}
		}
	}
	if places == 0 {
		return 0
	}
	return cold / places
}

func TestColdShareAndCalibration(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(2, 2))
	list := func(n int, scale float32) []vecmath.Scored {
		top := vecmath.NewTopK(listDepth)
		for k, v := range randomNumbers(random, n) {
			top.Push(uint32(k), scale*v)
		}
		return top.Sorted()
	}
	var lists []topList
	for _, n := range []int{0, 1, 5, 19, 60, 60, 60} {
		for _, m := range []int{0, 3, 60} {
			lists = append(lists, topList{warm: list(n, 1), cold: list(m, .5)})
		}
	}
	for _, gain := range []float64{0, .5, 1, 1.25, 2, 10} {
		if want, got := coldShareTwin(lists, gain), coldShare(lists, gain); want != got {
			t.Errorf("cold share at g = %g is %g, want %g", gain, got, want)
		}
	}
	var usual []topList
	for range 300 {
		usual = append(usual, topList{warm: list(400, 1), cold: list(100, .5)})
	}
	cfg := DefaultContentConfig()
	gain, share := calibrate(usual, cfg)
	if coldShare(usual, gain) != share || share < cfg.ColdShare || coldShare(usual, gain-1e-6) >= cfg.ColdShare {
		t.Errorf("g = %g gives %g, want the smallest that gives %g", gain, share, cfg.ColdShare)
	}
	cfg.ColdShare = 1
	if gain, _ := calibrate(usual, cfg); gain != cfg.MaxGain {
		t.Errorf("g = %g for a share out of reach, want %g", gain, cfg.MaxGain)
	}
	cfg.ColdShare = 0
	if gain, _ := calibrate(usual, cfg); gain != cfg.MinGain {
		t.Errorf("g = %g for no share at all, want %g", gain, cfg.MinGain)
	}
}

func TestGainForShare(t *testing.T) {
	t.Parallel()
	m := &Model{gain: 1.5, coldShares: make([]float32, gainSteps)}
	if got := m.GainFor(.1); got != 1.5 {
		t.Errorf("not measured: gain %g, want the default 1.5", got)
	}
	for k := range m.coldShares {
		m.coldShares[k] = min(.8, .02+.05*float32(k)) // .02 at 1, .07 at 1.25 …
	}
	for share, want := range map[float64]float64{0: 1, .02: 1, .045: 1.125, .07: 1.25, .77: 4.75, .8: 5, .9: 5, 1: 5} {
		if got := m.GainFor(share); math.Abs(got-want) > .051 {
			t.Errorf("share %g: gain %g, want %g", share, got, want)
		}
	}
	model, _ := fitted(t, newShop(200, 120, 4, false, 35), testConfig(8, 6), DefaultContentConfig())
	if got, want := model.GainFor(model.Choice().ColdShare), model.DefaultGain(); model.DefaultGain() > 1 && math.Abs(got-want) > .26 {
		t.Errorf("the calibrated share takes gain %g, calibrated was %g", got, want)
	}
}
