package als

import "context"

// contentPrior is what the training draws item factors to, μ_i = Bᵀ[x_i; 1]: what items of
// such content have come to so far. It lends items of few positives what others of their kind
// have learned (NDCG@100 on new users: MovieLens 100K .456 → .461, poster pack .349 → .357,
// both beyond four standard errors of the paired difference).
type contentPrior struct {
	pairs   pairs
	workers int
	groups  [][]int32 // item rows with a positive
	about   centre
	content *moments  // of the content alone
	system  []float64 // Cholesky factor of Σ x̃x̃ᵀ + λ_p Id
	mu      []float32 // Items × f
}

// priorGroups is in how many parts moments are summed: fixed, so that the result does not
// depend on the number of workers.
const priorGroups = 8

// newContentPrior returns nil where the settings or the content ask for none.
func newContentPrior(ctx context.Context, m *Matrix, x Content, cfg Config) (*contentPrior, error) {
	if x.Dims == 0 || cfg.PriorRidge == 0 {
		return nil, nil
	}
	var warm []int32
	for k, n := range m.byItem.mass {
		if n > 0 {
			warm = append(warm, int32(k))
		}
	}
	p := &contentPrior{pairs: pairs{content: x, dims: cfg.Factors, v: make([]float32, m.Items()*cfg.Factors)},
		workers: workerCount(cfg.Workers), groups: split(warm, priorGroups), mu: make([]float32, m.Items()*cfg.Factors)}
	p.about = p.pairs.centreOf(warm)
	var err error
	if p.content, err = p.sum(ctx, true); err != nil {
		return nil, err
	}
	p.system, err = p.content.system(cfg.PriorRidge)
	return p, err
}

// sum adds up the moments of all groups in order.
func (p *contentPrior) sum(ctx context.Context, withContent bool) (*moments, error) {
	parts, err := p.pairs.momentsOf(ctx, p.workers, p.groups, p.about, withContent)
	if err != nil {
		return nil, err
	}
	total := newMoments(p.pairs.content.Dims, p.pairs.dims)
	for _, part := range parts {
		total.plus(1, part)
	}
	return total, nil
}

// refit fits the content map to the present factors, Items × f, and recomputes every μ.
func (p *contentPrior) refit(ctx context.Context, v []float32) error {
	p.pairs.v = v
	m, err := p.sum(ctx, false)
	if err != nil {
		return err
	}
	f, items := p.pairs.dims, len(p.mu)/p.pairs.dims
	fitted := &Model{dims: f, contentDims: p.pairs.content.Dims, content: m.solveWith(p.system, p.about)}
	return parallel(ctx, p.workers, tasksOf(items), func(_, task int) {
		for k := range rowsOf(task, items) {
			fitted.prior(p.pairs.content.row(k), p.mu[k*f:(k+1)*f])
		}
	})
}

// means returns μ of every item row; nil without a prior.
func (p *contentPrior) means() []float32 {
	if p == nil {
		return nil
	}
	return p.mu
}
