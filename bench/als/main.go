// Command als measures the factor model beside implicit 0.7.3, on the same rows, cores and turns:
//
//	go run ./bench/als
//
// CPU seconds an epoch of training, NDCG@100 for new users (protocol SG5 on the positives of
// MovieLens 100K), the time of a user's fold-in and of a scan of 100,000 items, and the memory
// that a training of a million interactions takes. Data and peers are fetched by name into the
// cache directory at first use. Run it from the root of the repository. The last line is for machines.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"

	"github.com/seed-473295a7/vitrine/bench/internal/peers"
	"github.com/seed-473295a7/vitrine/internal/als"
	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/evaluate"
	"github.com/seed-473295a7/vitrine/internal/onnx"
	"github.com/seed-473295a7/vitrine/internal/trial"
)

func main() {
	base, err := os.UserCacheDir()
	if err != nil {
		base = os.TempDir()
	}
	cache := flag.String("cache", filepath.Join(base, "vitrine", "bench"), "directory for data and peers")
	alone := flag.Bool(memoryFlag, false, "train on a million interactions and tell what it took; for the command itself")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if *alone {
		err = trainMillion(ctx)
	} else {
		err = run(ctx, *cache)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench/als:", err)
		os.Exit(1)
	}
}

// implicitSetting is what bench/quality chooses on MovieLens 100K.
var implicitSetting = peers.Method{Name: "implicit", Label: "implicit 0.7.3", Factors: 64,
	Setting: map[string]float64{"alpha": 5, "regularization": 20, "epochs": 15}}

func run(ctx context.Context, cache string) (err error) {
	python, err := peers.Install(ctx, cache, 1)
	if err != nil {
		return err
	}
	files, err := peers.FetchMovieLens(ctx, cache)
	if err != nil {
		return err
	}
	config := onnx.DefaultConfig()
	config.Library = os.Getenv("VITRINE_ONNXRUNTIME_LIB")
	encoder, err := onnx.Open(ctx, config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, encoder.Close()) }()
	shop, err := peers.OpenShop(ctx, "MovieLens 100K", files, encoder)
	if err != nil {
		return err
	}
	turns := turns{shop: shop}
	report, err := newUsers(ctx, python, &turns)
	if err != nil {
		return err
	}
	turns.print()
	if err := moments(); err != nil {
		return err
	}
	if err := memory(ctx); err != nil {
		return err
	}
	stage := report.Stages[0].Name
	ours, _ := report.Metric(stage, trial.Served, evaluate.MetricNDCG100)
	theirs, _ := report.Metric(stage, implicitSetting.String(), evaluate.MetricNDCG100)
	fmt.Printf("RESULT als cpu_ratio_vs_implicit=%.3f ndcg100_ours=%.4f ndcg100_implicit=%.4f\n", turns.ratio(), ours.Mean, theirs.Mean)
	return nil
}

// newUsers runs protocol SG5 and has ours and theirs train in turns on every fold.
func newUsers(ctx context.Context, python *peers.Python, t *turns) (*evaluate.Report, error) {
	log := evaluate.DefaultLogConfig()
	log.Binary = true
	theirs := python.Model(implicitSetting, t.shop.Items(), t.shop.Words, t.theirs)
	inTurns := trial.Model{Name: theirs.Name, Build: func(ctx context.Context, fold evaluate.Fold) (evaluate.Recommender, error) {
		if err := t.ours(ctx, fold, als.DefaultConfig()); err != nil {
			return nil, err
		}
		return theirs.Build(ctx, fold)
	}}
	report, err := trial.Run(ctx, t.shop.Catalog, t.shop.Log, trial.Options{Protocol: trial.NewUsers, Config: engine.DefaultConfig(), Log: log,
		Others: []trial.Model{inTurns}, Only: []string{trial.Popularity, trial.ItemKNN, trial.CFOnly, theirs.Name, trial.Served}})
	if err != nil {
		return nil, err
	}
	return report, report.WriteTable(os.Stdout)
}
