package engine_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/seed-473295a7/vitrine/internal/ann"
	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/pgtest"
	"github.com/seed-473295a7/vitrine/internal/postgres"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// countingStore counts the vectors that loads read.
type countingStore struct {
	*postgres.Store
	vectors int
}

func (s *countingStore) Load(ctx context.Context, halfLife time.Duration, after func(engine.Head) int64, each func(engine.ItemRow) error) (engine.Head, error) {
	return s.Store.Load(ctx, halfLife, after, func(row engine.ItemRow) error {
		if row.Vector != nil {
			s.vectors++
		}
		return each(row)
	})
}

// indexed is an engine whose index has a graph from 100 items on.
type indexed struct {
	bundle
	reads *countingStore
}

// openIndexed starts an engine on a database, with an index file or "".
func openIndexed(t *testing.T, dsn, file string) indexed {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	config := postgres.DefaultConfig()
	config.URL, config.Log = dsn, log
	store, err := postgres.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	settings := engine.DefaultConfig()
	settings.Recipe.ALS.Factors = 16
	settings.Index.Engine, settings.Index.MinGraph, settings.Index.MaxTail = ann.HNSW, 100, 50
	settings.IndexFile, settings.RecallSample = file, 1
	reads := &countingStore{Store: store}
	encoder := new(toyEncoder)
	e, err := engine.New(settings, engine.Deps{Store: reads, Encoder: encoder, Log: log, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return indexed{bundle{e, store, encoder, dsn}, reads}
}

// portrait returns an item with a picture of its own.
func portrait(id string, r *rand.Rand) engine.Registration {
	values := make([]float32, toyDims)
	for i := range values {
		values[i] = float32(r.NormFloat64())
	}
	return engine.Registration{Item: recsys.Item{ItemID: id, Title: id}, Image: picture(values...)}
}

func fill(t *testing.T, b bundle, from, to int) {
	t.Helper()
	r := rand.New(rand.NewPCG(uint64(from), 8))
	var items []engine.Registration
	for i := from; i < to; i++ {
		items = append(items, portrait(fmt.Sprintf("item-%03d", i), r))
	}
	b.register(t, items...)
}

func (b indexed) rebuild(t *testing.T) {
	t.Helper()
	if rebuilt, err := b.RebuildIndex(t.Context()); err != nil || !rebuilt {
		t.Fatalf("rebuilt: %v, %v", rebuilt, err)
	}
}

// neighbours are the answers of a catalogue: what is similar to each item.
func neighbours(t *testing.T, b bundle) map[string][]engine.SimilarItem {
	t.Helper()
	out := make(map[string][]engine.SimilarItem)
	for i := range 320 {
		id := fmt.Sprintf("item-%03d", i)
		if b.Vector(id) == nil {
			continue
		}
		found, err := b.FindSimilarItems(t.Context(), engine.SimilarQuery{ItemID: id, PageSize: 20, MinSimilarity: -1})
		if err != nil {
			t.Fatal(err)
		}
		out[id] = found.Items
	}
	return out
}

// sameNeighbours holds an engine against one that read everything from the database.
func sameNeighbours(t *testing.T, what string, b indexed) {
	t.Helper()
	plain := openIndexed(t, b.dsn, "")
	if diff := cmp.Diff(neighbours(t, plain.bundle), neighbours(t, b.bundle)); diff != "" {
		t.Errorf("%s (-from the database +at hand):\n%s", what, diff)
	}
}

// An engine that finds an index file reads only what the file lacks, and answers as one that
// reads everything.
func TestIndexFileSparesReading(t *testing.T) {
	t.Parallel()
	dsn, file := pgtest.New(t), filepath.Join(t.TempDir(), "new", "index")
	first := openIndexed(t, dsn, file)
	fill(t, first.bundle, 0, 300)
	first.settle(t)
	first.rebuild(t)
	if err := first.SaveIndex(); err != nil {
		t.Fatal(err)
	}

	second := openIndexed(t, dsn, file)
	if second.reads.vectors != 0 || second.IndexStats().Nodes != 300 {
		t.Errorf("%d vectors were read; %+v", second.reads.vectors, second.IndexStats())
	}
	sameNeighbours(t, "nothing happened", second)

	// After the save: new, replaced and deleted items.
	fill(t, first.bundle, 300, 310)
	first.register(t, portrait("item-005", rand.New(rand.NewPCG(1, 1))), engine.Registration{Item: recsys.Item{ItemID: "item-006"}})
	for _, id := range []string{"item-007", "item-301"} {
		if err := first.DeleteItem(t.Context(), id, false, recsys.RequestID{}); err != nil {
			t.Fatal(err)
		}
	}
	third := openIndexed(t, dsn, file)
	if n := third.reads.vectors; n < 10 || n > 12 {
		t.Errorf("%d vectors were read, want 10 and those replaced", n)
	}
	if s := third.IndexStats(); s.Items != third.Stats().Vectors || s.Items != 307 || s.Nodes != 300 {
		t.Errorf("index after changes: %+v", s)
	}
	sameNeighbours(t, "changed since", third)
	if err := third.SaveIndex(); err != nil {
		t.Fatal(err)
	}
	if fourth := openIndexed(t, dsn, file); fourth.reads.vectors != 0 || fourth.IndexStats().Items != 307 {
		t.Errorf("saved again: %d vectors were read; %+v", fourth.reads.vectors, fourth.IndexStats())
	}
}

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// A file that is damaged or of something else costs time and no right answer.
func TestIndexFileIsNotTrusted(t *testing.T) {
	t.Parallel()
	dsn, file := pgtest.New(t), filepath.Join(t.TempDir(), "index")
	b := openIndexed(t, dsn, file)
	fill(t, b.bundle, 0, 200)
	b.settle(t)
	b.rebuild(t)
	if err := b.SaveIndex(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	again := func(what string, content []byte) {
		t.Helper()
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		after := openIndexed(t, dsn, file)
		if after.reads.vectors < 200 {
			t.Errorf("%s: only %d vectors were read", what, after.reads.vectors)
		}
		sameNeighbours(t, what, after)
	}
	flipped := append([]byte(nil), whole...)
	flipped[len(flipped)/2] ^= 4
	again("a flipped bit", flipped)
	again("cut off", whole[:len(whole)-100])
	again("empty", nil)

	// Another shop with the same items, the same space and the same change numbers.
	other := openIndexed(t, pgtest.New(t), "")
	fill(t, other.bundle, 0, 200)
	other.settle(t)
	r := rand.New(rand.NewPCG(77, 7))
	var replaced []engine.Registration
	for i := range 200 {
		replaced = append(replaced, portrait(fmt.Sprintf("item-%03d", i), r))
	}
	other.register(t, replaced...)
	var seq int64
	if err := connect(t, dsn).QueryRow(t.Context(), `SELECT min(seq) FROM item`).Scan(&seq); err != nil {
		t.Fatal(err)
	}
	if _, err := connect(t, other.dsn).Exec(t.Context(), `UPDATE item SET seq = $1`, seq); err != nil {
		t.Fatal(err)
	}
	dsn = other.dsn
	again("of another shop", whole)
}

// A model that goes live makes every process load anew; the graph survives that.
func TestIndexSurvivesTraining(t *testing.T) {
	t.Parallel()
	b := openIndexed(t, pgtest.New(t), "")
	twoTastes(t, b.bundle)
	fill(t, b.bundle, 0, 100)
	b.settle(t)
	b.rebuild(t)
	before := b.reads.vectors
	if _, _, err := b.Train(t.Context(), silent); err != nil {
		t.Fatal(err)
	}
	if err := b.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := b.IndexStats(); s.Nodes == 0 || s.Tail != 0 || b.reads.vectors != before {
		t.Errorf("after the training: %+v, %d more vectors were read", s, b.reads.vectors-before)
	}
	if list := b.recommend(t, engine.RecommendQuery{Actor: recsys.User("u00")}); list.Strategy != engine.StrategyBlend || len(list.Items) != 20 {
		t.Errorf("%v of %d items", list.Strategy, len(list.Items))
	}
	sameNeighbours(t, "trained", b)
}

// Reading, writing, rebuilding, reloading, saving and measuring at once.
func TestIndexUnderWay(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "index")
	b := openIndexed(t, pgtest.New(t), file)
	fill(t, b.bundle, 0, 150)
	b.settle(t)
	ctx, stop := context.WithCancel(t.Context())
	var beside sync.WaitGroup
	again := func(f func() error) {
		beside.Go(func() {
			for ctx.Err() == nil {
				if err := f(); err != nil && ctx.Err() == nil {
					t.Error(err)
					return
				}
			}
		})
	}
	again(func() error {
		_, err := b.FindSimilarItems(ctx, engine.SimilarQuery{ItemID: "item-000", PageSize: 20, MinSimilarity: -1})
		return err
	})
	again(func() error {
		select {
		case sample := <-b.RecallSamples():
			return b.MeasureRecall(sample)
		case <-ctx.Done():
			return nil
		}
	})
	again(b.SaveIndex)
	again(func() error { return b.Load(ctx) })
	again(func() error { _, err := b.RebuildIndex(ctx); return err })

	r := rand.New(rand.NewPCG(3, 3))
	for i := 150; i < 300; i += 10 {
		fill(t, b.bundle, i, i+10)
		gone := fmt.Sprintf("item-%03d", 1+r.IntN(i/10)*10)
		if err := b.DeleteItem(t.Context(), gone, true, recsys.RequestID{}); err != nil {
			t.Fatal(err)
		}
		if b.Vector(gone) != nil {
			t.Errorf("%s is there after its deletion", gone)
		}
	}
	stop()
	beside.Wait()
	b.settle(t)
	sameNeighbours(t, "after all that", b)
	if recall, samples := b.Recall(); samples > 0 && recall < .9 {
		t.Errorf("recall %v of %d samples", recall, samples)
	}
}
