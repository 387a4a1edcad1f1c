package main

import (
	"context"
	"fmt"

	"github.com/seed-473295a7/vitrine/internal/als"
	"github.com/seed-473295a7/vitrine/internal/evaluate"
	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

// strong runs protocol SG5 with every method and prints a line for each.
func strong(ctx context.Context, cfg als.Config, d evaluate.Dataset, p *peer, settings []peerConfig) error {
	t := newTable("SG5, mean over users ± standard error")
	for k, fold := range evaluate.StrongSplit(d) {
		train := make([][]int32, len(fold.Train))
		for row, user := range fold.Train {
			train[row] = d.Positives[user]
		}
		popularity := evaluate.Popularity(len(d.ItemIDs), train)
		e := evaluate.Evaluation{Data: d, Popularity: popularity}
		t.add("popularity", e.Evaluate(fold.Test, func(_ int, scores []float32) { copy(scores, popularity) }), 0)
		if err := strongALS(ctx, cfg, foldRun{e, fold, train, t}); err != nil {
			return fmt.Errorf("fold %d: %w", k, err)
		}
		if p == nil {
			continue
		}
		for _, setting := range settings {
			if err := p.run(ctx, setting, cfg, foldRun{e, fold, train, t}); err != nil {
				return fmt.Errorf("implicit, fold %d: %w", k, err)
			}
		}
	}
	t.print()
	return nil
}

// foldRun is one fold on the way into a table.
type foldRun struct {
	evaluation evaluate.Evaluation
	fold       evaluate.StrongFold
	train      [][]int32
	table      *table
}

func strongALS(ctx context.Context, cfg als.Config, run foldRun) error {
	items := len(run.evaluation.Data.ItemIDs)
	matrix, factors, cpu, err := train(ctx, cfg, run.train, items)
	if err != nil {
		return err
	}
	model, err := als.FitModel(ctx, matrix, factors, als.Content{}, fixedContent())
	if err != nil {
		return err
	}
	history := func(k int) []als.Weighted {
		var h []als.Weighted
		for _, item := range run.fold.Test[k].FoldIn {
			h = append(h, als.Weighted{Factor: model.ItemFactor(int(item)), Confidence: 1, Target: 1})
		}
		return h
	}
	var fault error
	served := run.evaluation.Evaluate(run.fold.Test, func(k int, scores []float32) {
		w, err := model.FoldInUser(history(k))
		if err != nil {
			fault = err
			return
		}
		vecmath.DotRows(w, factors.V, scores)
	})
	plain := run.evaluation.Evaluate(run.fold.Test, func(k int, scores []float32) {
		vecmath.DotRows(model.UserHalfStep(history(k)), factors.V, scores)
	})
	run.table.add("vitrine iALS, served fold-in", served, cpu)
	run.table.add("vitrine iALS, plain fold-in", plain, cpu)
	return fault
}

// train fits binary positives and returns the CPU seconds an epoch took.
func train(ctx context.Context, cfg als.Config, positives [][]int32, items int) (*als.Matrix, *als.Factors, float64, error) {
	var entries []als.Entry
	for user, row := range positives {
		for _, item := range row {
			entries = append(entries, als.Entry{User: int32(user), Item: item, Confidence: 1, Target: 1})
		}
	}
	matrix, err := als.NewMatrix(len(positives), items, entries)
	if err != nil {
		return nil, nil, 0, err
	}
	start := cpuSeconds()
	factors, err := als.Train(ctx, matrix, als.Content{}, cfg, nil)
	return matrix, factors, (cpuSeconds() - start) / float64(cfg.Epochs), err
}

// fixedContent chooses nothing: for models whose content part is not used.
func fixedContent() als.ContentConfig {
	cfg := als.DefaultContentConfig()
	cfg.Ridges, cfg.MinGain, cfg.MaxGain = []float64{10}, 1, 1
	return cfg
}
