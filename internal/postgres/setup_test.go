package postgres_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/pgtest"
	"github.com/seed-473295a7/vitrine/internal/postgres"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// bundle is a store on a database of its own.
type bundle struct {
	*postgres.Store
	url string
	raw *pgx.Conn // beside the store, for looking behind it
}

func setup(t testing.TB) *bundle {
	t.Helper()
	url := pgtest.New(t)
	raw, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { raw.Close(context.WithoutCancel(t.Context())) })
	return &bundle{Store: openStore(t, url), url: url, raw: raw}
}

func openStore(t testing.TB, url string) *postgres.Store {
	t.Helper()
	return openConfig(t, config(t, url))
}

func config(t testing.TB, url string) postgres.Config {
	c := postgres.DefaultConfig()
	c.URL, c.Log = url, slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	return c
}

func openConfig(t testing.TB, c postgres.Config) *postgres.Store {
	t.Helper()
	s, err := postgres.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// number runs a query that answers one integer.
func (b *bundle) number(t *testing.T, query string, args ...any) (n int64) {
	t.Helper()
	if err := b.raw.QueryRow(t.Context(), query, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

// activeSpace creates and activates a space of some dimensions.
func activeSpace(t testing.TB, s *postgres.Store, dims int) recsys.SpaceID {
	t.Helper()
	id, err := s.CreateSpace(t.Context(), recsys.SpaceRecord{Encoder: "enc@1", Dims: dims, Recipe: []byte("recipe")})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.ActivateSpace(t.Context(), id, 0, noVectors); err != nil {
		t.Fatal(err)
	}
	return id
}

func noVectors(rows []engine.ItemRow) ([][]float32, error) { return make([][]float32, len(rows)), nil }

// put writes one item and wants it written.
func put(t testing.TB, s *postgres.Store, w engine.ItemWrite) engine.ItemResult {
	t.Helper()
	return putAll(t, s, w)[0]
}

func putAll(t testing.TB, s *postgres.Store, writes ...engine.ItemWrite) []engine.ItemResult {
	t.Helper()
	results, err := s.PutItems(t.Context(), writes)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range results {
		if r.Err != nil {
			t.Fatalf("item %d: %v", i, r.Err)
		}
	}
	return results
}

func itemNamed(id string) engine.ItemWrite {
	return engine.ItemWrite{Item: recsys.Item{ItemID: id, Title: "title of " + id}}
}

// pictured gives a write a picture with its raw output.
func pictured(w engine.ItemWrite, picture string) engine.ItemWrite {
	digest := sha256.Sum256([]byte(picture))
	w.Item.ImageDigest, w.Image = digest[:], []byte(picture)
	w.Encoder, w.Raw = "enc@1", []float32{float32(len(picture)), 2}
	return w
}

// record appends one interaction and wants it stored.
func record(t testing.TB, s *postgres.Store, in recsys.Interaction) engine.InteractionResult {
	t.Helper()
	results, err := s.PutInteractions(t.Context(), []engine.InteractionWrite{{Interaction: in}})
	if err != nil {
		t.Fatal(err)
	}
	if results[0].Err != nil {
		t.Fatal(results[0].Err)
	}
	return results[0]
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func view(actor recsys.Actor, itemID string, minute int) recsys.Interaction {
	return recsys.Interaction{Actor: actor, ItemID: itemID, Type: recsys.View, EventTime: noon.Add(time.Duration(minute) * time.Minute)}
}

// requests numbers request ids, so that tests on one database never share one by chance.
type requests struct{ n atomic.Uint64 }

// next names a request with a body.
func (r *requests) next(body string) recsys.RequestID {
	id := recsys.RequestID{Digest: sha256.Sum256([]byte(body))}
	binary.BigEndian.PutUint64(id.ID[8:], r.n.Add(1))
	return id
}

func withBody(r recsys.RequestID, body string) recsys.RequestID {
	r.Digest = sha256.Sum256([]byte(body))
	return r
}
