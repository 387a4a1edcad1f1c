// Command ann measures nearest-neighbour search beside its peers:
//
//	go run ./bench/ann [--shapes 100000x64,100000x1280] [--shapes all] [--peers hnswlib]
//
// Each shape is a set of vectors, clustered synthetic ones (see clusters) or, for the shape
// "pictures", what the product's encoder makes of the pictures in --data, centred and of unit
// length; the latter are kept in the user's cache. All engines get the same vectors and
// the same queries, which are no vectors of the set, and answer in turns in one run. Ours
// run on one processor, the peers, hnswlib, faiss-cpu and usearch by pip, on one thread.
//
// A graph is measured at the least width that reaches recall .99, found by trying; "as it
// is" is the width that our engine measured for itself. What cannot be had is said and left
// out. Run it from the root of the repository. The last line is for machines.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

type options struct {
	cache, data string
	shapes      []shape
	peers       []string
	rounds      int
	target      float64
}

// allShapes is what "all" stands for; some hours on one core.
const allShapes = "pictures,10000x64,10000x384,10000x1280,100000x64,100000x384,100000x1280,1000000x64"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	opts, err := parse(os.Args[1:])
	if err == nil {
		err = run(ctx, opts)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench/ann:", err)
		os.Exit(1)
	}
}

func parse(args []string) (options, error) {
	var opts options
	base, err := os.UserCacheDir()
	if err != nil {
		base = os.TempDir()
	}
	flags := flag.NewFlagSet("ann", flag.ContinueOnError)
	flags.StringVar(&opts.cache, "cache", filepath.Join(base, "vitrine", "bench"), "directory for what is installed and embedded")
	flags.StringVar(&opts.data, "data", "../shared/data", "directory of pictures")
	shapes := flags.String("shapes", "pictures,10000x64,100000x64", "what to measure: VECTORSxDIMS, pictures, or all")
	peers := flags.String("peers", strings.Join(allPeers, ","), "whom to measure beside ours; empty for none")
	flags.IntVar(&opts.rounds, "rounds", 5, "turns of each engine")
	flags.Float64Var(&opts.target, "recall", .99, "recall to reach")
	if err := flags.Parse(args); err != nil {
		return opts, err
	}
	if *shapes == "all" {
		*shapes = allShapes
	}
	for name := range strings.SplitSeq(*shapes, ",") {
		s, err := parseShape(name)
		if err != nil {
			return opts, err
		}
		opts.shapes = append(opts.shapes, s)
	}
	for name := range strings.SplitSeq(*peers, ",") {
		if name != "" && !slices.Contains(allPeers, name) {
			return opts, fmt.Errorf("--peers: %q is none of %v", name, allPeers)
		}
		opts.peers = append(opts.peers, name)
	}
	if opts.rounds < 1 || opts.target <= 0 || opts.target > 1 {
		return opts, fmt.Errorf("--rounds must be above 0 and --recall between 0 and 1")
	}
	return opts, nil
}

func run(ctx context.Context, opts options) error {
	runtime.GOMAXPROCS(1) // what is measured is processor time of one core
	python, err := installPeers(ctx, opts.cache, opts.peers)
	if err != nil {
		return err
	}
	var result string
	for _, s := range opts.shapes {
		set, err := load(ctx, s, opts)
		if err != nil {
			fmt.Printf("\n%s left out: %v\n", s, err)
			continue
		}
		table, err := measure(ctx, opts, set, python)
		if err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
		table.print(os.Stdout)
		if line, ok := table.result(); ok && (result == "" || s == shape{100_000, 64}) {
			result = line
		}
	}
	if result == "" {
		result = "RESULT ann ratio_vs_hnswlib_at_99=none recall=none"
	}
	fmt.Println("\n" + result)
	return nil
}
