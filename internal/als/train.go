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
// Rows without a positive get the zero factor, the minimiser of their part of the
// objective. An epoch costs (CGSteps+1)·(4·Len()·f + (Users+Items)·f²)
// multiplications, spread over cfg.Workers goroutines. The result is the
// same for any number of workers; it may differ in the last bits between
// processors with and without fused multiply-add.
//
// Errors: recsys.ErrInvalid from cfg.Validate, or if the numbers left float32
// (confidences far beyond their usual range); ctx's error, checked many times an epoch.
func Train(ctx context.Context, m *Matrix, cfg Config, progress func(epoch int)) (*Factors, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("training settings: %w", err)
	}
	f := &Factors{Users: m.Users(), Items: m.Items(), Dims: cfg.Factors, Alpha0: cfg.Alpha0, Regularization: cfg.Regularization}
	random := rand.New(rand.NewPCG(cfg.Seed, 0))
	f.W = initial(random, f.Users, f.Dims)
	f.V = initial(random, f.Items, f.Dims)
	if err := descend(ctx, m, cfg, f, progress); err != nil {
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

// descend runs the epochs on f in place.
func descend(ctx context.Context, m *Matrix, cfg Config, f *Factors, progress func(epoch int)) error {
	for epoch := range cfg.Epochs {
		if err := sweep(ctx, cfg, &m.byUser, f.W, f.V); err != nil {
			return err
		}
		if err := sweep(ctx, cfg, &m.byItem, f.V, f.W); err != nil {
			return err
		}
		if progress != nil {
			progress(epoch + 1)
		}
	}
	return nil
}

// sweep improves every row of own, the factors of r's rows, while other stays fixed.
// Rows do not see each other, hence their order and the worker do not matter.
func sweep(ctx context.Context, cfg Config, r *rows, own, other []float32) error {
	f, workers := cfg.Factors, workerCount(cfg.Workers)
	g, err := gram(ctx, workers, other, f)
	if err != nil {
		return err
	}
	base := scaled(cfg.Alpha0, g)
	floor := cfg.Alpha0 * float64(len(other)/f) // α0 I for users, α0 U for items
	solvers := make([]*rowSolver, workers)
	tasks := (r.len() + rowsPerTask - 1) / rowsPerTask
	return parallel(ctx, workers, tasks, func(worker, task int) {
		if solvers[worker] == nil {
			solvers[worker] = newRowSolver(f, base, other, cfg.CGSteps)
		}
		for k := task * rowsPerTask; k < min((task+1)*rowsPerTask, r.len()); k++ {
			columns, confidence, target := r.row(k)
			lambda := cfg.Regularization * (r.mass[k] + floor)
			solvers[worker].improve(own[k*f:(k+1)*f], columns, confidence, target, float32(lambda))
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
