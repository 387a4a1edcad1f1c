package engine_test

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"testing"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

func TestModelsAndRollBack(t *testing.T) {
	t.Parallel()
	b := setup(t)
	twoTastes(t, b)
	ctx := t.Context()
	if _, err := b.RollBack(ctx); !errors.Is(err, recsys.ErrNotFound) {
		t.Errorf("nothing to roll back to: error %v, want ErrNotFound", err)
	}
	first, run, err := b.Train(ctx, silent)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.RollBack(ctx); !errors.Is(err, recsys.ErrNotFound) {
		t.Errorf("one model: error %v, want ErrNotFound", err)
	}
	other := run.Recipe
	other.ALS.Seed, other.CorrectorWeight = 9, 0
	verdict := &engine.Verdict{Passed: true, Reason: "tested"}
	shelved, _, err := b.TrainAs(ctx, engine.Order{Recipe: other, Verdict: verdict}, silent)
	if err != nil {
		t.Fatal(err)
	}
	live := func() recsys.ModelID { return b.recommend(t, engine.RecommendQuery{Actor: recsys.User("u00")}).Model }
	if live() != first {
		t.Errorf("%v answers, want %v: the other one was not to be activated", live(), first)
	}
	second, _, err := b.TrainAs(ctx, engine.Order{Recipe: other, Activate: true}, silent)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // there and back
		for _, want := range []recsys.ModelID{first, second} {
			id, err := b.RollBack(ctx)
			if err != nil || id != want || live() != want || b.TrainIsDue() {
				t.Errorf("rolled back to %v, %v answers, %v; want %v and no training by itself", id, live(), err, want)
			}
		}
	}
	if err := b.ActivateModel(ctx, shelved); err != nil || live() != shelved {
		t.Errorf("%v answers, want %v; %v", live(), shelved, err)
	}
	if err := b.ActivateModel(ctx, 4711); !errors.Is(err, recsys.ErrNotFound) {
		t.Errorf("an unknown model: error %v, want ErrNotFound", err)
	}
	versions, err := b.Models(ctx)
	if err != nil || len(versions) != 3 {
		t.Fatalf("%d versions, %v", len(versions), err)
	}
	for i, want := range []recsys.ModelID{second, shelved, first} {
		v := versions[i]
		if v.ID != want || v.Live != (want == shelved) || v.Bytes == 0 || v.ActivateTime.IsZero() || v.Training.Digest != run.Digest || v.InteractionSeq == 0 {
			t.Errorf("version %d: %+v", i, v)
		}
	}
	if v := versions[1].Training; v.Verdict == nil || v.Verdict.Reason != "tested" || v.Recipe.ALS.Seed != 9 {
		t.Errorf("what is stored of the shelved model: %+v", v)
	}
}

// Requests under a storm of activations: what each answers must be of the one model it names.
func TestSwapsNeverMixModels(t *testing.T) {
	t.Parallel()
	b := setup(t)
	twoTastes(t, b)
	ctx := t.Context()
	q := engine.RecommendQuery{Actor: recsys.User("u00"), PageSize: 40, ContextItemIDs: nil}
	lists := make(map[recsys.ModelID]engine.Recommendations)
	var ids []recsys.ModelID
	for seed := range uint64(3) {
		recipe := engine.DefaultRecipe()
		recipe.ALS.Factors, recipe.ALS.Seed = 4+8*int(seed), seed // of different dimensions, too
		id, _, err := b.TrainAs(ctx, engine.Order{Recipe: recipe, Activate: true}, silent)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
		lists[id] = b.recommend(t, q)
	}
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				got := b.recommend(t, q)
				if fault := differs(lists[got.Model], got); fault != "" {
					t.Errorf("%v: %s", got.Model, fault)
					return
				}
			}
		})
	}
	for k := range 30 {
		if err := b.ActivateModel(ctx, ids[k%len(ids)]); err != nil {
			t.Error(err)
		}
	}
	close(done)
	readers.Wait()
}

// differs compares lists but for the little that age takes from a gain meanwhile.
func differs(want, got engine.Recommendations) string {
	if len(want.Items) != len(got.Items) {
		return fmt.Sprintf("%d items, want %d", len(got.Items), len(want.Items))
	}
	for i := range want.Items {
		if want.Items[i].ItemID != got.Items[i].ItemID || math.Abs(want.Items[i].Score-got.Items[i].Score) > 1e-4 {
			return fmt.Sprintf("place %d is %s with %.6f, want %s with %.6f", i, got.Items[i].ItemID, got.Items[i].Score, want.Items[i].ItemID, want.Items[i].Score)
		}
	}
	return ""
}
