package postgres_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// vectors reads what the live space holds.
func (b *bundle) vectors(t *testing.T) map[string][]float32 {
	t.Helper()
	got := make(map[string][]float32)
	_, err := b.Load(t.Context(), 0, nil, func(row engine.ItemRow) error {
		got[row.Item.ItemID] = row.Vector
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestSpaceLifecycle(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := activeSpace(t, b.Store, 1)
	old := itemNamed("old")
	old.Space, old.Vector = first, []float32{1}
	seen := putAll(t, b.Store, old, itemNamed("bare"), itemNamed("gone"))[0].Seq

	record := recsys.SpaceRecord{Encoder: "enc@2", Dims: 2, Recipe: []byte{0, 255, 'x'}}
	id, err := b.CreateSpace(t.Context(), record)
	if err != nil || id <= first {
		t.Fatal(id, err)
	}
	ids := []string{"old", "bare", "gone", "never"}
	vectors := [][]float32{{1, 2}, nil, {3, 4}, {5, 6}}
	if err := b.PutVectors(t.Context(), id, ids, vectors); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string][]float32{"old": {1}, "bare": nil, "gone": nil}, b.vectors(t)); diff != "" {
		t.Errorf("the live space before (want, got):\n%s", diff)
	}
	if head, _, _ := b.Heads(t.Context()); head != seen {
		t.Errorf("PutVectors took a change number: %d, was %d", head, seen)
	}
	if _, err := b.DeleteItem(t.Context(), "gone", recsys.RequestID{}); err != nil {
		t.Fatal(err)
	}
	fresh := itemNamed("fresh")
	fresh.Space, fresh.Vector = first, []float32{9}
	put(t, b.Store, fresh)
	put(t, b.Store, itemNamed("bare"))

	var asked []string
	err = b.ActivateSpace(t.Context(), id, seen, func(rows []engine.ItemRow) ([][]float32, error) {
		for _, row := range rows {
			asked = append(asked, row.Item.ItemID+row.Item.Title)
		}
		return [][]float32{nil, {7, 8}}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"baretitle of bare", "freshtitle of fresh"}, asked); diff != "" {
		t.Errorf("fill was asked for (want, got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string][]float32{"old": {1, 2}, "bare": nil, "fresh": {7, 8}}, b.vectors(t)); diff != "" {
		t.Errorf("the live space after (want, got):\n%s", diff)
	}
	head, err := b.Load(t.Context(), 0, nil, func(engine.ItemRow) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	record.ID, record.CreateTime, record.Lineage = id, head.Space.CreateTime, []byte("{}")
	if diff := cmp.Diff(&record, head.Space); diff != "" || time.Since(head.Space.CreateTime) > time.Minute {
		t.Errorf("live space (want, got):\n%s", diff)
	}
	if got, err := b.Changes(t.Context(), first, 0, head.CatalogSeq-1, 0); err != nil || !got.Reload {
		t.Errorf("a follower in the old space: %+v, %v", got, err)
	}
	// Going back: what was written since must not come with the vector of what it was before.
	changed := itemNamed("old")
	changed.Space, changed.Vector = id, []float32{4, 4}
	put(t, b.Store, changed)
	if err := b.ActivateSpace(t.Context(), first, math.MaxInt64, noVectors); err != nil {
		t.Fatal(err)
	}
	if v := b.vectors(t); v["old"] != nil || v["fresh"][0] != 9 {
		t.Errorf("back in the first space: %v", v)
	}
}

func TestSpaceErrors(t *testing.T) {
	t.Parallel()
	b := setup(t)
	live := activeSpace(t, b.Store, 2)
	put(t, b.Store, itemNamed("a"))
	idle, err := b.CreateSpace(t.Context(), recsys.SpaceRecord{Encoder: "e", Dims: 2})
	if err != nil {
		t.Fatal(err)
	}
	one := func(v ...float32) func([]engine.ItemRow) ([][]float32, error) {
		return func([]engine.ItemRow) ([][]float32, error) { return [][]float32{v}, nil }
	}
	own := errors.New("own")
	for _, c := range []struct {
		name string
		err  error
		want error
	}{
		{"no dims", second(b.CreateSpace(t.Context(), recsys.SpaceRecord{Encoder: "e"})), recsys.ErrInvalid},
		{"vectors of the live space", b.PutVectors(t.Context(), live, []string{"a"}, [][]float32{{1, 2}}), recsys.ErrConflict},
		{"vectors of no space", b.PutVectors(t.Context(), 99, []string{"a"}, [][]float32{{1, 2}}), recsys.ErrNotFound},
		{"too few vectors", b.PutVectors(t.Context(), idle, []string{"a"}, nil), recsys.ErrInvalid},
		{"vector too long", b.PutVectors(t.Context(), idle, []string{"a"}, [][]float32{{1, 2, 3}}), recsys.ErrInvalid},
		{"activate no space", b.ActivateSpace(t.Context(), 99, 0, noVectors), recsys.ErrNotFound},
		{"fill answers too little", b.ActivateSpace(t.Context(), idle, 0, func([]engine.ItemRow) ([][]float32, error) { return nil, nil }), recsys.ErrInvalid},
		{"fill answers NaN", b.ActivateSpace(t.Context(), idle, 0, one(1, float32(math.NaN()))), recsys.ErrInvalid},
		{"fill fails", b.ActivateSpace(t.Context(), idle, 0, func([]engine.ItemRow) ([][]float32, error) { return nil, own }), own},
	} {
		if !errors.Is(c.err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, c.err, c.want)
		}
	}
	if changes, err := b.Changes(t.Context(), live, 0, 2, 0); err != nil || changes.Reload || changes.CatalogSeq != 2 {
		t.Errorf("failures left something: %+v, %v", changes, err)
	}
}

func second[A any](_ A, err error) error { return err }

// embedded is the vector of an item of a certain content in a certain space.
func embedded(space recsys.SpaceID, it recsys.Item) []float32 {
	var n float32
	fmt.Sscan(it.Title, &n)
	return []float32{float32(space), n}
}

// exchange makes a new space from what Load returns, activates it, and checks that every item
// either has the vector of its present content or none.
func exchange(t *testing.T, b *bundle) recsys.SpaceID {
	t.Helper()
	id, err := b.CreateSpace(t.Context(), recsys.SpaceRecord{Encoder: "e", Dims: 2})
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	var vectors [][]float32
	head, err := b.Load(t.Context(), 0, nil, func(row engine.ItemRow) error {
		ids, vectors = append(ids, row.Item.ItemID), append(vectors, embedded(id, row.Item))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.PutVectors(t.Context(), id, ids, vectors); err != nil {
		t.Fatal(err)
	}
	err = b.ActivateSpace(t.Context(), id, head.CatalogSeq, func(rows []engine.ItemRow) (out [][]float32, err error) {
		for _, row := range rows {
			out = append(out, embedded(id, row.Item))
		}
		return out, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	after, err := b.Load(t.Context(), 0, nil, func(row engine.ItemRow) error {
		if want := embedded(id, row.Item); row.Vector != nil && !slices.Equal(want, row.Vector) {
			t.Errorf("item %s has the vector %v, want %v or none", row.Item.ItemID, row.Vector, want)
		}
		return nil
	})
	if err != nil || after.Space.ID != id {
		t.Fatalf("live space %+v, %v", after.Space, err)
	}
	return id
}

// While spaces are exchanged, writers embed in the space that they think is live, often one
// that no longer is.
func TestActivateSpaceWhileWritersRun(t *testing.T) {
	t.Parallel()
	b := setup(t)
	other := openStore(t, b.url)
	var known atomic.Int64
	known.Store(int64(activeSpace(t, b.Store, 2)))
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			var space recsys.SpaceID
			for i := 0; ctx.Err() == nil; i++ {
				if i%5 == 0 {
					space = recsys.SpaceID(known.Load())
				}
				w := engine.ItemWrite{Item: recsys.Item{ItemID: fmt.Sprint("item", (i+worker)%7), Title: fmt.Sprint(i)}, Space: space}
				w.Vector = embedded(space, w.Item)
				if _, err := other.PutItems(t.Context(), []engine.ItemWrite{w}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 6 {
		known.Store(int64(exchange(t, b)))
	}
	stop()
	wg.Wait()
}

func TestModels(t *testing.T) {
	t.Parallel()
	b := setup(t)
	if _, err := b.CreateModel(t.Context(), recsys.ModelRecord{Parameters: []byte("{")}); !errors.Is(err, recsys.ErrInvalid) {
		t.Errorf("parameters that are no JSON: %v", err)
	}
	if err := b.ActivateModel(t.Context(), 1, false); !errors.Is(err, recsys.ErrNotFound) {
		t.Errorf("activate no model: %v", err)
	}
	bare, err := b.CreateModel(t.Context(), recsys.ModelRecord{})
	if err != nil {
		t.Fatal(err)
	}
	record := recsys.ModelRecord{Model: make([]byte, 3<<20), Parameters: []byte(`{"seed": 1, "alpha": 0.3}`), CatalogSeq: 5, InteractionSeq: 6}
	record.Model[1<<20] = 7
	id, err := b.CreateModel(t.Context(), record)
	if err != nil {
		t.Fatal(err)
	}
	for _, active := range []recsys.ModelID{bare, id} {
		if err := b.ActivateModel(t.Context(), active, false); err != nil {
			t.Fatal(err)
		}
	}
	head, err := b.Load(t.Context(), 0, nil, func(engine.ItemRow) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	var want, got any
	if err := errors.Join(json.Unmarshal(record.Parameters, &want), json.Unmarshal(head.Model.Parameters, &got)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("parameters (want, got):\n%s", diff)
	}
	if !bytes.Equal(record.Model, head.Model.Model) { // cmp takes seconds for megabytes
		t.Error("the model's bytes differ")
	}
	record.ID, record.CreateTime, record.Parameters, record.Model = id, head.Model.CreateTime, head.Model.Parameters, head.Model.Model[:0]
	head.Model.Model = head.Model.Model[:0]
	if diff := cmp.Diff(&record, head.Model); diff != "" || head.CatalogSeq != 2 {
		t.Errorf("live model of change %d (want, got):\n%s", head.CatalogSeq, diff)
	}
	if changes, err := b.Changes(t.Context(), 0, bare, 1, 0); err != nil || !changes.Reload {
		t.Errorf("a follower with the model before: %+v, %v", changes, err)
	}
}

func TestModelsAreListedAndPruned(t *testing.T) {
	t.Parallel()
	b := setup(t)
	if models, err := b.Models(t.Context()); err != nil || len(models) != 0 {
		t.Errorf("an empty store lists %v, %v", models, err)
	}
	var ids []recsys.ModelID
	for n := range 5 {
		id, err := b.CreateModel(t.Context(), recsys.ModelRecord{Model: make([]byte, 10*n), Parameters: fmt.Appendf(nil, `{"n": %d}`, n), CatalogSeq: int64(n), InteractionSeq: int64(2 * n)})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	if err := b.ActivateModel(t.Context(), ids[1], true); err != nil {
		t.Fatal(err)
	}
	head, err := b.Load(t.Context(), 0, nil, func(engine.ItemRow) error { return nil })
	if err != nil || !head.TrainingPaused || head.Model.ID != ids[1] {
		t.Errorf("paused %v, model %v, %v", head.TrainingPaused, head.Model, err)
	}
	models, err := b.Models(t.Context())
	if err != nil || len(models) != 5 {
		t.Fatalf("%d models, %v", len(models), err)
	}
	for k, m := range models {
		n := 4 - k
		if m.ID != ids[n] || string(m.Parameters) != fmt.Sprintf(`{"n": %d}`, n) || m.Bytes != int64(10*n) || m.CatalogSeq != int64(n) || m.InteractionSeq != int64(2*n) ||
			m.Live != (n == 1) || m.ActivateTime.IsZero() == (n == 1) || m.CreateTime.IsZero() {
			t.Errorf("model %d is listed as %+v", n, m)
		}
	}
	if n, err := b.PruneModels(t.Context(), 2); err != nil || n != 2 {
		t.Errorf("%d models are pruned, %v; want 2", n, err)
	}
	if models, err = b.Models(t.Context()); err != nil || len(models) != 3 || models[2].ID != ids[1] {
		t.Errorf("left are %+v, %v; want the two newest and the live one", models, err)
	}
	if err := b.ActivateModel(t.Context(), ids[4], false); err != nil {
		t.Fatal(err)
	}
	if head, err = b.Load(t.Context(), 0, nil, func(engine.ItemRow) error { return nil }); err != nil || head.TrainingPaused {
		t.Errorf("still paused: %v, %v", head.TrainingPaused, err)
	}
}
