package als

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

// Content holds a content vector for every item row, row-major.
//
// Rows are meant to have length 1, so that a ridge means the same for every kind of
// content; a zero row is an item of which nothing is known. Dims 0 means no content at all.
type Content struct {
	Dims int // 0..MaxContentDims
	Rows []float32
}

// check reports whether x holds a finite row for each of so many items.
func (x Content) check(items int) error {
	switch {
	case x.Dims < 0 || x.Dims > MaxContentDims:
		return recsys.Invalid("content", "has %d dimensions, want 0 to %d", x.Dims, MaxContentDims)
	case len(x.Rows) != items*x.Dims:
		return recsys.Invalid("content", "has %d numbers, want %d rows of %d", len(x.Rows), items, x.Dims)
	case !vecmath.Finite(x.Rows):
		return recsys.Invalid("content", "holds NaN or infinity, want finite numbers")
	}
	return nil
}

func (x Content) row(k int) []float32 { return x.Rows[k*x.Dims : (k+1)*x.Dims] }

// ContentConfig holds the settings of FitModel. The zero value is not valid: start
// from DefaultContentConfig.
//
// Both choices, of the ridge λ_r and then of the gain g, are made on warm items that are held out
// in turn: the content map is refitted without them, the sampled users' factors too,
// and the held-out items are then ranked as if they were new.
type ContentConfig struct {
	Ridges []float64 // λ_r to choose from, ascending; a single one is taken as it is
	Folds  int       // groups of warm items held out in turn
	Users  int       // at most so many users are asked, chosen by Seed
	Items  int       // at most so many warm items are ranked, chosen by Seed; all are fitted on
	// ColdShare is the share of the top 20 the held-out items shall take when they are
	// one in Folds: the gain is the smallest in [MinGain, MaxGain] that reaches it.
	ColdShare        float64
	MinGain, MaxGain float64 // equal: that gain is taken as it is
	Workers          int     // goroutines; 0 means GOMAXPROCS. The result does not depend on it.
	Seed             uint64
}

// DefaultContentConfig returns the settings that docs/benchmarks.md was measured with.
//
// ColdShare is what g = 1.25 shows at λ_r = .3 with rich text, .074 on MovieLens 100K with a fifth of
// the items cold: new items get a third of the places their number would give
// them. It costs .006 of mixed Recall@20 there; g = 2 would show .389 and cost .057. With
// genre and year alone λ_r is 10, where g = 1.25 would show no more than .003; the same
// share then takes g = 1.84 and costs .015 (bench/als).
func DefaultContentConfig() ContentConfig {
	return ContentConfig{Ridges: []float64{.3, 1, 3, 10, 30}, Folds: 5, Users: 1000, Items: 20_000,
		ColdShare: .075, MinGain: 1, MaxGain: 3}
}

// Validate reports every fault, joined; each is a *recsys.FieldError.
func (c ContentConfig) Validate() error {
	faults := []error{
		intRange("folds", c.Folds, 2, 100),
		intRange("users", c.Users, 1, math.MaxInt32),
		intRange("items", c.Items, 1, math.MaxInt32),
		floatRange("cold_share", c.ColdShare, 0, 1),
		floatRange("min_gain", c.MinGain, 0, 100),
		floatRange("max_gain", c.MaxGain, c.MinGain, 100),
		intRange("workers", c.Workers, 0, 4096),
	}
	if len(c.Ridges) == 0 {
		faults = append(faults, recsys.Invalid("ridges", "is empty, want at least one"))
	}
	for k, ridge := range c.Ridges {
		faults = append(faults, floatRange(fmt.Sprintf("ridges[%d]", k), ridge, 1e-3, 1e6))
		if k > 0 && ridge <= c.Ridges[k-1] {
			faults = append(faults, recsys.Invalid(fmt.Sprintf("ridges[%d]", k), "is %g, want more than the one before", ridge))
		}
	}
	return errors.Join(faults...)
}

// Choice tells how FitModel came to its ridge and gain. Zero where nothing was chosen.
type Choice struct {
	Ridges    []RidgeScore // in the order of ContentConfig.Ridges
	ColdShare float64      // share of the top 20 that held-out items take at the chosen gain
}

// RidgeScore is the quality of one λ_r.
type RidgeScore struct {
	Ridge float64
	NDCG  float64 // cold-only NDCG@10, mean over users and folds
}

// FitModel makes a Model of trained factors and content: it fits the content map on
// the items with a positive, chooses λ_r and g, and sums G_V, G_W, w̄ and n̄. m must be what f was
// trained on. f, m and x are read only and not kept.
//
// Without enough warm items to hold any out (fewer than ten a fold) the largest ridge is taken,
// as little data asks for caution, and the gain 1.25 or what is nearest to it between
// MinGain and MaxGain. Cost: O(Items·d²) once and O(d³) for every fold and ridge, plus what Users
// and Items bound: 12 s on two cores for 50,000 items, 50,000 users and d = 400.
//
// Errors: recsys.ErrInvalid if the sizes of m, f and x disagree, a number is not finite, or from cfg.Validate;
// ctx's error.
//
// Everything is fitted on trained factors, never on served ones: refitting the map
// on its own output diverges.
func FitModel(ctx context.Context, m *Matrix, f *Factors, x Content, cfg ContentConfig) (*Model, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("content settings: %w", err)
	}
	if err := checkShapes(m, f, x); err != nil {
		return nil, err
	}
	model := newModel(m, f, x.Dims)
	workers := workerCount(cfg.Workers)
	gramV, err := gram(ctx, workers, f.V, f.Dims)
	if err != nil {
		return nil, err
	}
	gramW, err := gram(ctx, workers, f.W, f.Dims)
	if err != nil {
		return nil, err
	}
	model.gramV, model.gramW = scaled(1, gramV), scaled(1, gramW)
	fit := &fitter{cfg: cfg, workers: workers, matrix: m, factors: f, pairs: pairs{x, f.V, f.Dims}, model: model, gramV: gramV}
	if err := fit.run(ctx); err != nil {
		return nil, fmt.Errorf("content map: %w", err)
	}
	return model, nil
}

func checkShapes(m *Matrix, f *Factors, x Content) error {
	switch {
	case f.Dims < 1 || f.Dims > MaxFactors:
		return recsys.Invalid("factors", "have %d dimensions, want 1 to %d", f.Dims, MaxFactors)
	case f.Users != m.Users() || f.Items != m.Items():
		return recsys.Invalid("factors", "are for %d users and %d items, want %d and %d as the matrix has",
			f.Users, f.Items, m.Users(), m.Items())
	case len(f.W) != f.Users*f.Dims || len(f.V) != f.Items*f.Dims:
		return recsys.Invalid("factors", "have %d and %d numbers, want rows of %d", len(f.W), len(f.V), f.Dims)
	case !vecmath.Finite(f.W) || !vecmath.Finite(f.V):
		return recsys.Invalid("factors", "hold NaN or infinity, want finite numbers")
	}
	return errors.Join(x.check(m.Items()),
		floatRange("alpha0", f.Alpha0, 1e-6, 1e3), floatRange("regularization", f.Regularization, 1e-6, 1e3))
}

// newModel fills in all that needs no fitting.
func newModel(m *Matrix, f *Factors, contentDims int) *Model {
	model := &Model{dims: f.Dims, contentDims: contentDims, users: f.Users, alpha0: f.Alpha0, lambda: f.Regularization,
		v: append([]float32(nil), f.V...), mu: make([]float32, len(f.V)), meanUser: make([]float32, f.Dims),
		positives: make([]float32, m.Items()), coldShares: make([]float32, gainSteps)}
	warm := 0
	for k, n := range m.byItem.mass {
		model.positives[k] = float32(n)
		if n > 0 {
			warm++
			model.meanPositives += n
			model.knownPositives += n * n
		}
	}
	if warm > 0 {
		model.knownPositives /= model.meanPositives
		model.meanPositives /= float64(warm)
	}
	mean, known := make([]float64, f.Dims), 0
	for u, n := range m.byUser.mass {
		if n > 0 {
			known++
			addRow(mean, f.W[u*f.Dims:(u+1)*f.Dims])
		}
	}
	for k, v := range mean {
		model.meanUser[k] = float32(v / float64(max(known, 1)))
	}
	model.massPerScore = model.scoreMass()
	return model
}

func addRow(sum []float64, row []float32) {
	for k, v := range row {
		sum[k] += float64(v)
	}
}
