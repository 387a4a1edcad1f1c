package postgres_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// now is the database's clock, by which values are dated.
func (b *bundle) now(t *testing.T) (now time.Time) {
	t.Helper()
	if err := b.raw.QueryRow(t.Context(), `SELECT clock_timestamp()`).Scan(&now); err != nil {
		t.Fatal(err)
	}
	return now
}

func priced(id string, price float64) engine.ItemWrite {
	w := itemNamed(id)
	w.Item.Attributes = map[string]recsys.Attribute{"price": recsys.Number(price)}
	return w
}

// told is an item as of a time in words.
func told(row engine.FeatureRow) string {
	return fmt.Sprint(row.Item.ItemID, " ", row.Item.Title, " ", row.Item.Attributes["price"].Number, " ", row.Raw)
}

func (b *bundle) itemsAt(t *testing.T, q engine.ItemsAtQuery) []string {
	t.Helper()
	q.Encoder = "enc@1"
	rows, err := b.ItemsAt(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	out := []string{}
	for _, row := range rows {
		if row.ValueTime.After(q.AsOf) || row.Item.CreateTime.After(q.AsOf) {
			t.Errorf("as of %v: %s of %v", q.AsOf, row.Item.ItemID, row.ValueTime)
		}
		out = append(out, told(row))
	}
	return out
}

// Whatever happens later, a time shows what an observer noted then.
func TestItemsAtEqualWhatWasThere(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := rand.New(rand.NewPCG(3, 3))
	type note struct {
		at    time.Time
		items []string
	}
	var notes []note
	there := make(map[string]string)
	for range 60 {
		id := fmt.Sprint("item", r.IntN(6))
		_, registered := there[id]
		switch {
		case registered && r.IntN(3) == 0:
			if _, err := b.DeleteItem(t.Context(), id, recsys.RequestID{}); err != nil {
				t.Fatal(err)
			}
			delete(there, id)
		default:
			w := priced(id, float64(r.IntN(3)))
			if n := r.IntN(4); n > 0 {
				w = pictured(w, fmt.Sprint("picture ", n))
			}
			put(t, b.Store, w)
			there[id] = told(engine.FeatureRow{Item: w.Item, Raw: w.Raw})
		}
		n := note{at: b.now(t), items: []string{}}
		for _, text := range there {
			n.items = append(n.items, text)
		}
		slices.Sort(n.items)
		notes = append(notes, n)
	}
	for i, n := range notes {
		if diff := cmp.Diff(n.items, b.itemsAt(t, engine.ItemsAtQuery{AsOf: n.at, Limit: 100})); diff != "" {
			t.Fatalf("note %d (-want +got):\n%s", i, diff)
		}
		if unknown, err := b.UnknownAt(t.Context(), n.at); err != nil || unknown != 0 {
			t.Fatalf("%d items unknown, %v", unknown, err)
		}
	}
	last := notes[len(notes)-1]
	if diff := cmp.Diff(last.items, b.itemsAt(t, engine.ItemsAtQuery{AsOf: engine.Latest, Limit: 100})); diff != "" {
		t.Errorf("latest (-want +got):\n%s", diff)
	}
}

func TestItemsAtPagesAndIDs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	putAll(t, b.Store, priced("a", 1), priced("b", 2), priced("c", 3))
	then := b.now(t)
	putAll(t, b.Store, priced("b", 4), priced("d", 5))
	want := []string{"b title of b 2 []", "c title of c 3 []"}
	if diff := cmp.Diff(want, b.itemsAt(t, engine.ItemsAtQuery{AsOf: then, After: "a", Limit: 2})); diff != "" {
		t.Errorf("page (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, b.itemsAt(t, engine.ItemsAtQuery{AsOf: then, ItemIDs: []string{"d", "c", "b"}})); diff != "" {
		t.Errorf("by id (-want +got):\n%s", diff)
	}
}

// Registering the same again is no new version: the item is as it has been since before.
func TestSameAgainIsNoVersion(t *testing.T) {
	t.Parallel()
	b := setup(t)
	w := pictured(priced("a", 1), "picture")
	first := put(t, b.Store, w)
	w.Item.Hidden = true // is no feature
	put(t, b.Store, w)
	rows, err := b.ItemsAt(t.Context(), engine.ItemsAtQuery{AsOf: engine.Latest, Limit: 10})
	if err != nil || len(rows) != 1 || !rows[0].ValueTime.Equal(first.Item.CreateTime) {
		t.Errorf("%+v, %v, want the value time %v", rows, err, first.Item.CreateTime)
	}
	if n := b.number(t, `SELECT count(*) FROM item_history`); n != 0 {
		t.Errorf("%d versions in the history, want none", n)
	}
}

// What was changed before the history began is unknown, not guessed.
func TestUnknownAt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	put(t, b.Store, priced("a", 1))
	between := b.now(t)
	putAll(t, b.Store, priced("a", 2), priced("b", 1))
	if _, err := b.raw.Exec(t.Context(), `TRUNCATE item_history`); err != nil { // as if changed before the migration
		t.Fatal(err)
	}
	if got := b.itemsAt(t, engine.ItemsAtQuery{AsOf: between, Limit: 10}); len(got) != 0 {
		t.Errorf("items %v", got)
	}
	if n, err := b.UnknownAt(t.Context(), between); n != 1 || err != nil {
		t.Errorf("%d unknown, %v, want a alone", n, err)
	}
	if n, err := b.UnknownAt(t.Context(), b.now(t)); n != 0 || err != nil {
		t.Errorf("%d unknown now, %v", n, err)
	}
}

func TestLiveAt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	type live struct {
		at    time.Time
		space recsys.SpaceID
		model recsys.ModelID
	}
	notes := []live{{at: b.now(t)}}
	note := func(space recsys.SpaceID, model recsys.ModelID) { notes = append(notes, live{b.now(t), space, model}) }
	one := activeSpace(t, b.Store, 1)
	note(one, 0)
	model, err := b.CreateModel(t.Context(), recsys.ModelRecord{Model: []byte("m")})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.ActivateModel(t.Context(), model, false); err != nil {
		t.Fatal(err)
	}
	note(one, model)
	two := activeSpace(t, b.Store, 2)
	note(two, model)
	if err := b.ActivateSpace(t.Context(), one, 0, noVectors); err != nil {
		t.Fatal(err)
	}
	note(one, model)
	for _, n := range notes {
		space, model, err := b.LiveAt(t.Context(), n.at)
		if err != nil || space != n.space || model != n.model {
			t.Errorf("at %v: %v %v, %v, want %v %v", n.at, space, model, err, n.space, n.model)
		}
	}
	if record, err := b.Space(t.Context(), two); err != nil || record.Dims != 2 {
		t.Errorf("space: %+v, %v", record, err)
	}
	if record, err := b.Model(t.Context(), model); err != nil || string(record.Model) != "m" {
		t.Errorf("model: %+v, %v", record, err)
	}
	_, noSpace := b.Space(t.Context(), 99)
	_, noModel := b.Model(t.Context(), 99)
	if !errors.Is(noSpace, recsys.ErrNotFound) || !errors.Is(noModel, recsys.ErrNotFound) {
		t.Errorf("unknown versions: %v, %v", noSpace, noModel)
	}
}

func TestHistoriesAt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ann, bob, eve := recsys.User("ann"), recsys.User("bob"), recsys.Visitor("eve")
	record(t, b.Store, view(ann, "a", 2))
	record(t, b.Store, view(eve, "b", 0))
	record(t, b.Store, view(bob, "c", 0))
	then := b.now(t)
	record(t, b.Store, view(ann, "late", 1)) // happened before and was stored after
	record(t, b.Store, view(recsys.User("new"), "a", 0))
	if _, err := b.raw.Exec(t.Context(), `UPDATE interaction SET create_time = event_time WHERE item_id <> 'late' AND user_id <> 'new'`); err != nil {
		t.Fatal(err)
	}
	items := func(asOf time.Time, actors ...recsys.Actor) (out []string) {
		events, err := b.HistoriesAt(t.Context(), asOf, actors)
		if err != nil {
			t.Fatal(err)
		}
		for _, in := range events {
			out = append(out, in.Actor.ID+" "+in.ItemID)
		}
		return out
	}
	if diff := cmp.Diff([]string{"eve b", "ann a"}, items(then, ann, eve)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"eve b", "ann late", "ann a"}, items(engine.Latest, ann, eve)); diff != "" {
		t.Errorf("latest (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"bob c"}, items(noon.Add(time.Minute), ann, bob)); diff != "" {
		t.Errorf("before it happened (-want +got):\n%s", diff)
	}
	var after recsys.Actor
	var all []recsys.Actor
	for {
		page, err := b.ActorsAt(t.Context(), then, after, 2)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, page...)
		if len(page) < 2 {
			break
		}
		after = page[len(page)-1]
	}
	if diff := cmp.Diff([]recsys.Actor{ann, bob, eve}, all); diff != "" {
		t.Errorf("actors (-want +got):\n%s", diff)
	}
}
