package trial

import (
	"context"
	"fmt"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/evaluate"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// plots are the charts that a run gathers points for.
type plots struct {
	diversity, coldShare []evaluate.Point
}

// sweepGains are the gains that accuracy is plotted against cold share for, each a placement.
var sweepGains = []float64{1, 1.25, 1.5, 2, 2.5, 3, 4, 5}

// sweepConfig adds a placement for each gain.
func (r *runner) sweepConfig() engine.Config {
	config := r.Config
	config.Placements = make(map[string]engine.Placement)
	for name, p := range r.Config.Placements {
		config.Placements[name] = p
	}
	for _, g := range sweepGains {
		p := r.Config.Placements[""]
		p.Gain = g
		config.Placements[gainName(g)] = p
	}
	return config
}

func gainName(g float64) string { return fmt.Sprintf("g=%g", g) }

// sweep measures the plots of a protocol on its first fold.
func (r *runner) sweep(ctx context.Context, fold evaluate.Fold, of evaluate.Recommender, setting evaluate.Setting) error {
	stage := fold.Stages[len(fold.Stages)-1]
	switch r.Protocol {
	case NewUsers, TimeSplit:
		for _, d := range []float64{0, .2, .4, .6, .8, 1} {
			setting.Query = func(q *recsys.RankQuery) { q.Diversity = d }
			v, err := stage.Measure(ctx, of, setting)
			if err != nil {
				return err
			}
			ndcg := evaluate.EstimateOf(v.NDCG10)
			r.plots.diversity = append(r.plots.diversity, evaluate.Point{X: evaluate.EstimateOf(v.Distance10).Mean, Y: ndcg.Mean, Err: ndcg.StdErr,
				Label: fmt.Sprintf("diversity %g", d)})
		}
	case ColdItems:
		for _, g := range sweepGains {
			setting.Query = func(q *recsys.RankQuery) { q.Placement = gainName(g) }
			v, err := stage.Measure(ctx, of, setting)
			if err != nil {
				return err
			}
			recall := evaluate.EstimateOf(v.Recall20)
			r.plots.coldShare = append(r.plots.coldShare, evaluate.Point{X: evaluate.EstimateOf(v.ColdShare20).Mean, Y: recall.Mean, Err: recall.StdErr,
				Label: gainName(g)})
		}
	}
	return nil
}

// reportAgainst puts the collected figures together, differences being those from a reference model.
func (r *runner) reportAgainst(reference string) *evaluate.Report {
	out := &evaluate.Report{Protocol: r.Protocol, About: about[r.Protocol], Log: r.log.Summary(), Reference: reference,
		Settings: r.settings(reference), Stages: r.collected.Stages(reference)}
	if len(r.plots.diversity) > 0 {
		out.Plots = append(out.Plots, evaluate.Plot{Title: "Accuracy against diversity", X: "mean distance within the first ten", Y: evaluate.MetricNDCG10,
			Series: []evaluate.Series{{Name: Served, Points: r.plots.diversity}}})
	}
	if len(r.plots.coldShare) > 0 {
		out.Plots = append(out.Plots, evaluate.Plot{Title: "Accuracy against the share of new items", X: "share of new items in the first twenty", Y: evaluate.MetricRecall20,
			Series: []evaluate.Series{{Name: Served, Points: r.plots.coldShare}}})
	}
	switch r.Protocol {
	case ColdToWarm:
		out.Plots = append(out.Plots, curvePlot(out, curveCounts, "n", "likes of a new item", evaluate.MetricAUC),
			curvePlot(out, curveCounts, "n", "likes of a new item", evaluate.MetricMixed))
	case NewUserCurve:
		out.Plots = append(out.Plots, curvePlot(out, historyCounts, "k", "known items of a new user", evaluate.MetricNDCG100))
	}
	return out
}

// curvePlot draws a metric over the stages of a curve, one series a model.
func curvePlot(report *evaluate.Report, counts []int, letter, x, metric string) evaluate.Plot {
	p := evaluate.Plot{Title: metric + " by " + x, X: x, Y: metric}
	for _, m := range report.Stages[0].Models {
		s := evaluate.Series{Name: m.Name}
		for _, n := range counts {
			if f, ok := report.Metric(fmt.Sprintf("%s = %d", letter, n), m.Name, metric); ok {
				s.Points = append(s.Points, evaluate.Point{X: float64(n), Y: f.Mean, Err: f.StdErr})
			}
		}
		p.Series = append(p.Series, s)
	}
	return p
}

var about = map[string]string{
	NewUsers:     "lists for users the model has never seen, five folds of users; a fifth of each user's positives is to be found",
	TimeSplit:    "what comes next: trained on the first four fifths of the positives, asked from half of what came later",
	ColdItems:    "items registered after the training, a fifth of the catalogue, for known users",
	ColdToWarm:   "how new items rise as n people find them, asked from people who have not",
	NewUserCurve: "new users of whom k items are known",
}

// settings says what was the same for all models.
func (r *runner) settings(reference string) []string {
	recipe := r.Config.Recipe
	events := "all events, weighted as served"
	if r.Log.Binary {
		events = "positives only, each as one like"
	}
	decay := "position decay off: the order of a history says nothing here"
	if r.Protocol == TimeSplit {
		decay = fmt.Sprintf("position decay with a half-life of %g items", recipe.Events.PositionHalfLife)
	}
	return []string{
		fmt.Sprintf("%s; a positive has a confidence of %g or more; everything known of a user is masked", events, r.Log.Positive),
		decay,
		fmt.Sprintf("f %d, α0 %g, λ %g, %d epochs, content prior %g, corrector weight %g, seed %d", recipe.ALS.Factors, recipe.ALS.Alpha0,
			recipe.ALS.Regularization, recipe.ALS.Epochs, recipe.ALS.PriorRidge, recipe.CorrectorWeight, recipe.ALS.Seed),
		"± is the standard error over cases, Δ the paired difference from the " + reference + "; full ranking",
	}
}
