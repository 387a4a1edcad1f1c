// Command serve measures the whole server beside its peers, as a client over loopback:
//
//	go run ./bench/serve
//
// It builds vitrine, starts a private PostgreSQL in a temporary directory and runs the real
// program as processes of their own. It measures resident memory; RegisterItem against Python
// onnxruntime and Pillow on the same pictures; `vitrine import` of a whole catalogue; Recommend
// for that catalogue's users; and RecordInteraction against pgbench's single-row inserts.
//
// A peer runs in turns with what it is compared to, on the same machine in the same run.
// Processor time is utime+stime of /proc/PID/stat, so that neither the client nor waiting
// counts; background training is kept out of the server (--train-period) and measured by the
// import. The poster pack is looked for in --data; without it the bundled demo gallery takes
// its place. Python packages are installed with pip by name and version into the cache
// directory. What cannot be had is said and left out.
//
// Linux only. Everything it started and wrote but the cache is gone when it ends, also by ^C.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/seed-473295a7/vitrine/bench/internal/serving"
)

type options struct {
	cache, data string
	pictures    int
	seconds     time.Duration // of each load
	cold        float64
	seed        uint64
	peers, json bool
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
		fmt.Fprintln(os.Stderr, "bench/serve:", err)
		os.Exit(1)
	}
}

func parse(args []string) (options, error) {
	var opts options
	base, err := os.UserCacheDir()
	if err != nil {
		base = os.TempDir()
	}
	flags := flag.NewFlagSet("serve", flag.ExitOnError)
	flags.StringVar(&opts.cache, "cache", filepath.Join(base, "vitrine", "bench"), "directory for Python packages")
	flags.StringVar(&opts.data, "data", "../shared/data/mllatest-posters-1999plus", "directory of items.csv, interactions.csv and images/")
	flags.IntVar(&opts.pictures, "pictures", 300, "pictures to register")
	flags.DurationVar(&opts.seconds, "seconds", 5*time.Second, "length of each load")
	flags.Float64Var(&opts.cold, "cold", 0, "share of the items whose interactions are left out, so that they are cold")
	flags.Uint64Var(&opts.seed, "seed", 1, "seed of the order of pictures and users")
	flags.BoolVar(&opts.peers, "peers", true, "run Python and pgbench beside the server")
	flags.BoolVar(&opts.json, "json", false, "also print one line of JSON")
	if err := flags.Parse(args); err != nil {
		return opts, err
	}
	if opts.pictures < registerRounds || opts.seconds < time.Second || !(opts.cold >= 0 && opts.cold < 1) {
		return opts, fmt.Errorf("want --pictures from %d, --seconds from 1s and --cold from 0 to below 1", registerRounds)
	}
	return opts, nil
}

// bench is what the measurements share.
type bench struct {
	opts    options
	dir     string // temporary; everybody may enter it
	program serving.Program
	pack    pack
	cluster *serving.Cluster
	report  *serving.Report
}

func run(ctx context.Context, opts options) (err error) {
	b := &bench{opts: opts, report: serving.NewReport()}
	// Not below the home directory: a root's PostgreSQL runs under an account that cannot enter it.
	if b.dir, err = os.MkdirTemp("", "vitrine-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	if err := os.Chmod(b.dir, 0o755); err != nil {
		return err
	}
	b.program.Dir = b.dir
	if b.pack, err = openPack(opts.data, b.dir); err != nil {
		return err
	}
	if opts.cold > 0 {
		if err := b.pack.leaveCold(opts.cold, opts.seed, b.dir); err != nil {
			return err
		}
	}
	progress("build vitrine")
	if b.program.Binary, err = serving.Build(ctx, b.dir); err != nil {
		return err
	}
	progress("start PostgreSQL")
	if b.cluster, err = serving.StartCluster(ctx, filepath.Join(b.dir, "pg")); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.cluster.Stop()) }()
	if err := b.measure(ctx); err != nil {
		if ctx.Err() == nil {
			b.report.Print(os.Stdout) // what there is
		}
		return err
	}
	return b.print(os.Stdout)
}

// measure runs everything, in two databases: pictures that the first has seen would not be
// encoded again by the import.
func (b *bench) measure(ctx context.Context) error {
	r := b.report
	r.Section("this run")
	r.Text("machine", "%s", serving.Machine())
	r.Text("PostgreSQL", "%s", b.cluster.Version)
	r.Text("data", "%s", b.pack.name)
	for _, step := range []struct {
		name string
		run  func(context.Context) error
	}{{"empty database and RegisterItem", b.measureEmpty}, {"import", b.measureImport}, {"Recommend and RecordInteraction", b.measureLoaded}} {
		progress(step.name)
		if err := step.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return nil
}

func (b *bench) print(out io.Writer) error {
	b.report.Print(out)
	if b.opts.json {
		line, err := json.Marshal(b.report.Values)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s\n", line)
	}
	_, err := fmt.Fprintln(out, b.report.Result("serve", resultValues...))
	return err
}

// resultValues are the values of the last line.
var resultValues = []string{"recommend_p50_ms", "recommend_p99_ms", "recommend_per_cpu_s",
	"register_ratio_vs_python", "record_ratio_vs_pgbench", "rss_idle_mb", "rss_loaded_mb"}

// progress says on standard error what is being done.
func progress(format string, args ...any) { fmt.Fprintf(os.Stderr, "… "+format+"\n", args...) }
