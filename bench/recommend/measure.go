package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/seed-473295a7/vitrine/bench/internal/serving"
	"github.com/seed-473295a7/vitrine/internal/postgres"
	pb "github.com/seed-473295a7/vitrine/proto/vitrine/v1"
)

const (
	atLoad = .7 // of the highest rate
	warmup = .2 // of a load's length, not counted
)

// measure fills, trains and loads a catalogue of n items.
func (b *bench) measure(ctx context.Context, n int) (err error) {
	database, err := b.cluster.Create(ctx, fmt.Sprintf("items%d", n))
	if err != nil {
		return err
	}
	b.report.Section(fmt.Sprintf("%d items", n))
	if err := b.prepare(ctx, database, n); err != nil {
		return err
	}
	start := time.Now()
	s, err := b.program.Serve(ctx, database)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	b.report.Value(fmt.Sprintf("start_s_%d", n), "start to first answer, s", time.Since(start).Seconds(), "")
	resident, err := s.SettledMB(ctx)
	if err != nil {
		return err
	}
	b.report.Value(fmt.Sprintf("rss_loaded_mb_%d", n), "resident memory when loaded, MiB", resident, "")
	if err := b.settle(ctx, s, n); err != nil {
		return err
	}
	calls := b.calls(s, n)
	for _, clients := range b.opts.clients {
		for _, c := range calls {
			progress("%d items: %s, %d clients", n, c.name, clients)
			if err := b.load(ctx, s, c, clients); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
		}
	}
	progress("%d items: %s at load", n, calls[1].name)
	if err := b.paced(ctx, s, calls[1]); err != nil {
		return err
	}
	if resident, err = s.SettledMB(ctx); err != nil {
		return err
	}
	b.report.Value(fmt.Sprintf("rss_busy_mb_%d", n), "resident memory after these loads, MiB", resident, "")
	b.report.Values["rss_mb"] = resident
	return nil
}

// settle waits until a large catalogue has its graph: until then searches scan, and one thread builds.
func (b *bench) settle(ctx context.Context, s *serving.Server, n int) error {
	const withoutGraph = 20_000 // docs/algorithms.md, Nearest neighbours
	if n < withoutGraph {
		return nil
	}
	progress("%d items: the graph is built", n)
	start := time.Now()
	for {
		index, err := s.Metrics(ctx, "vitrine_index_")
		if err != nil {
			return err
		}
		if index["vitrine_index_nodes"] > 0 {
			b.report.Value(fmt.Sprintf("graph_s_%d", n), "from there to the graph, s", time.Since(start).Seconds(), "")
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

// prepare fills a database and lets the program fit its space and train.
func (b *bench) prepare(ctx context.Context, database string, n int) error {
	start := time.Now()
	if err := postgres.Migrate(ctx, database); err != nil {
		return err
	}
	config := postgres.DefaultConfig()
	config.URL = database
	store, err := postgres.Open(ctx, config)
	if err != nil {
		return err
	}
	defer store.Close()
	progress("%d items: fill", n)
	interactions, err := catalog{b.outputs, n, b.opts.seed}.fill(ctx, store, b.opts)
	if err != nil {
		return err
	}
	b.report.Text("simulated", "%d users, %d likes; written in %.0f s", b.opts.users, interactions, time.Since(start).Seconds())
	for _, command := range []string{"embed", "train"} {
		progress("%d items: vitrine %s", n, command)
		start := time.Now()
		if out, err := b.program.Command(ctx, database, command).CombinedOutput(); err != nil {
			return fmt.Errorf("vitrine %s: %w", command, serving.WithOutput(err, string(out)))
		}
		b.report.Text("vitrine "+command, "%.0f s", time.Since(start).Seconds())
	}
	return nil
}

// call is one kind of request; its stages are those that the server counts under stage.
type call struct {
	name, stage string
	do          func(ctx context.Context, n int) error
}

// calls are the peer, Recommend and the others, in the order of the report.
func (b *bench) calls(s *serving.Server, items int) []call {
	order := rand.New(rand.NewPCG(b.opts.seed, 3))
	users, shown := order.Perm(b.opts.users), order.Perm(items)
	recommend := func(filter func(int) string) func(context.Context, int) error {
		return func(ctx context.Context, n int) error {
			_, err := s.Client.Recommend(ctx, &pb.RecommendRequest{Filter: filter(n),
				Actor: &pb.RecommendRequest_UserId{UserId: userID(users[n%len(users)])}})
			return err
		}
	}
	similar := func(filter func(int) string) func(context.Context, int) error {
		return func(ctx context.Context, n int) error {
			_, err := s.Client.FindSimilarItems(ctx, &pb.FindSimilarItemsRequest{Filter: filter(n), ItemId: itemID(shown[n%len(shown)])})
			return err
		}
	}
	none := func(int) string { return "" }
	health := healthpb.NewHealthClient(s.Conn)
	return []call{
		{"empty gRPC call", "", func(ctx context.Context, _ int) error {
			_, err := health.Check(ctx, &healthpb.HealthCheckRequest{})
			return err
		}},
		{"Recommend", "recommend", recommend(none)},
		{"Recommend, filtered", "recommend", recommend(filterOf)},
		{"FindSimilarItems", "find_similar_items", similar(none)},
		{"FindSimilarItems, filtered", "find_similar_items", similar(filterOf)},
	}
}

// load measures a call from callers that never pause.
func (b *bench) load(ctx context.Context, s *serving.Server, c call, clients int) error {
	l := serving.Load{Callers: clients, Length: time.Duration(float64(b.opts.seconds) * warmup), Call: c.do}
	if _, err := l.Run(ctx, s); err != nil {
		return err
	}
	before, err := s.Metrics(ctx, "vitrine_stage_seconds")
	if err != nil {
		return err
	}
	l.Length = b.opts.seconds
	r, err := l.Run(ctx, s)
	if err != nil {
		return err
	}
	b.tell(fmt.Sprintf("%s, %d clients", c.name, clients), r)
	if clients != b.opts.clients[0] {
		return nil
	}
	after, err := s.Metrics(ctx, "vitrine_stage_seconds")
	for stage, ms := range stages(before, after, c.stage) {
		b.report.Text("    stage "+stage, "%s ms in the mean", serving.Number(ms))
	}
	return err
}

func (b *bench) tell(label string, r serving.LoadResult) {
	b.report.Text(label, "%6s/s   p50 %s  p99 %s  p99.9 %s ms   CPU %s ms each", serving.Number(r.PerSecond()), serving.Number(serving.Quantile(r.Latencies, .5)),
		serving.Number(serving.Quantile(r.Latencies, .99)), serving.Number(serving.Quantile(r.Latencies, .999)), serving.Number(1e3/r.PerCPUSecond()))
}

// paced measures latency at load: a share of the rate that is possible just now, for others use
// this machine too.
func (b *bench) paced(ctx context.Context, s *serving.Server, c call) error {
	top, err := serving.Load{Callers: slices.Max(b.opts.clients), Length: b.opts.seconds, Call: c.do}.Run(ctx, s)
	if err != nil {
		return err
	}
	r, err := serving.Paced{Rate: atLoad * top.PerSecond(), Length: 2 * b.opts.seconds, Seed: b.opts.seed, Call: c.do}.Run(ctx, s)
	if err != nil {
		return err
	}
	b.tell(fmt.Sprintf("%s, %.0f %% of %s/s", c.name, 100*atLoad, serving.Number(top.PerSecond())), r)
	b.report.Values["rps"], b.report.Values["p99_ms"] = top.PerSecond(), serving.Quantile(r.Latencies, .99)
	return nil
}

// stages splits the time of a call, in ms, by what the server counted in between; empty if it
// counts no stages.
func stages(before, after map[string]float64, call string) map[string]float64 {
	out := make(map[string]float64)
	for _, name := range slices.Sorted(maps.Keys(after)) {
		labels, ok := strings.CutPrefix(name, "vitrine_stage_seconds_sum")
		if !ok || !strings.Contains(labels, `call="`+call+`"`) {
			continue
		}
		_, stage, _ := strings.Cut(labels, `stage="`)
		count := "vitrine_stage_seconds_count" + labels
		if n := after[count] - before[count]; n > 0 {
			out[strings.TrimSuffix(stage, `"}`)] = 1e3 * (after[name] - before[name]) / n
		}
	}
	return out
}
