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
	peer := &peer{dir: filepath.Join(opts.cache, "implicit-0.7.3")}
	if opts.peer {
		if err := peer.install(ctx); err != nil {
			fmt.Printf("peer implicit 0.7.3 left out: %v\n", err)
			peer = nil
		}
	} else {
		peer = nil
	}
	movies, err := fetchMovieLens(ctx, opts.cache)
	if err != nil {
		fmt.Printf("MovieLens 100K left out: %v\n", err)
	} else {
		fmt.Printf("\nMovieLens 100K: %d users with at least 5 positives, %d items, %d positives\n",
			len(movies.data.UserIDs), len(movies.data.ItemIDs), movies.data.Len())
		settings := []peerConfig{{alpha: 1, regularization: 10}, {alpha: 5, regularization: 20}}
		if err := strong(ctx, opts.config, movies.data, peer, settings); err != nil {
			return err
		}
		fmt.Println("aim: NDCG@100 ≥ .450, NDCG@10 ≥ .323, Recall@20 ≥ .403")
		if err := cold(ctx, opts.config, movies); err != nil {
			return err
		}
	}
	posters, err := readPosters(opts.posters)
	if err != nil {
		fmt.Printf("\nposter pack left out: %v\n", err)
		return nil
	}
	fmt.Printf("\nposter pack: %d users with at least 5 positives, %d items, %d positives\n",
		len(posters.UserIDs), len(posters.ItemIDs), posters.Len())
	if err := strong(ctx, opts.config, posters, peer, []peerConfig{{alpha: 10, regularization: 30}}); err != nil {
		return err
	}
	fmt.Println("reference: iALS NDCG@100 .349, NDCG@10 .247, Recall@20 .357; popularity .238")
	return nil
}
