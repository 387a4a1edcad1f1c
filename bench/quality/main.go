// Command quality measures recommendations beside public recommenders, on public data:
//
//	go run ./bench/quality
//
// Peers are implicit 0.7.3, LightFM 1.17 and EASE in NumPy; data are MovieLens 100K and, if it is
// there, the poster pack with its pictures. Every protocol runs all models fold by fold, on the same
// cases and metrics. Each method whose settings must be chosen chooses among six on the training
// rows of the first fold alone; ours stands in the tables as shipped and as chosen so. Peers are
// fed positives; a second round gives ours all events, as a shop would. Data and peers are
// fetched by name into the cache directory at first use. Run it from the root of the repository;
// it takes about half an hour on two cores. The last line is for machines.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/seed-473295a7/vitrine/bench/internal/peers"
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
	posters := flag.String("posters", "../shared/data/mllatest-posters-1999plus", "directory of the poster pack")
	html := flag.String("html", "", "file to write a report with plots to")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *cache, *posters, *html); err != nil {
		fmt.Fprintln(os.Stderr, "bench/quality:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, cache, posters, html string) error {
	python, err := peers.Install(ctx, cache, runtime.GOMAXPROCS(0))
	if err != nil {
		return err
	}
	if err := python.LightFM(); err != nil {
		fmt.Printf("LightFM 1.17 left out: %v\n", err)
	}
	shops, coldShops, err := openShops(ctx, cache, posters)
	if err != nil {
		return err
	}
	var reports []*evaluate.Report
	for n, shop := range slices.Concat(shops, coldShops) {
		b := bench{python: python, shop: shop}
		run := b.run
		if n >= len(shops) {
			run = b.runCold
		}
		if err := run(ctx); err != nil {
			return fmt.Errorf("%s: %w", shop.Name, err)
		}
		reports = append(reports, b.reports...)
	}
	if html != "" {
		if err := writeHTML(html, reports); err != nil {
			return err
		}
	}
	first := reports[0] // new users of MovieLens 100K, positives only
	var figures []any
	for _, model := range []string{trial.Served, trial.CFOnly} {
		m, _ := first.Metric(first.Stages[0].Name, model, evaluate.MetricNDCG100)
		figures = append(figures, m.Mean)
	}
	fmt.Printf("RESULT quality ndcg100_served=%.4f ndcg100_cf_only=%.4f ndcg100_best_peer=%.4f\n", append(figures, bestPeer(first))...)
	return nil
}

// openShops opens those for every protocol, and those for new items alone.
func openShops(ctx context.Context, cache, posters string) (shops, cold []peers.Shop, err error) {
	config := onnx.DefaultConfig()
	config.Library = os.Getenv("VITRINE_ONNXRUNTIME_LIB")
	encoder, err := onnx.Open(ctx, config)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, encoder.Close()) }()
	open := func(to *[]peers.Shop, name string, files trial.Files) {
		if err != nil {
			return
		}
		var shop peers.Shop
		if shop, err = peers.OpenShop(ctx, name, files, encoder); err == nil {
			*to = append(*to, shop)
		}
	}
	files, err := peers.FetchMovieLens(ctx, cache)
	if err != nil {
		return nil, nil, err
	}
	open(&shops, "MovieLens 100K", files)
	pack, missing := peers.Posters(posters)
	if missing != nil {
		fmt.Printf("poster pack left out: %v\n", missing)
		return shops, nil, err
	}
	open(&shops, "poster pack", pack)
	if files, err = peers.GenresAndYears(posters, cache); err != nil {
		return nil, nil, err
	}
	open(&cold, "poster pack, genres and years with posters", files)
	files.Images = ""
	open(&cold, "poster pack, genres and years alone", files)
	return shops, cold, err
}

func writeHTML(name string, reports []*evaluate.Report) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(evaluate.WriteHTML(file, reports), file.Close())
}

// bestPeer is the best NDCG@100 of a model from elsewhere.
func bestPeer(r *evaluate.Report) (best float64) {
	for _, m := range r.Stages[0].Models {
		if isPeer(m.Name) {
			metric, _ := r.Metric(r.Stages[0].Name, m.Name, evaluate.MetricNDCG100)
			best = max(best, metric.Mean)
		}
	}
	return best
}
