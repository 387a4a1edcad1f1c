package trial

import (
	"context"
	"fmt"
	"slices"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/evaluate"
	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/space"
)

// The protocols.
const (
	NewUsers     = "new-users"
	TimeSplit    = "time"
	ColdItems    = "cold-items"
	ColdToWarm   = "cold-to-warm"
	NewUserCurve = "new-user-curve"
)

// Protocols lists them.
func Protocols() []string {
	return []string{NewUsers, TimeSplit, ColdItems, ColdToWarm, NewUserCurve}
}

// The models every protocol compares; recipes of stored models come beside them.
const (
	Popularity  = "popularity"
	ItemKNN     = "item-kNN"
	ContentOnly = "content only"
	CFOnly      = "CF only"
	Served      = "served blend"
)

// knnNeighbours is k of item-kNN.
const knnNeighbours = 50

// Options say what is run.
type Options struct {
	Protocol string
	// Config is how the shop serves.
	Config engine.Config
	Log    evaluate.LogConfig
	// Folds is how many fifths of the items are new in turn, for ColdItems.
	Folds int
	// Recipes are further models to train, by name; those of stored models, say.
	Recipes map[string]engine.Recipe
	// Others are models from elsewhere to compare with.
	Others []Model
	// Only are the models to run; empty: all.
	Only []string
	// Sweeps measures the plots too: accuracy against diversity and against cold share.
	Sweeps   bool
	Progress engine.Progress

	lean bool // accuracy alone: without popularity and distances
}

// runner is one Run.
type runner struct {
	Options
	catalog   Catalog
	log       *evaluate.Log
	collected *evaluate.Collector
	plots     plots
}

// Run runs a protocol on the interactions of a catalogue, every model on the same folds.
//
// Errors: recsys.ErrInvalid for an unknown protocol or model, and where the log is too small to
// give a figure; no figure is given then.
func Run(ctx context.Context, catalog Catalog, interactions []recsys.Interaction, o Options) (*evaluate.Report, error) {
	r, err := collect(ctx, catalog, interactions, o)
	if err != nil {
		return nil, err
	}
	return r.reportAgainst(Served), nil
}

// collect runs a protocol and keeps the values.
func collect(ctx context.Context, catalog Catalog, interactions []recsys.Interaction, o Options) (*runner, error) {
	if o.Progress == nil {
		o.Progress = silent
	}
	log, err := evaluate.NewLog(catalog.shown(), interactions, o.Log)
	if err != nil {
		return nil, err
	}
	r := &runner{Options: o, catalog: catalog, log: log, collected: evaluate.NewCollector()}
	if err := r.checkOnly(); err != nil {
		return nil, err
	}
	folds, err := r.folds()
	if err != nil {
		return nil, err
	}
	if o.Protocol != TimeSplit {
		// The order of a history says nothing in these protocols.
		r.Config.Recipe.Events.PositionFloor = 1
	}
	for k, fold := range folds {
		if err := r.fold(ctx, k, fold); err != nil {
			return nil, fmt.Errorf("%s: %w", fold.Name, err)
		}
	}
	return r, nil
}

// shown lists the items that are not hidden.
func (c Catalog) shown() []string {
	c.Store.mu.RLock()
	defer c.Store.mu.RUnlock()
	var out []string
	for id, it := range c.Store.items {
		if !it.item.Hidden {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}

func (r *runner) checkOnly() error {
	for _, name := range r.Only {
		if !slices.Contains(r.names(), name) {
			return recsys.Invalid("models", "%q is unknown", name)
		}
	}
	return nil
}

func (r *runner) names() []string {
	out := []string{Popularity, ItemKNN, ContentOnly, CFOnly, Served}
	for _, m := range r.Others {
		out = append(out, m.Name)
	}
	return append(out, sortedNames(r.Recipes)...)
}

func (r *runner) wants(model string) bool { return len(r.Only) == 0 || slices.Contains(r.Only, model) }

func (r *runner) folds() ([]evaluate.Fold, error) {
	switch r.Protocol {
	case NewUsers:
		return evaluate.NewUsers(r.log)
	case TimeSplit:
		return evaluate.TimeSplit(r.log)
	case ColdItems:
		return evaluate.ColdItems(r.log, r.Folds)
	case ColdToWarm:
		return evaluate.Curve(r.log, curveCounts...)
	case NewUserCurve:
		return evaluate.NewUserCurve(r.log, historyCounts...)
	}
	return nil, recsys.Invalid("protocol", "%q is unknown, want one of %v", r.Protocol, Protocols())
}

var (
	curveCounts   = []int{0, 1, 2, 4, 8, 16, 32}
	historyCounts = []int{1, 2, 4, 8, 16}
)

// fold runs all models on one fold.
func (r *runner) fold(ctx context.Context, k int, fold evaluate.Fold) error {
	setting := evaluate.Setting{Items: len(r.catalog.shown())}
	var content *Engine
	if !r.lean {
		setting.Popularity = r.log.Popularity(fold.Train, r.Log)
		var err error
		if content, err = r.catalog.spaced(ctx, fold, r.Config); err != nil {
			return err
		}
		setting.Vector = content.Vector
	}
	for _, m := range r.models(content) {
		if !r.wants(m.Name) {
			continue
		}
		r.Progress(fmt.Sprintf("%s, fold %d: %s", r.Protocol, k+1, m.Name), 0, len(fold.Stages))
		recommender, err := m.Build(ctx, fold)
		if err != nil {
			return fmt.Errorf("%s: %w", m.Name, err)
		}
		for n, stage := range fold.Stages {
			if err := r.stage(ctx, stage, m.Name, recommender, setting); err != nil {
				return err
			}
			r.Progress(fmt.Sprintf("%s, fold %d: %s", r.Protocol, k+1, m.Name), n+1, len(fold.Stages))
		}
		if m.Name == Served && r.Sweeps && k == 0 {
			if err := r.sweep(ctx, fold, recommender, setting); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *runner) stage(ctx context.Context, stage evaluate.Stage, model string, of evaluate.Recommender, setting evaluate.Setting) error {
	if e, ok := of.(*Engine); ok && model != ContentOnly {
		if err := e.reveal(ctx, stage.Reveal); err != nil {
			return err
		}
	}
	values, err := stage.Measure(ctx, of, setting)
	if err != nil {
		return fmt.Errorf("%s, %s: %w", model, stage.Name, err)
	}
	r.collected.Add(stage.Name, model, values)
	return nil
}

// Model is one line of the report.
type Model struct {
	Name string
	// Build fits a recommender on the fold's training rows.
	Build func(ctx context.Context, fold evaluate.Fold) (evaluate.Recommender, error)
}

// models are those to compare in a fold, where content is the engine that knows content alone.
func (r *runner) models(content *Engine) []Model {
	ready := func(name string, of func(fold evaluate.Fold) evaluate.Recommender) Model {
		return Model{name, func(_ context.Context, fold evaluate.Fold) (evaluate.Recommender, error) { return of(fold), nil }}
	}
	out := []Model{
		ready(Popularity, func(fold evaluate.Fold) evaluate.Recommender { return evaluate.NewPopularity(r.log, fold.Train, r.Log) }),
		ready(ItemKNN, func(fold evaluate.Fold) evaluate.Recommender {
			return evaluate.NewItemKNN(r.log, fold.Train, r.Log, knnNeighbours)
		}),
		ready(ContentOnly, func(evaluate.Fold) evaluate.Recommender { return content }),
		{CFOnly, r.factorsOnly},
	}
	out = append(out, r.Others...)
	for _, name := range sortedNames(r.Recipes) {
		out = append(out, Model{name, func(ctx context.Context, fold evaluate.Fold) (evaluate.Recommender, error) {
			config := r.Config
			config.Recipe = r.Recipes[name]
			if r.Protocol != TimeSplit {
				config.Recipe.Events.PositionFloor = 1
			}
			return r.catalog.trained(ctx, fold, config, unchanged)
		}})
	}
	return append(out, Model{Served, func(ctx context.Context, fold evaluate.Fold) (evaluate.Recommender, error) {
		return r.catalog.trained(ctx, fold, r.sweepConfig(), unchanged)
	}})
}

// factorsOnly is the factor model without anything else: what a library of matrix factorisation has.
func (r *runner) factorsOnly(ctx context.Context, fold evaluate.Fold) (evaluate.Recommender, error) {
	config := r.Config
	config.Recipe.ALS.PriorRidge, config.Recipe.CorrectorWeight = 0, 0
	config.Placements = map[string]engine.Placement{"": {Gain: 1}} // without content there is none to speak for
	bare := func(it *recsys.Item) { it.Attributes, it.ImageDigest, it.Title, it.Description = nil, nil, "", "" }
	return r.catalog.trained(ctx, fold, config, bare)
}

func unchanged(*recsys.Item) {}

func sortedNames(m map[string]engine.Recipe) []string {
	out := make([]string, 0, len(m))
	for name := range m {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// spaced is an engine whose embedding space is fitted on the catalogue before the fold's new
// items, and which has no factor model: it recommends by content alone.
func (c Catalog) spaced(ctx context.Context, fold evaluate.Fold, config engine.Config) (*Engine, error) {
	return c.spacedBy(ctx, fold, config, nil)
}

// spacedBy is spaced with a schema; nil for the one the engine would take.
func (c Catalog) spacedBy(ctx context.Context, fold evaluate.Fold, config engine.Config, schema *space.Schema) (*Engine, error) {
	e, err := c.open(ctx, c.before(fold, unchanged), config, fold.Now)
	if err != nil {
		return nil, err
	}
	if _, err := e.FitSpace(ctx, engine.FitOrder{Schema: schema}, silent); err != nil {
		return nil, err
	}
	return e, e.arrive(ctx, c.Store, fold)
}

// trained is an engine that was trained before the fold's new items arrived.
func (c Catalog) trained(ctx context.Context, fold evaluate.Fold, config engine.Config, change func(*recsys.Item)) (*Engine, error) {
	e, err := c.open(ctx, c.before(fold, change), config, fold.Now)
	if err != nil {
		return nil, err
	}
	if _, _, err := e.Train(ctx, silent); err != nil {
		return nil, err
	}
	arriving := c.Store
	if len(fold.New) > 0 {
		arriving = c.Store.View(nil, func(it *recsys.Item) bool { change(it); return true })
	}
	return e, e.arrive(ctx, arriving, fold)
}
