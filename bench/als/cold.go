package main

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/seed-473295a7/vitrine/internal/als"
	"github.com/seed-473295a7/vitrine/internal/evaluate"
	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

const fiveYears = .5 // weight of the half-decade beside the genres

// cold runs protocol COLD: a fifth of the movies is unknown to the training and ranked
// by genre and year through the content map.
func cold(ctx context.Context, cfg als.Config, m catalog) error {
	split := evaluate.SplitCold(m.data)
	matrix, factors, _, err := train(ctx, cfg, split.Train, len(m.data.ItemIDs))
	if err != nil {
		return err
	}
	run := coldRun{ctx, m, split, matrix, factors}
	start := cpuSeconds()
	model, err := run.fit(als.DefaultContentConfig())
	if err != nil {
		return err
	}
	fmt.Printf("\nCOLD, content genre + year: chose λ_r %g, g %.3f (held-out cold share %.3f) in %.1f CPU s\n",
		model.Ridge(), model.DefaultGain(), model.Choice().ColdShare, cpuSeconds()-start)
	fmt.Printf("%8s %15s %17s\n", "λ_r", "held-out warm", "COLD (a) NDCG@10")
	for _, tried := range model.Choice().Ridges {
		fixed := fixedContent()
		fixed.Ridges = []float64{tried.Ridge}
		at, err := run.fit(fixed)
		if err != nil {
			return err
		}
		fmt.Printf("%8g %15.4f %17s\n", tried.Ridge, tried.NDCG, estimate(run.coldOnly(at).NDCG10))
	}
	fmt.Printf("%8s %15s %12s %13s\n", "g", "mixed Recall@20", "cold share", "cold Recall@20")
	for _, gain := range slices.Sorted(slices.Values([]float64{1, 1.25, model.DefaultGain(), 2})) {
		run.mixed(model, gain)
	}
	return nil
}

type coldRun struct {
	ctx     context.Context
	movies  catalog
	split   evaluate.ColdSplit
	matrix  *als.Matrix
	factors *als.Factors
}

func (r coldRun) fit(cfg als.ContentConfig) (*als.Model, error) {
	return als.FitModel(r.ctx, r.matrix, r.factors, genreYear(r.movies), cfg)
}

// coldOnly ranks the cold items alone with trained user factors: the gain has no influence.
func (r coldRun) coldOnly(model *als.Model) evaluate.Report {
	e := evaluate.Evaluation{Data: r.movies.data, Popularity: evaluate.Popularity(len(r.split.Cold), r.split.Train),
		Allowed: func(item int32) bool { return r.split.Cold[item] }}
	return e.Evaluate(r.split.ColdOnly, func(k int, scores []float32) { r.score(k, model, 1, scores) })
}

// mixed ranks cold items among all others and prints a line.
func (r coldRun) mixed(model *als.Model, gain float64) {
	e := evaluate.Evaluation{Data: r.movies.data, Popularity: evaluate.Popularity(len(r.split.Cold), r.split.Train)}
	report := e.Evaluate(r.split.Mixed, func(k int, scores []float32) { r.score(k, model, gain, scores) })
	places, cold, wanted, found := 0, 0, 0, 0
	ranker, scores := evaluate.NewRanker(r.movies.data.ItemIDs), make([]float32, len(r.split.Cold))
	for k, c := range r.split.Mixed {
		r.score(k, model, gain, scores)
		top := ranker.Top(r.movies.data.UserIDs[c.User], scores, 20, func(item int32) bool { return !slices.Contains(c.FoldIn, item) })
		for _, item := range top {
			places++
			if r.split.Cold[item] {
				cold++
			}
		}
		for _, item := range c.Targets {
			if r.split.Cold[item] {
				wanted++
				if slices.Contains(top, item) {
					found++
				}
			}
		}
	}
	fmt.Printf("%8.3f %15s %12.3f %13.3f\n", gain, estimate(report.Recall20), float64(cold)/float64(places), float64(found)/float64(wanted))
}

func (r coldRun) score(k int, model *als.Model, gain float64, scores []float32) {
	f := r.factors.Dims
	w := r.factors.W[k*f : (k+1)*f]
	vecmath.DotRows(w, r.factors.V, scores)
	for item := range scores {
		if !model.Trained(item) {
			scores[item] = float32(gain) * vecmath.Dot(w, model.ItemPrior(item))
		}
	}
}

// genreYear is content GY: genres as a unit vector beside half a one-hot of ⌊year/5⌋, together of length 1.
func genreYear(m catalog) als.Content {
	genre, period := map[string]int{}, map[int]int{}
	for _, names := range m.genres {
		for _, name := range names {
			if _, ok := genre[name]; !ok {
				genre[name] = len(genre)
			}
		}
	}
	for _, year := range m.year {
		if _, ok := period[year/5]; !ok {
			period[year/5] = len(period)
		}
	}
	x := als.Content{Dims: len(genre) + len(period)}
	for k, names := range m.genres {
		row := make([]float32, x.Dims)
		for _, name := range names {
			row[genre[name]] = float32(1 / math.Sqrt(float64(len(names))))
		}
		row[len(genre)+period[m.year[k]/5]] = fiveYears
		vecmath.Normalize(row)
		x.Rows = append(x.Rows, row...)
	}
	return x
}
