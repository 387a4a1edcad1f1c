package engine

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/seed-473295a7/vitrine/internal/als"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// Config holds the settings of the engine.
type Config struct {
	// IndexEngine names the nearest-neighbour engine of ann.New.
	IndexEngine string
	// Weights says how much each interaction counts.
	Weights recsys.Weights
	// ALS are the hyper-parameters of training.
	ALS als.Config
	// Placements overrides the dials per placement; "" is the default placement.
	Placements map[string]Placement
	// DecodeWorkers bounds how many pictures are decoded at once.
	DecodeWorkers int
	// HistoryLimit is how many of an actor's newest interactions a request considers.
	HistoryLimit int
	// HistoryCache is how many actors' histories are kept in memory.
	HistoryCache int
	// FitSample is how many items at most an embedding space is fitted on.
	FitSample int
	// NewnessHalfLife is how fast the boost of new items fades in popular lists.
	NewnessHalfLife time.Duration
}

// Placement holds the dials of one place a list is shown at.
type Placement struct {
	// Gain is g of the served factor: how strongly content speaks for cold items; 0 takes the
	// value calibrated at training.
	Gain float64
	// ContextWeight is how much similarity to the context items weighs beside the personal score, 0..1.
	ContextWeight float64
}

// DefaultConfig returns the settings measured in docs/algorithms.md.
func DefaultConfig() Config {
	return Config{
		IndexEngine:     "exact",
		Weights:         recsys.DefaultWeights(),
		ALS:             als.DefaultConfig(),
		Placements:      map[string]Placement{"": {ContextWeight: .5}},
		DecodeWorkers:   runtime.GOMAXPROCS(0),
		HistoryLimit:    10_000,
		HistoryCache:    20_000,
		FitSample:       20_000,
		NewnessHalfLife: 7 * 24 * time.Hour,
	}
}

// Validate reports all faults.
func (c Config) Validate() error {
	var faults []error
	positive := func(name string, value int) {
		if value <= 0 {
			faults = append(faults, recsys.Invalid(name, "is %d, want above 0", value))
		}
	}
	positive("decode_workers", c.DecodeWorkers)
	positive("history_limit", c.HistoryLimit)
	positive("history_cache", c.HistoryCache)
	positive("fit_sample", c.FitSample)
	if c.NewnessHalfLife <= 0 {
		faults = append(faults, recsys.Invalid("newness_half_life", "is %v, want above 0", c.NewnessHalfLife))
	}
	for name, p := range c.Placements {
		if !(p.ContextWeight >= 0 && p.ContextWeight <= 1) {
			faults = append(faults, recsys.Invalid(fmt.Sprintf("placements[%q].context_weight", name), "is %v, want 0 to 1", p.ContextWeight))
		}
		if !(p.Gain >= 0 && p.Gain <= 10) {
			faults = append(faults, recsys.Invalid(fmt.Sprintf("placements[%q].gain", name), "is %v, want 0 to 10", p.Gain))
		}
	}
	if err := c.ALS.Validate(); err != nil {
		faults = append(faults, fmt.Errorf("als: %w", err))
	}
	return errors.Join(faults...)
}

func (c Config) placement(name string) Placement {
	if p, ok := c.Placements[name]; ok {
		return p
	}
	return c.Placements[""]
}
