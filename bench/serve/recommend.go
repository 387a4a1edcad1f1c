package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/seed-473295a7/vitrine/bench/internal/serving"
	pb "github.com/seed-473295a7/vitrine/proto/vitrine/v1"
)

const (
	sampleLines     = 8  // of the list that is printed
	fewInteractions = 5  // such an item is nearly cold
	crowd           = 8  // concurrent callers of Recommend
	warmup          = .2 // of a load's length, not counted
)

// measureLoaded serves the imported catalogue.
func (b *bench) measureLoaded(ctx context.Context) (err error) {
	database, err := b.cluster.URL(loadedDatabase)
	if err != nil {
		return err
	}
	start := time.Now()
	s, err := b.program.Serve(ctx, database)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	ready := time.Since(start)
	resident, err := s.SettledMB(ctx)
	if err != nil {
		return err
	}
	b.report.Section("vitrine serve on the imported catalogue")
	b.report.Value("serve_start_s", "start to first answer, s", ready.Seconds(), "")
	b.report.Value("rss_loaded_mb", "resident memory, MiB", resident, "")
	if err := b.recommend(ctx, s); err != nil {
		return err
	}
	after, err := s.SettledMB(ctx)
	if err != nil {
		return err
	}
	b.report.Value("rss_busy_mb", "resident memory after these loads, MiB", after, "")
	progress("RecordInteraction")
	return b.record(ctx, s, database)
}

// recommend asks once for every user, then keeps asking, alone and in a crowd.
func (b *bench) recommend(ctx context.Context, s *serving.Server) error {
	users := slices.Clone(b.pack.users)
	rand.New(rand.NewPCG(b.opts.seed, 2)).Shuffle(len(users), func(i, j int) { users[i], users[j] = users[j], users[i] })
	first, err := b.firstLists(ctx, s, users)
	if err != nil {
		return err
	}
	out := b.report
	out.Section("Recommend: 20 items for each user of the catalogue in turn")
	out.Value("recommend_first_p50_ms", "first request of a user, p50, ms", serving.Quantile(first, .5), "history read from PostgreSQL")
	out.Value("recommend_first_p99_ms", "first request of a user, p99, ms", serving.Quantile(first, .99), "")
	for _, callers := range []int{1, crowd} {
		progress("Recommend, concurrent callers: %d", callers)
		warm := serving.Load{Callers: callers, Length: time.Duration(float64(b.opts.seconds) * warmup), Call: askFor(s, users)}
		if _, err := warm.Run(ctx, s); err != nil {
			return err
		}
		warm.Length = b.opts.seconds
		r, err := warm.Run(ctx, s)
		if err != nil {
			return err
		}
		name, label := "recommend", "1 caller"
		if callers > 1 {
			name, label = fmt.Sprintf("recommend_c%d", callers), fmt.Sprintf("%d callers", callers)
		}
		out.Value(name+"_p50_ms", label+": p50, ms", serving.Quantile(r.Latencies, .5), fmt.Sprintf("%d requests", len(r.Latencies)))
		out.Value(name+"_p99_ms", label+": p99, ms", serving.Quantile(r.Latencies, .99), "")
		out.Value(name+"_per_s", label+": requests per second", r.PerSecond(), "")
		out.Value(name+"_per_cpu_s", label+": requests per CPU-second of the server", r.PerCPUSecond(), "")
	}
	return nil
}

func askFor(s *serving.Server, users []string) func(context.Context, int) error {
	return func(ctx context.Context, n int) error {
		_, err := ask(ctx, s, users[n%len(users)])
		return err
	}
}

func ask(ctx context.Context, s *serving.Server, user string) (*pb.RecommendResponse, error) {
	return s.Client.Recommend(ctx, &pb.RecommendRequest{Actor: &pb.RecommendRequest_UserId{UserId: user}})
}

// firstLists asks for every user, one after the other, tells what the lists hold and prints one
// with warm and cold items.
func (b *bench) firstLists(ctx context.Context, s *serving.Server, users []string) ([]time.Duration, error) {
	var times []time.Duration
	var sample *pb.RecommendResponse
	sampleUser, blended, mixed, cold, rare, places := "", 0, 0, 0, 0, 0
	for _, user := range users {
		start := time.Now()
		list, err := ask(ctx, s, user)
		if err != nil {
			return nil, fmt.Errorf("recommend for user %q: %w", user, err)
		}
		times = append(times, time.Since(start))
		if list.GetStrategy() == pb.Strategy_STRATEGY_BLEND {
			blended++
		}
		n := itemsUpTo(list.GetRecommendations(), 0)
		cold, rare, places = cold+n, rare+itemsUpTo(list.GetRecommendations(), fewInteractions), places+len(list.GetRecommendations())
		if n > 0 && n < len(list.GetRecommendations()) {
			if mixed++; sample == nil {
				sample, sampleUser = list, user
			}
		}
	}
	out, all := b.report, float64(len(users))
	out.Section("lists of 20 for all users")
	out.Value("lists_blended_share", "share made by the factor model", float64(blended)/all, "")
	out.Value("lists_mixed_share", "share with warm and cold items", float64(mixed)/all, "cold: interaction_count 0")
	out.Value("lists_cold_places_share", "share of places that cold items hold", float64(cold)/float64(max(places, 1)), "")
	out.Value("lists_rare_places_share", fmt.Sprintf("… that items with %d interactions or less hold", fewInteractions), float64(rare)/float64(max(places, 1)), "")
	if sample != nil {
		printList(out, sampleUser, sample)
	}
	return times, nil
}

// itemsUpTo counts the items with at most so many interactions.
func itemsUpTo(list []*pb.Recommendation, interactions int64) int {
	n := 0
	for _, item := range list {
		if item.GetInteractionCount() <= interactions {
			n++
		}
	}
	return n
}

// printList shows the head of a list, and its first cold item if that comes later.
func printList(out *serving.Report, user string, list *pb.RecommendResponse) {
	out.Lines = append(out.Lines, fmt.Sprintf("  one of them, user %s, %s, factor model %s:", user, list.GetEmbeddingSpace(), list.GetFactorModel()),
		fmt.Sprintf("    %2s %7s = %7s + %7s + %7s %12s  %s", "", "score", "content", "collab", "other", "interactions", "title"))
	shown := false
	for k, item := range list.GetRecommendations() {
		first := item.GetInteractionCount() == 0 && !shown
		if k >= sampleLines && !first {
			continue
		}
		shown = shown || first
		parts := item.GetBreakdown()
		out.Lines = append(out.Lines, fmt.Sprintf("    %2d %7.4f = %7.4f + %7.4f + %7.4f %12d  %s", k+1, item.GetScore(), parts.GetContent(),
			parts.GetCollaborative(), parts.GetPopularity()+parts.GetBoost()+parts.GetDiversity(), item.GetInteractionCount(), item.GetTitle()))
	}
}
