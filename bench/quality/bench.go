package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/seed-473295a7/vitrine/bench/internal/peers"
	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/evaluate"
	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/trial"
)

// tuned is ours with the settings chosen as the peers' are.
const tuned = "served, tuned"

// bench is everything that is measured on one shop.
type bench struct {
	python  *peers.Python
	shop    peers.Shop
	reports []*evaluate.Report
}

func positivesOnly() evaluate.LogConfig {
	log := evaluate.DefaultLogConfig()
	log.Binary = true
	return log
}

func (b *bench) run(ctx context.Context) error {
	fmt.Printf("\n=== %s\n", b.shop.Name)
	recipe, lists, err := b.chooseForUsers(ctx)
	if err != nil {
		return err
	}
	hybrid, err := b.chooseForItems(ctx)
	if err != nil {
		return err
	}
	for _, protocol := range trial.Protocols() {
		o := trial.Options{Protocol: protocol, Config: engine.DefaultConfig(), Log: positivesOnly()}
		switch protocol {
		case trial.NewUsers, trial.TimeSplit, trial.NewUserCurve:
			o.Others = b.models(lists)
			o.Recipes = map[string]engine.Recipe{tuned: recipe}
		case trial.ColdItems:
			o.Folds = 5
			o.Others = b.models(hybrid)
		}
		if err := b.measure(ctx, o); err != nil {
			return err
		}
	}
	for _, protocol := range []string{trial.NewUsers, trial.TimeSplit} {
		o := trial.Options{Protocol: protocol, Config: engine.DefaultConfig(), Log: evaluate.DefaultLogConfig()}
		if err := b.measure(ctx, o); err != nil {
			return err
		}
	}
	return nil
}

// runCold measures new items alone.
func (b *bench) runCold(ctx context.Context) error {
	fmt.Printf("\n=== %s\n", b.shop.Name)
	hybrid, err := b.chooseForItems(ctx)
	if err != nil {
		return err
	}
	return b.measure(ctx, trial.Options{Protocol: trial.ColdItems, Config: engine.DefaultConfig(), Log: positivesOnly(), Folds: 5,
		Others: b.models(hybrid)})
}

func (b *bench) measure(ctx context.Context, o trial.Options) error {
	o.Sweeps = true
	report, err := trial.Run(ctx, b.shop.Catalog, b.shop.Log, o)
	if err != nil {
		return fmt.Errorf("%s: %w", o.Protocol, err)
	}
	report.About = b.shop.Name + ": " + report.About
	b.reports = append(b.reports, report)
	fmt.Println()
	return report.WriteTable(os.Stdout)
}

func (b *bench) models(methods []peers.Method) []trial.Model {
	out := make([]trial.Model, len(methods))
	for k, m := range methods {
		out[k] = b.python.Model(m, b.shop.Items(), b.shop.Words, nil)
	}
	return out
}

// chooseForUsers chooses the settings of ours and of the peers that make lists from likes alone, by
// protocol new-users among the users that train its first fold.
func (b *bench) chooseForUsers(ctx context.Context) (engine.Recipe, []peers.Method, error) {
	log, err := evaluate.NewLog(b.shop.Items(), b.shop.Log, positivesOnly())
	if err != nil {
		return engine.Recipe{}, nil, err
	}
	folds, err := evaluate.NewUsers(log)
	if err != nil {
		return engine.Recipe{}, nil, err
	}
	o := trial.Options{Protocol: trial.NewUsers, Config: engine.DefaultConfig(), Log: positivesOnly(), Recipes: recipes()}
	for _, family := range listFamilies() {
		o.Others = append(o.Others, b.models(family)...)
	}
	report, err := b.try(ctx, o, folds[0].Train)
	if err != nil {
		return engine.Recipe{}, nil, err
	}
	var chosen []peers.Method
	for _, family := range listFamilies() {
		chosen = append(chosen, best(report, family))
	}
	name := bestOf(report, slices.Sorted(maps.Keys(recipes())))
	fmt.Printf("chosen among six on the first fold's training rows: ours %s; %s\n", name, labels(chosen))
	return recipes()[name], chosen, nil
}

// chooseForItems chooses LightFM's settings by protocol cold-items in what trains its first fold.
func (b *bench) chooseForItems(ctx context.Context) ([]peers.Method, error) {
	if b.python.LightFM() != nil {
		return nil, nil
	}
	log, err := evaluate.NewLog(b.shop.Items(), b.shop.Log, positivesOnly())
	if err != nil {
		return nil, err
	}
	folds, err := evaluate.ColdItems(log, 1)
	if err != nil {
		return nil, err
	}
	report, err := b.try(ctx, trial.Options{Protocol: trial.ColdItems, Config: engine.DefaultConfig(), Log: positivesOnly(), Folds: 1,
		Others: b.models(hybrids())}, folds[0].Train)
	if err != nil {
		return nil, err
	}
	chosen := []peers.Method{best(report, hybrids())}
	fmt.Printf("chosen among six on the first fold's training rows: %s\n", labels(chosen))
	return chosen, nil
}

// try runs what was handed in alone: the models of Others and Recipes on some interactions, and
// a catalogue of their items.
func (b *bench) try(ctx context.Context, o trial.Options, interactions []recsys.Interaction) (*evaluate.Report, error) {
	for _, m := range o.Others {
		o.Only = append(o.Only, m.Name)
	}
	o.Only = slices.AppendSeq(o.Only, maps.Keys(o.Recipes))
	seen := make(map[string]bool)
	for _, in := range interactions {
		seen[in.ItemID] = true
	}
	catalog := b.shop.Catalog
	catalog.Store = catalog.Store.View(nil, func(it *recsys.Item) bool { return seen[it.ItemID] })
	return trial.Run(ctx, catalog, interactions, o)
}

// best is the method of a family with the highest NDCG@100 in the report's first stage.
func best(r *evaluate.Report, family []peers.Method) peers.Method {
	names := make([]string, len(family))
	for k, m := range family {
		names[k] = m.String()
	}
	return family[slices.Index(names, bestOf(r, names))]
}

func bestOf(r *evaluate.Report, names []string) string {
	value := func(name string) float64 {
		m, _ := r.Metric(r.Stages[0].Name, name, evaluate.MetricNDCG100)
		return m.Mean
	}
	return slices.MaxFunc(names, func(x, y string) int {
		switch {
		case value(x) > value(y):
			return 1
		case value(x) < value(y):
			return -1
		}
		return 0
	})
}

func labels(methods []peers.Method) string {
	var out []string
	for _, m := range methods {
		out = append(out, m.String())
	}
	return strings.Join(out, "; ")
}
