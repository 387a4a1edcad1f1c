// Command als measures the collaborative model on public data beside its peers:
//
//	go run ./bench/als
//
// It runs protocol SG5 (recommending to new users) on MovieLens 100K and, if it is there,
// on the poster pack, and protocol COLD (new items by genre and year) on MovieLens 100K.
// Quality is printed with standard errors, training in CPU seconds an epoch on one thread.
//
// MovieLens 100K may not be redistributed: it is taken from the wheel of recbole 1.2.1, fetched by
// name through pip into the cache directory. The peer, implicit 0.7.3, is installed there too,
// and runs on the same splits in the same run. What cannot be had is said and left out.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"

	"github.com/seed-473295a7/vitrine/internal/als"
)

type options struct {
	cache, posters string
	peer           bool
	config         als.Config
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	opts, err := parse(os.Args[1:])
	if err == nil {
		err = run(ctx, opts)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench/als:", err)
		os.Exit(1)
	}
}

func parse(args []string) (options, error) {
	opts := options{config: als.DefaultConfig()}
	base, err := os.UserCacheDir()
	if err != nil {
		base = os.TempDir()
	}
	flags := flag.NewFlagSet("als", flag.ExitOnError)
	flags.StringVar(&opts.cache, "cache", filepath.Join(base, "vitrine", "bench"), "directory for downloads")
	flags.StringVar(&opts.posters, "posters", "../shared/data/mllatest-posters-1999plus", "directory of the poster pack")
	flags.BoolVar(&opts.peer, "peer", true, "run implicit 0.7.3 on the same splits")
	flags.IntVar(&opts.config.Workers, "workers", 1, "training goroutines")
	flags.Uint64Var(&opts.config.Seed, "seed", 0, "seed of the initial factors")
	return opts, flags.Parse(args)
}

func run(ctx context.Context, opts options) error {
	p := &peer{dir: filepath.Join(opts.cache, "implicit-0.7.3")}
	if !opts.peer {
		p = nil
	} else if err := p.install(ctx); err != nil {
		fmt.Printf("peer implicit 0.7.3 left out: %v\n", err)
		p = nil
	}
	movies, err := fetchMovieLens(ctx, opts.cache)
	if err != nil {
		fmt.Printf("MovieLens 100K left out: %v\n", err)
	} else {
		b := bench{name: "MovieLens 100K", config: opts.config, peer: p, catalog: movies,
			settings: []peerConfig{{alpha: 1, regularization: 10}, {alpha: 5, regularization: 20}},
			strong:   "aim: NDCG@100 ≥ .450, NDCG@10 ≥ .323, Recall@20 ≥ .403",
			cold:     "aim: COLD (a) NDCG@10 ≥ .195 at the λ_r chosen"}
		if err := b.run(ctx); err != nil {
			return err
		}
	}
	posters, err := readPosters(opts.posters)
	if err != nil {
		fmt.Printf("\nposter pack left out: %v\n", err)
		return nil
	}
	return bench{name: "poster pack", config: opts.config, peer: p, catalog: posters,
		settings: []peerConfig{{alpha: 10, regularization: 30}},
		strong:   "reference: iALS NDCG@100 .349, NDCG@10 .247, Recall@20 .357; popularity .238"}.run(ctx)
}

// bench is everything that is measured on one data set.
type bench struct {
	name         string
	config       als.Config
	peer         *peer // nil: none
	settings     []peerConfig
	catalog      catalog
	strong, cold string // what the protocols are held against
}

func (b bench) run(ctx context.Context) error {
	d := b.catalog.data
	fmt.Printf("\n%s: %d users with at least 5 positives, %d items, %d positives\n", b.name, len(d.UserIDs), len(d.ItemIDs), d.Len())
	if err := strong(ctx, b.config, d, b.peer, b.settings); err != nil {
		return err
	}
	fmt.Println(b.strong)
	if err := cold(ctx, b.config, b.catalog); err != nil {
		return err
	}
	if b.cold != "" {
		fmt.Println(b.cold)
	}
	return nil
}
