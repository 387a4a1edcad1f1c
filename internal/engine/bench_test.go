package engine_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/pgtest"
	"github.com/seed-473295a7/vitrine/internal/postgres"
	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/trial"
)

// planted is an encoder whose pictures name a place: clusters, as pictures of real things form.
type planted struct{ dims int }

func (planted) Name() string { return "planted@1" }
func (p planted) Dims() int  { return p.dims }

func (p planted) Tensor(image []byte) ([]float32, error) {
	var cluster, item uint64
	if _, err := fmt.Sscan(string(image), &cluster, &item); err != nil {
		return nil, err
	}
	centre, own := rand.New(rand.NewPCG(cluster, 1)), rand.New(rand.NewPCG(item, 2))
	out := make([]float32, p.dims)
	for i := range out {
		out[i] = float32(centre.NormFloat64() + .7*own.NormFloat64())
	}
	return out, nil
}

func (planted) Encode(_ context.Context, tensor []float32) ([]float32, error) { return tensor, nil }

// largeShop is a trained shop in memory, of so many items in clusters of 500, whose index has
// been rebuilt.
func largeShop(b *testing.B, items, dims int) *engine.Engine {
	b.Helper()
	settings := engine.DefaultConfig()
	settings.RecallSample = 0
	e, err := engine.New(settings, engine.Deps{Store: trial.NewStore(), Encoder: planted{dims}, Log: slog.New(slog.DiscardHandler), Now: time.Now})
	if err != nil {
		b.Fatal(err)
	}
	if err := e.Load(b.Context()); err != nil {
		b.Fatal(err)
	}
	clusters := max(1, items/500)
	registerPlanted(b, e, items, clusters)
	r := rand.New(rand.NewPCG(9, 9))
	var writes []engine.InteractionWrite
	for user := range 5000 {
		taste := r.IntN(clusters)
		for range 30 {
			item := taste + clusters*r.IntN(items/clusters)
			writes = append(writes, engine.InteractionWrite{Interaction: recsys.Interaction{
				Actor: recsys.User(fmt.Sprint(user)), ItemID: fmt.Sprint(item), Type: recsys.Like}})
		}
	}
	e.RecordInteractions(b.Context(), writes)
	if err := e.Sync(b.Context()); err != nil {
		b.Fatal(err)
	}
	if _, _, err := e.Train(b.Context(), silent); err != nil {
		b.Fatal(err)
	}
	if err := e.Sync(b.Context()); err != nil {
		b.Fatal(err)
	}
	if _, err := e.RebuildIndex(b.Context()); err != nil {
		b.Fatal(err)
	}
	return e
}

func registerPlanted(b *testing.B, e *engine.Engine, items, clusters int) {
	b.Helper()
	const batchSize = 2000
	for from := 0; from < items; from += batchSize {
		var batch []engine.Registration
		for i := from; i < min(items, from+batchSize); i++ {
			batch = append(batch, engine.Registration{Item: recsys.Item{ItemID: fmt.Sprint(i)}, Image: fmt.Appendf(nil, "%d %d", i%clusters, i)})
		}
		for _, r := range e.RegisterItems(b.Context(), batch) {
			if r.Err != nil {
				b.Fatal(r.Err)
			}
		}
	}
}

// BenchmarkStart loads a large catalogue from PostgreSQL: without an index file, which leaves a
// graph to be built, and with one.
func BenchmarkStart(b *testing.B) {
	const items, dims = 100_000, 1280
	log := slog.New(slog.DiscardHandler)
	config := postgres.DefaultConfig()
	config.URL, config.Log = pgtest.New(b), log
	store, err := postgres.Open(b.Context(), config)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(store.Close)
	start := func(b *testing.B, file string) *engine.Engine {
		settings := engine.DefaultConfig()
		settings.IndexFile = file
		e, err := engine.New(settings, engine.Deps{Store: store, Encoder: planted{dims}, Log: log, Now: time.Now})
		if err != nil {
			b.Fatal(err)
		}
		if err := e.Load(b.Context()); err != nil {
			b.Fatal(err)
		}
		return e
	}
	file := filepath.Join(b.TempDir(), "index")
	first := start(b, file)
	registerPlanted(b, first, items, items/500)
	if err := first.Sync(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.Run("without", func(b *testing.B) {
		defer cpuTime(b)()
		for range b.N {
			first = start(b, "")
		}
	})
	first = start(b, file)
	b.Run("rebuild", func(b *testing.B) {
		defer cpuTime(b)()
		if _, err := first.RebuildIndex(b.Context()); err != nil {
			b.Fatal(err)
		}
	})
	b.Run("save", func(b *testing.B) {
		defer cpuTime(b)()
		if err := first.SaveIndex(); err != nil {
			b.Fatal(err)
		}
	})
	first = nil
	b.Run("with", func(b *testing.B) {
		defer cpuTime(b)()
		for range b.N {
			if e := start(b, file); e.IndexStats().Nodes != items {
				b.Fatalf("%+v", e.IndexStats())
			}
		}
	})
}

// cpuTime reports allocations and processor time beside the wall time, which says little on a
// machine that others use.
func cpuTime(b *testing.B) (report func()) {
	b.ReportAllocs()
	used := func() (d time.Duration) {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	before := used()
	return func() { b.ReportMetric(float64((used()-before).Nanoseconds())/float64(b.N), "cpu-ns/op") }
}

func BenchmarkRequests(b *testing.B) {
	const items = 100_000
	e := largeShop(b, items, 128)
	recommend := func(q func(i int) engine.RecommendQuery) func(*testing.B) {
		return func(b *testing.B) {
			defer cpuTime(b)()
			for i := range b.N {
				if list, err := e.Recommend(b.Context(), q(i)); err != nil || len(list.Items) != 20 {
					b.Fatal(len(list.Items), err)
				}
			}
		}
	}
	user := func(i int) recsys.Actor { return recsys.User(fmt.Sprint(i % 5000)) }
	b.Run("user", recommend(func(i int) engine.RecommendQuery {
		return engine.RecommendQuery{Actor: user(i), PageSize: 20}
	}))
	b.Run("user beside an item", recommend(func(i int) engine.RecommendQuery {
		return engine.RecommendQuery{Actor: user(i), PageSize: 20, ContextItemIDs: []string{fmt.Sprint(i % items)}}
	}))
	b.Run("nobody beside an item", recommend(func(i int) engine.RecommendQuery {
		return engine.RecommendQuery{PageSize: 20, ContextItemIDs: []string{fmt.Sprint(i % items)}}
	}))
	b.Run("nobody", recommend(func(int) engine.RecommendQuery { return engine.RecommendQuery{PageSize: 20} }))
	b.Run("similar", func(b *testing.B) {
		defer cpuTime(b)()
		for i := range b.N {
			if _, err := e.FindSimilarItems(b.Context(), engine.SimilarQuery{ItemID: fmt.Sprint(i % items), PageSize: 20, MinSimilarity: -1}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
