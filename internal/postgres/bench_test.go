package postgres_test

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/pgtest"
	"github.com/seed-473295a7/vitrine/internal/postgres"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// BenchmarkAcknowledgedInteractions compares the group commit with what it replaces: each
// caller inserting its row in a transaction of its own, without a change number, into the same
// table. The server is durable (fsync, synchronous_commit).
func BenchmarkAcknowledgedInteractions(b *testing.B) {
	server := pgtest.NewServer(b)
	if err := postgres.Migrate(b.Context(), server.DSN()); err != nil {
		b.Fatal(err)
	}
	for _, callers := range []int{1, 16, 64, 256} {
		b.Run(fmt.Sprintf("group_commit/callers=%d", callers), func(b *testing.B) {
			store := openStore(b, server.DSN())
			concurrently(b, callers, func(ctx context.Context, n int64) error {
				_, err := store.PutInteractions(ctx, []engine.InteractionWrite{{Interaction: event(n)}})
				return err
			})
		})
		b.Run(fmt.Sprintf("group_commit_with_request_id/callers=%d", callers), func(b *testing.B) {
			store := openStore(b, server.DSN())
			var ids requests
			ids.n.Store(uint64(callers) << 40)
			concurrently(b, callers, func(ctx context.Context, n int64) error {
				_, err := store.PutInteractions(ctx, []engine.InteractionWrite{{Interaction: event(n), Request: ids.next(fmt.Sprint(b.N))}})
				return err
			})
		})
		b.Run(fmt.Sprintf("single_row_insert/callers=%d", callers), func(b *testing.B) {
			c, err := pgxpool.ParseConfig(server.DSN())
			if err != nil {
				b.Fatal(err)
			}
			c.MaxConns = int32(min(callers, 50)) // the server takes 64
			pool, err := pgxpool.NewWithConfig(b.Context(), c)
			if err != nil {
				b.Fatal(err)
			}
			defer pool.Close()
			concurrently(b, callers, func(ctx context.Context, n int64) error {
				in := event(n)
				_, err := pool.Exec(ctx, `INSERT INTO interaction (user_id, item_id, type, value, event_time, recommendation_id, seq)
					VALUES ($1, $2, $3, $4, $5, $6, 1)`, in.Actor.ID, in.ItemID, in.Type, in.Value, in.EventTime, in.RecommendationID)
				return err
			})
		})
	}
}

func event(n int64) recsys.Interaction {
	return view(recsys.User(fmt.Sprint("user", n%5000)), fmt.Sprint("item", n%4654), int(n%100_000))
}

// concurrently shares b.N calls among callers.
func concurrently(b *testing.B, callers int, call func(context.Context, int64) error) {
	b.Helper()
	b.ReportAllocs()
	b.SetParallelism((callers + runtime.GOMAXPROCS(0) - 1) / runtime.GOMAXPROCS(0))
	var n atomic.Int64
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := call(b.Context(), n.Add(1)); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkLoad measures streaming a catalogue with its vectors.
func BenchmarkLoad(b *testing.B) {
	s := openStore(b, pgtest.New(b))
	space := activeSpace(b, s, 1280)
	const items, batch = 10_000, 500
	for at := 0; at < items; at += batch {
		var writes []engine.ItemWrite
		for i := range batch {
			w := itemNamed(fmt.Sprint("item", at+i))
			w.Space, w.Vector = space, make([]float32, 1280)
			w.Item.Attributes = map[string]recsys.Attribute{"genre": recsys.Labels("a", "b"), "year": recsys.Number(1999)}
			writes = append(writes, w)
		}
		putAll(b, s, writes...)
	}
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		if _, err := s.Load(b.Context(), 0, nil, func(engine.ItemRow) error { n++; return nil }); err != nil || n != items {
			b.Fatal(n, err)
		}
	}
	b.ReportMetric(float64(b.N)*items/b.Elapsed().Seconds(), "items/s")
}
