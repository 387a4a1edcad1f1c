package als

import (
	"context"
	"math"

	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

const (
	ndcgDepth = 10
	listDepth = 20
)

// trial is the stage on which ridges and gains are compared: groups of warm items that play
// the new ones in turn, and users whose factors know nothing of the group on stage.
type trial struct {
	users []int32
	bound []int     // items of group k are at bound[k]:bound[k+1] of items
	items []int32   // the warm items that are ranked, group by group
	place []int32   // item row → index in items, −1 if it is not ranked
	group []int16   // item row → group, −1 if it is not warm
	v     []float32 // trained factors of items
	w     [][]float32
}

// foldMaps gives the content map without a group.
type foldMaps struct {
	total *moments
	parts []*moments
	about centre
}

func (m foldMaps) without(group int, ridge float64) ([]float32, error) {
	rest := newMoments(len(m.total.x), len(m.total.v))
	rest.plus(1, m.total)
	rest.plus(-1, m.parts[group])
	return rest.solve(m.about, ridge)
}

func (c *fitter) newTrial(ctx context.Context, groups [][]int32, users []int32) (*trial, error) {
	t := &trial{users: users, bound: []int{0}, place: filled[int32](c.matrix.Items()), group: filled[int16](c.matrix.Items())}
	for k, items := range groups {
		for _, item := range items {
			t.group[item] = int16(k)
		}
		for _, item := range items[:min(len(items), (c.cfg.Items+len(groups)-1)/len(groups))] {
			t.place[item] = int32(len(t.items))
			t.items = append(t.items, item)
			t.v = append(t.v, c.pairs.factor(item)...)
		}
		t.bound = append(t.bound, len(t.items))
	}
	for k, items := range groups {
		w, err := c.usersWithout(ctx, t, k, items)
		if err != nil {
			return nil, err
		}
		t.w = append(t.w, w)
	}
	return t, nil
}

func filled[T int16 | int32](n int) []T {
	out := make([]T, n)
	for k := range out {
		out[k] = -1
	}
	return out
}

// usersWithout folds the trial's users in as a request would, as if the items of one
// group did not exist. Trained factors would know the very pairs that are asked for.
func (c *fitter) usersWithout(ctx context.Context, t *trial, group int, items []int32) ([]float32, error) {
	f := c.factors.Dims
	var held []float32
	for _, item := range items {
		held = append(held, c.pairs.factor(item)...)
	}
	minus, err := gram(ctx, c.workers, held, f)
	if err != nil {
		return nil, err
	}
	rest := make([]float64, len(minus))
	for k, v := range c.gramV {
		rest[k] = v - minus[k]
	}
	g := scaled(1, rest)
	w := make([]float32, len(t.users)*f)
	err = parallel(ctx, c.workers, len(t.users), func(_, task int) {
		c.userWithout(t, group, t.users[task], g, w[task*f:(task+1)*f])
	})
	return w, err
}

func (c *fitter) userWithout(t *trial, group int, user int32, g, w []float32) {
	s := c.model.scratch()
	defer c.model.scratches.Put(s)
	s.reset()
	var n float64
	items, confidence, target := c.matrix.byUser.row(int(user))
	for k, item := range items {
		if int(t.group[item]) == group {
			continue
		}
		s.add(c.pairs.factor(item), confidence[k], target[k])
		if target[k] > 0 {
			n += float64(confidence[k])
		}
	}
	c.model.solveUser(s, n, g, w)
}

// trialPriors returns, for every ridge, μ of the trial's items, each predicted without its group.
func (c *fitter) trialPriors(ctx context.Context, t *trial, maps foldMaps) ([][]float32, error) {
	f, ridges := c.factors.Dims, len(c.cfg.Ridges)
	out := make([][]float32, ridges)
	for k := range out {
		out[k] = make([]float32, len(t.v))
	}
	faults := make([]error, ridges*len(maps.parts))
	err := parallel(ctx, c.workers, len(faults), func(_, task int) {
		group, ridge := task/ridges, task%ridges
		b, err := maps.without(group, c.cfg.Ridges[ridge])
		if err != nil {
			faults[task] = err
			return
		}
		m := &Model{dims: f, contentDims: c.pairs.content.Dims, content: b}
		for k := t.bound[group]; k < t.bound[group+1]; k++ {
			m.prior(c.pairs.content.row(int(t.items[k])), out[ridge][k*f:(k+1)*f])
		}
	})
	if err != nil {
		return nil, err
	}
	for _, fault := range faults {
		if fault != nil {
			return nil, fault
		}
	}
	return out, nil
}

// coldNDCG returns, for every ridge, NDCG@10 of ranking a group's items for a user by w·μ, where
// the user's positives among them are to be found; the mean over users and groups that have any.
func (c *fitter) coldNDCG(ctx context.Context, t *trial, priors [][]float32) ([]float64, error) {
	groups := len(t.w)
	scores := make([][]float64, len(t.users)*groups) // per user and group: by ridge; nil without targets
	err := parallel(ctx, c.workers, len(scores), func(_, task int) {
		group, user := task%groups, task/groups
		wanted := t.targets(c.matrix, t.users[user], group)
		if len(wanted) == 0 {
			return
		}
		for _, mu := range priors {
			ranked := t.rank(group, user, mu)
			scores[task] = append(scores[task], ndcg(ranked, wanted))
		}
	})
	if err != nil {
		return nil, err
	}
	mean, count := make([]float64, len(priors)), 0
	for _, byRidge := range scores {
		if byRidge != nil {
			count++
			addTo(mean, byRidge)
		}
	}
	for k := range mean {
		mean[k] /= float64(max(count, 1))
	}
	return mean, nil
}

// targets returns the indexes, within the group, of the user's positives among its ranked items.
func (t *trial) targets(m *Matrix, user int32, group int) map[uint32]bool {
	out := map[uint32]bool{}
	items, _, target := m.byUser.row(int(user))
	for k, item := range items {
		if int(t.group[item]) == group && t.place[item] >= 0 && target[k] > 0 {
			out[uint32(int(t.place[item])-t.bound[group])] = true
		}
	}
	return out
}

// rank returns the best items of a group for a user, as indexes within the group. Ties fall
// to the earlier index; groups are shuffled, so this favours nobody.
func (t *trial) rank(group, user int, mu []float32) []vecmath.Scored {
	f := len(t.v) / len(t.items)
	scores := make([]float32, t.bound[group+1]-t.bound[group])
	vecmath.DotRows(t.factor(group, user), mu[t.bound[group]*f:t.bound[group+1]*f], scores)
	top := vecmath.NewTopK(ndcgDepth)
	for k, score := range scores {
		top.Push(uint32(k), score)
	}
	return top.Sorted()
}

func (t *trial) factor(group, user int) []float32 {
	f := len(t.v) / len(t.items)
	return t.w[group][user*f : (user+1)*f]
}

func ndcg(ranked []vecmath.Scored, wanted map[uint32]bool) float64 {
	var gain, ideal float64
	for k, hit := range ranked {
		discount := 1 / math.Log2(float64(k+2))
		if wanted[hit.ID] {
			gain += discount
		}
		if k < len(wanted) {
			ideal += discount
		}
	}
	return gain / ideal
}
