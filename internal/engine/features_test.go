package engine_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

// featureTable is all features as of a time.
type featureTable struct {
	Versions engine.FeatureVersions
	Items    map[string]engine.ItemFeatures
	Users    map[recsys.Actor]engine.UserFeatures
}

// features reads everything with a feature store that remembers nothing.
func (b bundle) features(t *testing.T, q engine.FeatureQuery) featureTable {
	t.Helper()
	f := engine.NewFeatures(b.Engine, b.store)
	out := featureTable{Items: make(map[string]engine.ItemFeatures), Users: make(map[recsys.Actor]engine.UserFeatures)}
	var err error
	out.Versions, err = f.Items(t.Context(), q, nil, func(_ engine.FeatureVersions, item engine.ItemFeatures) error {
		out.Items[item.ItemID] = item
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = f.Users(t.Context(), q, nil, func(_ engine.FeatureVersions, user engine.UserFeatures) error {
		out.Users[user.Actor] = user
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

func (b bundle) train(t *testing.T) {
	t.Helper()
	if _, err := b.FitSpace(t.Context(), engine.FitOrder{}, silent); err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.Train(t.Context(), silent); err != nil {
		t.Fatal(err)
	}
}

// Online features are what serving uses, and so are those as of now.
func TestFeaturesAreWhatServingUses(t *testing.T) {
	t.Parallel()
	b := setup(t)
	twoTastes(t, b)
	b.train(t)
	b.register(t, kindItem("land-new", 0, rand.New(rand.NewPCG(9, 9))), engine.Registration{Item: recsys.Item{ItemID: "plain"}})
	latest := b.features(t, engine.FeatureQuery{})
	if len(latest.Items) != 82 || len(latest.Users) != 60 || latest.Versions.Encoder != "toy@1" || latest.Versions.Space != 2 || latest.Versions.Model != 1 {
		t.Fatalf("%d items, %d users, %+v", len(latest.Items), len(latest.Users), latest.Versions)
	}
	for id, item := range latest.Items {
		if diff := cmp.Diff(b.Vector(id), item.Vector); diff != "" {
			t.Errorf("vector of %s (-index +feature):\n%s", id, diff)
		}
		if pictured := id != "plain"; pictured != (len(item.Raw) == toyDims) || item.Trained != (id != "plain" && id != "land-new") || len(item.Factor) != 16 {
			t.Errorf("%s: %+v", id, item)
		}
	}
	for u := range 60 {
		user := latest.Users[recsys.User(fmt.Sprintf("u%02d", u))]
		if user.Counts[recsys.Like] != 12 || len(user.Counts) != 1 || user.LastTime.IsZero() {
			t.Errorf("u%02d: %+v", u, user)
		}
		var own, other float32
		for i := range 40 {
			own += vecmath.Dot(user.Factor, latest.Items[fmt.Sprintf("%s-%02d", kinds[u%2], i)].Factor)
			other += vecmath.Dot(user.Factor, latest.Items[fmt.Sprintf("%s-%02d", kinds[1-u%2], i)].Factor)
		}
		if own <= other {
			t.Errorf("u%02d prefers the other kind: %v against %v", u, own, other)
		}
	}
	now := b.features(t, engine.FeatureQuery{AsOf: time.Now()})
	now.Versions.AsOf = time.Time{}
	if diff := cmp.Diff(latest, now); diff != "" {
		t.Errorf("(-online +as of now):\n%s", diff)
	}
}

// What is asked as of a time has the same answer for ever, whatever is written later: no value
// newer than the time leaks into it, and none of that time is lost.
func TestFeaturesDoNotLeak(t *testing.T) {
	t.Parallel()
	b := setup(t)
	f := &filterShop{bundle: b, items: make(map[string]recsys.Item), r: rand.New(rand.NewPCG(4, 4))}
	twoTastes(t, b)
	var notes []featureTable
	note := func() {
		notes = append(notes, b.features(t, engine.FeatureQuery{AsOf: time.Now().Truncate(time.Microsecond)}))
	}
	note()
	for round := range 2 {
		b.train(t)
		note()
		for range 8 {
			f.edit(t)
		}
		b.record(t, like("u00", fmt.Sprintf("port-%02d", round)), like("late", "land-01"))
		note()
	}
	if err := b.DeleteItem(t.Context(), "land-01", true, recsys.RequestID{}); err != nil {
		t.Fatal(err)
	}
	for i, n := range notes {
		if diff := cmp.Diff(n, b.features(t, engine.FeatureQuery{AsOf: n.Versions.AsOf})); diff != "" {
			t.Fatalf("note %d, %+v (-then +now):\n%s", i, n.Versions, diff)
		}
		if i > 0 && n.Versions.Model == notes[0].Versions.Model {
			t.Errorf("note %d has the versions of the first: %+v", i, n.Versions)
		}
	}
	t.Run("versions younger than the time are refused", func(t *testing.T) {
		fs := engine.NewFeatures(b.Engine, b.store)
		asOf := notes[2].Versions.AsOf
		for field, q := range map[string]engine.FeatureQuery{
			"embedding_space": {AsOf: asOf, Space: notes[3].Versions.Space},
			"factor_model":    {AsOf: asOf, Model: notes[3].Versions.Model},
			"as_of_time":      {AsOf: time.Now().Add(time.Hour)},
		} {
			wantFault(t, fs, q, field, recsys.ErrInvalid)
		}
		wantFault(t, fs, engine.FeatureQuery{AsOf: time.Unix(1, 0)}, "as_of_time", recsys.ErrIncompatible)
		wantFault(t, fs, engine.FeatureQuery{Space: 99}, "embedding_space", recsys.ErrNotFound)
		wantFault(t, fs, engine.FeatureQuery{Model: 99}, "factor_model", recsys.ErrNotFound)
	})
	t.Run("a pinned version answers for today's items", func(t *testing.T) {
		old, pinned := notes[1].Versions, b.features(t, engine.FeatureQuery{Space: notes[1].Versions.Space, Model: notes[1].Versions.Model})
		if pinned.Versions.Space != old.Space || pinned.Versions.Model != old.Model || len(pinned.Items) == 0 {
			t.Fatalf("%+v, %d items", pinned.Versions, len(pinned.Items))
		}
		for id, item := range pinned.Items {
			before, there := notes[1].Items[id]
			if there && before.ValueTime.Equal(item.ValueTime) && cmp.Diff(before, item) != "" {
				t.Errorf("%s is unchanged since (-then +pinned):\n%s", id, cmp.Diff(before, item))
			}
		}
	})
	t.Run("without the model of the time there are no factors", func(t *testing.T) {
		if _, err := b.store.PruneModels(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		gone := b.features(t, engine.FeatureQuery{AsOf: notes[1].Versions.AsOf})
		if !gone.Versions.ModelGone || gone.Versions.Model != notes[1].Versions.Model {
			t.Errorf("%+v", gone.Versions)
		}
		for id, item := range gone.Items {
			if item.Factor != nil || cmp.Diff(notes[1].Items[id].Vector, item.Vector) != "" {
				t.Errorf("%s: factor %v", id, item.Factor)
			}
		}
	})
	t.Run("without the space of the time there are no features", func(t *testing.T) {
		if _, err := b.store.PruneSpaces(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		wantFault(t, engine.NewFeatures(b.Engine, b.store), engine.FeatureQuery{AsOf: notes[1].Versions.AsOf}, "as_of_time", recsys.ErrIncompatible)
	})
}

func wantFault(t *testing.T, f *engine.Features, q engine.FeatureQuery, field string, want error) {
	t.Helper()
	_, err := f.Items(t.Context(), q, nil, func(engine.FeatureVersions, engine.ItemFeatures) error { return nil })
	if fault, ok := errors.AsType[*recsys.FieldError](err); !ok || fault.Field != field || !errors.Is(err, want) {
		t.Errorf("%+v: %v, want %v about %s", q, err, want, field)
	}
}
