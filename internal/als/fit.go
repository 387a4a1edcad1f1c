package als

import (
	"context"
	"math/rand/v2"
)

const (
	leastHeldOut = 10   // warm items a group must have before a ranking of them means anything
	usualGain    = 1.25 // without held-out items to calibrate on
)

// fitter is one run of FitModel.
type fitter struct {
	cfg     ContentConfig
	workers int
	matrix  *Matrix
	factors *Factors
	pairs   pairs
	model   *Model
	gramV   []float64
}

// run sets content, mu, ridge, gain and choice of the model.
func (c *fitter) run(ctx context.Context) error {
	random := rand.New(rand.NewPCG(c.cfg.Seed, 1))
	warm := positiveRows(c.matrix.byItem.mass, random)
	groups := split(warm, c.cfg.Folds)
	about := c.pairs.centreOf(warm)
	parts, err := c.pairs.momentsOf(ctx, c.workers, groups, about, true)
	if err != nil {
		return err
	}
	total := newMoments(c.pairs.content.Dims, c.factors.Dims)
	for _, part := range parts {
		total.plus(1, part)
	}
	c.model.ridge = c.cfg.Ridges[len(c.cfg.Ridges)-1]
	c.model.gain = min(max(usualGain, c.cfg.MinGain), c.cfg.MaxGain)
	if len(warm) >= leastHeldOut*c.cfg.Folds {
		users := positiveRows(c.matrix.byUser.mass, random)
		trial, err := c.newTrial(ctx, groups, users[:min(len(users), c.cfg.Users)])
		if err != nil {
			return err
		}
		maps := foldMaps{total: total, parts: parts, about: about}
		if err := c.choose(ctx, trial, maps); err != nil {
			return err
		}
	}
	if c.model.content, err = total.solve(about, c.model.ridge); err != nil {
		return err
	}
	return c.priors(ctx)
}

// choose sets ridge, gain and choice, leaving out what the settings fix.
func (c *fitter) choose(ctx context.Context, trial *trial, maps foldMaps) error {
	ridges := c.cfg.Ridges
	priors, err := c.trialPriors(ctx, trial, maps)
	if err != nil {
		return err
	}
	best := 0
	if len(ridges) > 1 {
		ndcg, err := c.coldNDCG(ctx, trial, priors)
		if err != nil {
			return err
		}
		for k, score := range ndcg {
			c.model.choice.Ridges = append(c.model.choice.Ridges, RidgeScore{Ridge: ridges[k], NDCG: score})
			if score > ndcg[best] {
				best = k
			}
		}
	}
	c.model.ridge = ridges[best]
	lists, err := c.topLists(ctx, trial, priors[best])
	if err != nil {
		return err
	}
	c.model.coldShares = coldShares(lists)
	if c.cfg.MinGain == c.cfg.MaxGain {
		return nil
	}
	c.model.gain, c.model.choice.ColdShare = calibrate(lists, c.cfg)
	return nil
}

// priors sets μ of every item row.
func (c *fitter) priors(ctx context.Context) error {
	f, items := c.factors.Dims, c.matrix.Items()
	return parallel(ctx, c.workers, tasksOf(items), func(_, task int) {
		for k := range rowsOf(task, items) {
			c.model.prior(c.pairs.content.row(k), c.model.mu[k*f:(k+1)*f])
		}
	})
}

// positiveRows returns the rows with positives in a random order.
func positiveRows(mass []float64, random *rand.Rand) []int32 {
	var out []int32
	for k, n := range mass {
		if n > 0 {
			out = append(out, int32(k))
		}
	}
	random.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// split cuts items into groups whose sizes differ by one at most.
func split(items []int32, groups int) [][]int32 {
	out := make([][]int32, groups)
	for k := range out {
		out[k] = items[k*len(items)/groups : (k+1)*len(items)/groups]
	}
	return out
}
