package als

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

// initialSpread is the standard deviation of |factor| at the start: entries are N(0, (0.1/√f)²).
const initialSpread = .1

// Factors is what Train finds. It belongs to the caller.
type Factors struct {
	W, V           []float32 // row-major: Users × Dims and Items × Dims
	Users, Items   int
	Dims           int
	Alpha0         float64 // α0 and λ it was trained with: fold-ins must use the same
	Regularization float64
}

// Train factorises m. progress, if not nil, is called from this goroutine after
// every epoch with the number of epochs done, 1 to cfg.Epochs.
//
// x holds the content of every item row; Content{} trains without. With content, item factors
// are drawn to what their content promises, μ of the package comment, instead of to zero.
//
// Rows without a positive get the zero factor. An epoch costs
// (CGSteps+1)·(4·Len()·f + (Users+Items)·f²) multiplications, and with content of d dimensions
// 2·Items·d·f + d²·f more, spread over cfg.Workers goroutines. The result is the
// same for any number of workers; it may differ in the last bits between
// processors with and without fused multiply-add.
//
// Errors: recsys.ErrInvalid from cfg.Validate, if m and x disagree, or if the numbers left float32
// (confidences far beyond their usual range); ctx's error, checked many times an epoch.
func Train(ctx context.Context, m *Matrix, x Content, cfg Config, progress func(epoch int)) (*Factors, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("training settings: %w", err)
	}
	if err := x.check(m.Items()); err != nil {
		return nil, err
	}
	f := &Factors{Users: m.Users(), Items: m.Items(), Dims: cfg.Factors, Alpha0: cfg.Alpha0, Regularization: cfg.Regularization}
	random := rand.New(rand.NewPCG(cfg.Seed, 0))
	f.W = initial(random, f.Users, f.Dims)
	f.V = initial(random, f.Items, f.Dims)
	if err := descend(ctx, m, x, cfg, f, progress); err != nil {
		return nil, err
	}
	if !vecmath.Finite(f.W) || !vecmath.Finite(f.V) {
		return nil, fmt.Errorf("factors are not finite: confidences span too wide a range: %w", recsys.ErrInvalid)
	}
	return f, nil
}

func initial(random *rand.Rand, rows, dims int) []float32 {
	x := make([]float32, rows*dims)
	scale := initialSpread / math.Sqrt(float64(dims))
	for k := range x {
		x[k] = float32(scale * random.NormFloat64())
	}
	return x
}

// plainEpochs is how many epochs pass before the content prior: until then factors say little.
const plainEpochs = 3

// descend runs the epochs on f in place.
func descend(ctx context.Context, m *Matrix, x Content, cfg Config, f *Factors, progress func(epoch int)) error {
	prior, err := newContentPrior(ctx, m, x, cfg)
	if err != nil {
		return err
	}
	for epoch := range cfg.Epochs {
		if prior != nil && epoch >= plainEpochs {
			if err := prior.refit(ctx, f.V); err != nil {
				return err
			}
		}
		if err := sweep(ctx, cfg, side{rows: &m.byUser, own: f.W, other: f.V}); err != nil {
			return err
		}
		if err := sweep(ctx, cfg, side{rows: &m.byItem, own: f.V, other: f.W, prior: prior.means()}); err != nil {
			return err
		}
		if progress != nil {
			progress(epoch + 1)
		}
	}
	return nil
}

// side is one half of the problem: own are the factors of rows, other those of its columns.
type side struct {
	rows       *rows
	own, other []float32
	prior      []float32 // μ of every row, as own; nil: zero
}

// sweep improves every row of own while other stays fixed. Rows do not see each other, hence
// their order and the worker do not matter.
func sweep(ctx context.Context, cfg Config, s side) error {
	f, workers := cfg.Factors, workerCount(cfg.Workers)
	g, err := gram(ctx, workers, s.other, f)
	if err != nil {
		return err
	}
	base := scaled(cfg.Alpha0, g)
	floor := cfg.Alpha0 * float64(len(s.other)/f) // α0 I for users, α0 U for items
	solvers := make([]*rowSolver, workers)
	return parallel(ctx, workers, tasksOf(s.rows.len()), func(worker, task int) {
		if solvers[worker] == nil {
			solvers[worker] = newRowSolver(f, base, s.other, cfg.CGSteps)
		}
		for k := range rowsOf(task, s.rows.len()) {
			of := s.rows.problem(k)
			of.lambda = float32(cfg.Regularization * (s.rows.mass[k] + floor))
			if s.prior != nil {
				of.prior = s.prior[k*f : (k+1)*f]
			}
			solvers[worker].improve(s.own[k*f:(k+1)*f], of)
		}
	})
}

func scaled(alpha float64, x []float64) []float32 {
	y := make([]float32, len(x))
	for k, v := range x {
		y[k] = float32(alpha * v)
	}
	return y
}
