package engine

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"time"

	"github.com/seed-473295a7/vitrine/internal/als"
	"github.com/seed-473295a7/vitrine/internal/ann"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// Config holds the settings of the engine.
type Config struct {
	// Index holds the settings of the nearest-neighbour index.
	Index ann.Config
	// IndexFile is where SaveIndex keeps the index and the first Load looks for it; "": nowhere.
	IndexFile string
	// RecallSample is the share of index searches whose recall is measured, 0 to 1.
	RecallSample float64
	// Recipe is how factor models are trained, and what interactions amount to.
	Recipe Recipe
	// Retrain says when the next training is due.
	Retrain Retrain
	// Placements overrides the dials per placement; "" is the default placement.
	Placements map[string]Placement
	// ExploreHalfLife is how fast the gain of new items fades: with it half of it is left.
	ExploreHalfLife time.Duration
	// PopularityHalfLife is how fast an interaction loses its weight in popular lists, counted
	// back from the newest interaction of the shop: after seven of them it has no say. 0: never.
	PopularityHalfLife time.Duration
	// NewnessHalfLife is how fast the boost of new items fades in popular lists.
	NewnessHalfLife time.Duration
	// DecodeWorkers bounds how many pictures are decoded at once.
	DecodeWorkers int
	// HistoryLimit is how many of an actor's newest interactions a request considers.
	HistoryLimit int
	// HistoryCache is how many actors' histories are kept in memory.
	HistoryCache int
	// FilterCache is how many compiled filters are kept in memory, each with up to three bits per item.
	FilterCache int
	// FitSample is how many items at most an embedding space is fitted on.
	FitSample int
	// Duplicates says when two pictures are taken for copies of one.
	Duplicates DuplicateRule
}

// Events says what interactions amount to.
type Events struct {
	Weights recsys.Weights `json:"weights" yaml:"weights"`
	// Repeat is the share of its confidence that each further positive event with the same item
	// adds to the strongest, up to twice the strongest.
	Repeat float64 `json:"repeat" yaml:"repeat"`
	// PositionHalfLife is after how many newer items an item of the history counts half at
	// request time, and PositionFloor the least it counts.
	PositionHalfLife float64 `json:"position_half_life" yaml:"position_half_life"`
	PositionFloor    float64 `json:"position_floor" yaml:"position_floor"`
	// Expire is the age from which an interaction counts no more, neither as evidence nor as
	// seen; a HIDE never expires. 0: never.
	Expire time.Duration `json:"expire" yaml:"expire"`
}

// Recipe is how a factor model is trained. It is stored with the model.
type Recipe struct {
	Events    Events              `json:"events" yaml:"events"`
	ALS       als.Config          `json:"als" yaml:"als"`
	Corrector als.CorrectorConfig `json:"corrector" yaml:"corrector"`
	// CorrectorWeight is how much the corrector weighs beside the factors where an item is well
	// known, 0..1: score = (1 − τ·weight) w·v + τ·weight·e.
	CorrectorWeight float64 `json:"corrector_weight" yaml:"corrector_weight"`
}

// Retrain says when a training is due: after Share more positive interactions than the live
// model has seen, or when Every has passed and there was any; 0 of either: never for that reason.
type Retrain struct {
	Share float64       `yaml:"share"`
	Every time.Duration `yaml:"every"`
}

// Placement holds the dials of one place a list is shown at.
type Placement struct {
	// Gain is g of the served factor: how strongly content speaks for new items; 0 takes the
	// value calibrated at training.
	Gain float64 `yaml:"gain"`
	// ColdShare is the share of the top 20 that new items shall take where they are a fifth of
	// the catalogue; it chooses the gain from what the training measured. 0 leaves it to Gain.
	ColdShare float64 `yaml:"cold_share"`
	// ContextWeight is how much similarity to the context items weighs beside the personal score, 0..1.
	ContextWeight float64 `yaml:"context_weight"`
}

const day = 24 * time.Hour

// DefaultConfig returns the settings measured in docs/algorithms.md.
func DefaultConfig() Config {
	return Config{
		Index:              defaultIndex(),
		RecallSample:       .01,
		Recipe:             DefaultRecipe(),
		Retrain:            Retrain{Share: .2},
		Placements:         map[string]Placement{"": {ContextWeight: .5}},
		ExploreHalfLife:    30 * day,
		PopularityHalfLife: 90 * day,
		NewnessHalfLife:    7 * day,
		DecodeWorkers:      runtime.GOMAXPROCS(0),
		HistoryLimit:       10_000,
		HistoryCache:       20_000,
		FilterCache:        256,
		FitSample:          20_000,
		Duplicates:         DefaultDuplicateRule(),
	}
}

// defaultIndex scans small catalogues and walks through large ones. A rebuild leaves half of the
// processors to requests.
func defaultIndex() ann.Config {
	c := ann.DefaultConfig()
	c.Engine, c.Workers = ann.Auto, max(1, runtime.GOMAXPROCS(0)/2)
	return c
}

// DefaultRecipe returns the settings that docs/benchmarks.md was measured with. A corrector weight
// of .25 and of .4 gained alike.
func DefaultRecipe() Recipe {
	return Recipe{Events: DefaultEvents(), ALS: als.DefaultConfig(), Corrector: als.DefaultCorrectorConfig(), CorrectorWeight: .3}
}

// DefaultEvents returns the weights of recsys.DefaultWeights, position decay with a half-life of
// 10 items (+.023 NDCG@100 on the time split of MovieLens 100K), and neither repeats nor expiry.
func DefaultEvents() Events {
	return Events{Weights: recsys.DefaultWeights(), PositionHalfLife: 10, PositionFloor: .1}
}

// decay is what is left of the confidence of the item at a position of the history, 0 the newest.
func (e Events) decay(position int) float64 {
	return max(e.PositionFloor, math.Exp2(-float64(position)/e.PositionHalfLife))
}

// cutoff is the time before which interactions have expired at a time; zero: none has.
func (e Events) cutoff(now time.Time) time.Time {
	if e.Expire == 0 {
		return time.Time{}
	}
	return now.Add(-e.Expire)
}

// Validate reports all faults.
func (c Config) Validate() error {
	f := new(faults)
	f.atLeast("decode_workers", float64(c.DecodeWorkers), 1)
	f.atLeast("history_limit", float64(c.HistoryLimit), 1)
	f.atLeast("history_cache", float64(c.HistoryCache), 1)
	f.atLeast("filter_cache", float64(c.FilterCache), 1)
	f.atLeast("fit_sample", float64(c.FitSample), 1)
	f.duration("explore_half_life", c.ExploreHalfLife, time.Minute)
	f.duration("newness_half_life", c.NewnessHalfLife, time.Minute)
	if c.PopularityHalfLife != 0 {
		f.duration("popularity_half_life", c.PopularityHalfLife, time.Minute)
	}
	f.within("retrain.share", c.Retrain.Share, 0, 1000)
	f.duration("retrain.every", c.Retrain.Every, 0)
	for name, p := range c.Placements {
		f.within(fmt.Sprintf("placements[%q].context_weight", name), p.ContextWeight, 0, 1)
		f.within(fmt.Sprintf("placements[%q].gain", name), p.Gain, 0, 10)
		f.within(fmt.Sprintf("placements[%q].cold_share", name), p.ColdShare, 0, 1)
	}
	f.within("recall_sample", c.RecallSample, 0, 1)
	if err := c.Index.Validate(); err != nil {
		*f = append(*f, fmt.Errorf("index: %w", err))
	}
	return errors.Join(append(*f, c.Recipe.Validate(), c.Duplicates.Validate())...)
}

// Validate reports all faults.
func (e Events) Validate() error {
	f := new(faults)
	f.within("repeat", e.Repeat, 0, 1)
	f.within("position_half_life", e.PositionHalfLife, .1, 1e9)
	f.within("position_floor", e.PositionFloor, 0, 1)
	f.duration("expire", e.Expire, 0)
	if err := errors.Join(append(*f, e.Weights.Validate())...); err != nil {
		return fmt.Errorf("events: %w", err)
	}
	return nil
}

// Validate reports all faults.
func (r Recipe) Validate() error {
	f := new(faults)
	f.within("corrector_weight", r.CorrectorWeight, 0, 1)
	if err := errors.Join(append(*f, r.ALS.Validate(), r.Corrector.Validate(), r.Events.Validate())...); err != nil {
		return fmt.Errorf("recipe: %w", err)
	}
	return nil
}

// faults gathers what is wrong with settings; NaN lies within no range.
type faults []error

func (f *faults) within(field string, value, low, high float64) {
	if !(value >= low && value <= high) {
		*f = append(*f, recsys.Invalid(field, "is %v, want %v to %v", value, low, high))
	}
}

func (f *faults) atLeast(field string, value, low float64) {
	if value < low {
		*f = append(*f, recsys.Invalid(field, "is %v, want %v or more", value, low))
	}
}

func (f *faults) duration(field string, value, low time.Duration) {
	if value < low {
		*f = append(*f, recsys.Invalid(field, "is %v, want %v or more", value, low))
	}
}

func (c Config) placement(name string) Placement {
	if p, ok := c.Placements[name]; ok {
		return p
	}
	return c.Placements[""]
}

// gainOf is g at this placement with a model.
func (p Placement) gainOf(m *als.Model) float64 {
	switch {
	case p.Gain > 0:
		return p.Gain
	case p.ColdShare > 0:
		return m.GainFor(p.ColdShare)
	}
	return m.DefaultGain()
}
