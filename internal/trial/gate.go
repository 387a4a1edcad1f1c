package trial

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/evaluate"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// Gate asks whether a recipe may go live. Both the live recipe (nil: nothing is live) and the new
// one are trained on the training rows of a time split of the shop's log; a stored live model
// has seen the rows that are asked about and is never asked itself. The new one passes if it is
// not worse than the live one by more than one standard error of the paired difference of NDCG@100.
//
// Where the log is too small for a figure, the verdict has none and lets pass.
func Gate(ctx context.Context, catalog Catalog, log []recsys.Interaction, config engine.Config, live *engine.Recipe, progress engine.Progress) (engine.Verdict, error) {
	const newRecipe, liveRecipe = "new", "live"
	o := Options{Protocol: TimeSplit, Config: config, Log: evaluate.DefaultLogConfig(), Recipes: map[string]engine.Recipe{newRecipe: config.Recipe}, Progress: progress, lean: true}
	o.Log.Weights = config.Recipe.Events.Weights
	compare := live != nil && !SameRecipe(*live, config.Recipe)
	if compare {
		o.Recipes[liveRecipe] = *live
	}
	o.Only = sortedNames(o.Recipes)
	r, err := collect(ctx, catalog, log, o)
	if errors.Is(err, recsys.ErrInvalid) {
		return engine.Verdict{Passed: true, Reason: "too little to compare on: " + err.Error()}, nil
	}
	if err != nil {
		return engine.Verdict{}, fmt.Errorf("gate: %w", err)
	}
	values := r.only(newRecipe)
	v := engine.Verdict{Protocol: TimeSplit, Cases: len(values.NDCG100), New: figuresOf(values), Passed: true, Reason: "nothing to compare with: the live recipe is the same"}
	if live == nil {
		v.Reason = "nothing to compare with: no model is live"
	}
	if !compare {
		return v, nil
	}
	before := r.only(liveRecipe)
	v.Live = figuresOf(before)
	d := evaluate.Difference(values.NDCG100, before.NDCG100)
	v.Difference = &engine.Figure{Mean: d.Mean, StdErr: d.StdErr}
	v.Passed = d.Mean >= -d.StdErr
	v.Reason = fmt.Sprintf("NDCG@100 differs from the live recipe's by %+.4f ± %.4f over %d users", d.Mean, d.StdErr, d.N)
	return v, nil
}

// SameRecipe reports whether two recipes give the same model of the same data.
func SameRecipe(a, b engine.Recipe) bool {
	a.ALS.Workers, b.ALS.Workers = 0, 0
	return reflect.DeepEqual(a, b)
}

// only returns the values of a protocol with one stage.
func (r *runner) only(model string) *evaluate.Values {
	return r.collected.Values(r.collected.StageNames()[0], model)
}

func figuresOf(v *evaluate.Values) *engine.Figures {
	figure := func(values []float64) engine.Figure {
		e := evaluate.EstimateOf(values)
		return engine.Figure{Mean: e.Mean, StdErr: e.StdErr}
	}
	return &engine.Figures{NDCG10: figure(v.NDCG10), NDCG100: figure(v.NDCG100), Recall20: figure(v.Recall20)}
}
