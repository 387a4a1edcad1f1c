package als

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

func TestContentPriorIsTheDenseRidge(t *testing.T) {
	t.Parallel()
	const f = 6
	s := newShop(60, 150, 4, true, 51)
	s.items += 2 // rows without positives are predicted and not fitted on
	s.content.Rows = append(s.content.Rows, s.content.Rows[:2*s.content.Dims]...)
	cfg := testConfig(f, 1)
	p, err := newContentPrior(t.Context(), s.matrix(t), s.content, cfg)
	if err != nil {
		t.Fatal(err)
	}
	warm := make([]int, s.items-2)
	for i := range warm {
		warm[i] = i
	}
	random := rand.New(rand.NewPCG(1, 5))
	for range 2 { // a second refit keeps nothing of the first
		v := randomNumbers(random, s.items*f)
		if err := p.refit(t.Context(), v); err != nil {
			t.Fatal(err)
		}
		b := twinMap(t, s.content, denseOf(v, f), warm, cfg.PriorRidge)
		for i := range s.items {
			near(t, "prior", twinPrior(b, s.content.row(i)), p.means()[i*f:(i+1)*f], 1e-4)
		}
	}
}

// With as many steps as there are factors, the half-step with a prior is the dense solution.
func TestSweepWithPriorIsTheDenseSolution(t *testing.T) {
	t.Parallel()
	const f = 6
	s := newShop(40, 30, 3, true, 52)
	m, factors := trained(t, s, testConfig(f, 2))
	cfg := testConfig(f, 1)
	cfg.CGSteps = 3 * f
	prior := randomNumbers(rand.New(rand.NewPCG(2, 5)), s.items*f)
	if err := sweep(t.Context(), cfg, side{rows: &m.byItem, own: factors.V, other: factors.W, prior: prior}); err != nil {
		t.Fatal(err)
	}
	w := denseOf(factors.W, f)
	for i := range s.items {
		var events []event
		for _, e := range s.entries {
			if int(e.Item) == i {
				events = append(events, event{w[e.User], float64(e.Confidence), float64(e.Target), float64(e.Confidence)})
			}
		}
		lambda := factors.Regularization * (twinMass(events) + factors.Alpha0*float64(s.users))
		want := twinSolve(t, w, events, factors.Alpha0, lambda, wide(prior[i*f:(i+1)*f]))
		near(t, "item factor", want, factors.V[i*f:(i+1)*f], 1e-4)
	}
}

// An item with one positive must lean to its kind: its planted content says more than that one user.
func TestPriorLendsToRareItems(t *testing.T) {
	t.Parallel()
	const clusters = 4
	s := newShop(200, 80, clusters, false, 53)
	var kept []Entry
	rare := func(item int32) bool { return item < 20 }
	seen := map[int32]bool{}
	for _, e := range s.entries {
		if !rare(e.Item) {
			kept = append(kept, e)
		} else if !seen[e.Item] { // one positive, by a user of the next cluster: the worst witness
			seen[e.Item] = true
			kept = append(kept, Entry{User: (e.Item + 1) % clusters, Item: e.Item, Confidence: 1, Target: 1})
		}
	}
	s.entries = kept
	// lead is by how much the rare items score higher for their own kind than for their witness's.
	lead := func(ridge float64) float32 {
		cfg := testConfig(8, 12)
		cfg.PriorRidge = ridge
		_, f := trained(t, s, cfg)
		var sum float32
		for item := range int32(20) {
			score := func(user int32) float32 { return vecmath.Dot(f.W[user*8:(user+1)*8], f.V[item*8:(item+1)*8]) }
			sum += score(item%clusters+clusters) - score((item+1)%clusters+clusters)
		}
		return sum / 20
	}
	if with, without := lead(1), lead(0); !(without < -.02 && with > 0) {
		t.Errorf("rare items lead by %.3f with the prior and %.3f without, want above 0 and below -.02", with, without)
	}
}

func TestTrainRefusesContentOfOtherItems(t *testing.T) {
	t.Parallel()
	s := newShop(10, 8, 2, false, 54)
	s.content.Rows = s.content.Rows[1:]
	if _, err := Train(t.Context(), s.matrix(t), s.content, testConfig(4, 2), nil); !errors.Is(err, recsys.ErrInvalid) {
		t.Errorf("error %v, want ErrInvalid", err)
	}
}
