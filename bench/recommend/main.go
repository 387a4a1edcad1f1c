// Command recommend measures Recommend and FindSimilarItems as the catalogue grows, as a client
// over loopback:
//
//	go run ./bench/recommend [--items 10000,100000] [--clients 1,8,64] [--seconds 5s]
//
// It builds vitrine, starts a private PostgreSQL in a temporary directory, fills a database with
// a simulated catalogue and simulated shoppers for every size, lets the program fit and train,
// and serves it as a process of its own. Raw encoder outputs are mixed from those of real
// pictures, which `go run ./bench/ann --shapes pictures` leaves in the cache; without them they
// are drawn from clusters, and the report says so.
//
// The peer, in turns with the calls on the same connection, is an empty gRPC call to the same
// server (health check): what is above it is ours. Each call is also made with a filter that
// allows about one item in forty; twenty different ones in turn. Processor time is the server's
// alone. The server's stages are told where it counts them. Latency at load is measured with
// requests that arrive at random at 70 % of the highest rate, whether or not others wait.
//
// A million items want some 12 GiB of memory and 15 GiB of disk. Linux only. Everything it
// started and wrote is gone when it ends, also by ^C. The last line is for machines.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/seed-473295a7/vitrine/bench/internal/serving"
)

type options struct {
	cache          string
	items, clients []int
	users, events  int
	seconds        time.Duration // of each load
	seed           uint64
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	opts, err := parse(os.Args[1:])
	if err == nil {
		err = run(ctx, opts)
	}
	if ctx.Err() != nil {
		err = errors.New("interrupted") // the rest follows from it
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench/recommend:", err)
		os.Exit(1)
	}
}

func parse(args []string) (opts options, err error) {
	base, err := os.UserCacheDir()
	if err != nil {
		base = os.TempDir()
	}
	flags := flag.NewFlagSet("recommend", flag.ContinueOnError)
	flags.StringVar(&opts.cache, "cache", filepath.Join(base, "vitrine", "bench"), "directory of the encoder's outputs for pictures")
	items := flags.String("items", "10000,100000", "sizes of the catalogue")
	clients := flags.String("clients", "1,8,64", "concurrent callers, the last for the highest rate")
	flags.IntVar(&opts.users, "users", 5000, "shoppers")
	flags.IntVar(&opts.events, "events", 30, "interactions of each, in the mean")
	flags.DurationVar(&opts.seconds, "seconds", 5*time.Second, "length of each load")
	flags.Uint64Var(&opts.seed, "seed", 1, "seed of the catalogue and of the order of requests")
	if err := flags.Parse(args); err != nil {
		return opts, err
	}
	if opts.items, err = numbers(*items); err != nil {
		return opts, fmt.Errorf("--items: %w", err)
	}
	if opts.clients, err = numbers(*clients); err != nil {
		return opts, fmt.Errorf("--clients: %w", err)
	}
	if opts.users < 2 || opts.events < 1 || opts.seconds < time.Second {
		return opts, errors.New("want --users from 2, --events from 1 and --seconds from 1s")
	}
	return opts, nil
}

// numbers reads positive numbers that commas separate.
func numbers(text string) (out []int, err error) {
	for part := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(part)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("is %q, want positive numbers such as 1,8", text)
		}
		out = append(out, n)
	}
	return out, nil
}

// bench is what the measurements share.
type bench struct {
	opts    options
	program serving.Program
	cluster *serving.Cluster
	outputs *outputs
	report  *serving.Report
}

func run(ctx context.Context, opts options) (err error) {
	b := &bench{opts: opts, report: serving.NewReport()}
	// Not below the home directory: a root's PostgreSQL runs under an account that cannot enter it.
	if b.program.Dir, err = os.MkdirTemp("", "vitrine-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.program.Dir)) }()
	if err := os.Chmod(b.program.Dir, 0o755); err != nil {
		return err
	}
	if b.outputs, err = findOutputs(opts.cache); err != nil {
		return err
	}
	progress("build vitrine")
	if b.program.Binary, err = serving.Build(ctx, b.program.Dir); err != nil {
		return err
	}
	progress("start PostgreSQL")
	if b.cluster, err = serving.StartCluster(ctx, filepath.Join(b.program.Dir, "pg")); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.cluster.Stop()) }()
	b.report.Section("this run")
	b.report.Text("machine", "%s", serving.Machine())
	b.report.Text("PostgreSQL", "%s", b.cluster.Version)
	b.report.Text("raw outputs", "%s", b.outputs.name)
	for _, n := range opts.items {
		if err = b.measure(ctx, n); err != nil {
			err = fmt.Errorf("%d items: %w", n, err)
			break
		}
	}
	b.report.Print(os.Stdout) // what there is
	fmt.Println(b.report.Result("recommend", "p99_ms", "rps", "rss_mb"))
	return err
}

// progress says on standard error what is being done.
func progress(format string, args ...any) { fmt.Fprintf(os.Stderr, "… "+format+"\n", args...) }
