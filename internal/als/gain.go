package als

import (
	"context"

	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

// topList holds the best scores of one user with one group on stage, best first: warm
// items by w·v, held-out ones by w·μ. A gain scales the latter and keeps their
// order, so that a list of 20 follows from these whatever the gain.
type topList struct{ warm, cold []vecmath.Scored }

// topLists ranks the trial's items for every user and group. What the user has touched is left out
// among the warm ones, as a recommendation would, and kept among the held-out ones, of which nothing is known.
func (c *fitter) topLists(ctx context.Context, t *trial, mu []float32) ([]topList, error) {
	groups := len(t.w)
	out := make([]topList, len(t.users)*groups)
	err := parallel(ctx, c.workers, len(out), func(_, task int) {
		group, user := task%groups, task/groups
		out[task] = topList{
			cold: t.best(t.bound[group], t.bound[group+1], mu, t.factor(group, user), nil),
			warm: t.bestWarm(c.matrix, group, user),
		}
	})
	return out, err
}

func (t *trial) bestWarm(m *Matrix, group, user int) []vecmath.Scored {
	seen := map[int]bool{}
	items, _, _ := m.byUser.row(int(t.users[user]))
	for _, item := range items {
		seen[int(t.place[item])] = true
	}
	w := t.factor(group, user)
	before := t.best(0, t.bound[group], t.v, w, seen)
	return merge(before, t.best(t.bound[group+1], len(t.items), t.v, w, seen))
}

// best returns the listDepth best of items[low:high] by w·rows.
func (t *trial) best(low, high int, rows, w []float32, seen map[int]bool) []vecmath.Scored {
	f := len(w)
	scores := make([]float32, high-low)
	vecmath.DotRows(w, rows[low*f:high*f], scores)
	top := vecmath.NewTopK(listDepth)
	for k, score := range scores {
		if !seen[low+k] {
			top.Push(uint32(low+k), score)
		}
	}
	return top.Sorted()
}

func merge(a, b []vecmath.Scored) []vecmath.Scored {
	top := vecmath.NewTopK(listDepth)
	for _, list := range [][]vecmath.Scored{a, b} {
		for _, s := range list {
			top.Push(s.ID, s.Score)
		}
	}
	return top.Sorted()
}

// calibrate returns the smallest gain at which held-out items take the wanted share, and that share.
func calibrate(lists []topList, cfg ContentConfig) (gain, share float64) {
	low, high := cfg.MinGain, cfg.MaxGain
	if share = coldShare(lists, low); share >= cfg.ColdShare {
		return low, share
	}
	if share = coldShare(lists, high); share < cfg.ColdShare {
		return high, share
	}
	for range 30 { // the share is a step function of the gain: bisect to well below a step
		middle := (low + high) / 2
		if coldShare(lists, middle) >= cfg.ColdShare {
			high = middle
		} else {
			low = middle
		}
	}
	return high, coldShare(lists, high)
}

// gainSteps is at how many gains the cold share is measured for GainFor.
const gainSteps = 17

// gainAt is the k-th of them: 1, 1.25 … 5.
func gainAt(k int) float64 { return 1 + float64(k)/4 }

// coldShares measures the share at each of these gains.
func coldShares(lists []topList) []float32 {
	out := make([]float32, gainSteps)
	for k := range out {
		out[k] = float32(coldShare(lists, gainAt(k)))
	}
	return out
}

// coldShare is the part of all top-20 places that held-out items take at a gain.
func coldShare(lists []topList, gain float64) float64 {
	cold, places := 0, 0
	for _, list := range lists {
		taken, length := 0, min(listDepth, len(list.warm)+len(list.cold))
		for place := range length {
			warm := place - taken
			if taken < len(list.cold) && (warm >= len(list.warm) ||
				gain*float64(list.cold[taken].Score) > float64(list.warm[warm].Score)) {
				taken++
			}
		}
		cold += taken
		places += length
	}
	return float64(cold) / float64(max(places, 1))
}
