package engine_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// condition is a filter and the same in plain Go.
type condition struct {
	filter string
	meets  func(recsys.Item) bool
}

func labelled(it recsys.Item, name, label string) bool {
	return slices.Contains(it.Attributes[name].Labels, label)
}

func priced(it recsys.Item) (float64, bool) {
	a, ok := it.Attributes["price"]
	return a.Number, ok
}

var conditions = []condition{
	{`attributes.category == "land"`, func(it recsys.Item) bool { return labelled(it, "category", "land") }},
	{`attributes.category != "land" && attributes.price < 12`, func(it recsys.Item) bool {
		price, ok := priced(it)
		return ok && price < 12 && it.Attributes["category"].Kind != 0 && !labelled(it, "category", "land")
	}},
	{`!has(attributes.price) || attributes.price >= 11.5`, func(it recsys.Item) bool {
		price, ok := priced(it)
		return !ok || price >= 11.5
	}},
	{`attributes.category in ["port", "still"] || title.startsWith("sale")`, func(it recsys.Item) bool {
		return labelled(it, "category", "port") || labelled(it, "category", "still") || strings.HasPrefix(it.Title, "sale")
	}},
	{`attributes.price * 2.0 > 25.0`, func(it recsys.Item) bool {
		price, ok := priced(it)
		return ok && price*2 > 25
	}},
	{`attributes.price > 1000`, func(recsys.Item) bool { return false }},
	{`item_id == "land-03"`, func(it recsys.Item) bool { return it.ItemID == "land-03" }},
}

// filterShop is a shop of two tastes whose items the test knows.
type filterShop struct {
	bundle
	items map[string]recsys.Item
	r     *rand.Rand
}

func newFilterShop(t *testing.T, seed uint64) *filterShop {
	t.Helper()
	f := &filterShop{setup(t), make(map[string]recsys.Item), rand.New(rand.NewPCG(seed, seed))}
	twoTastes(t, f.bundle)
	r := rand.New(rand.NewPCG(5, 5)) // as twoTastes
	for i := range 80 {
		it := kindItem(fmt.Sprintf("%s-%02d", kinds[i%2], i/2), i%2, r).Item
		f.items[it.ItemID] = it
	}
	return f
}

// edit replaces, updates, adds or deletes an item, here and in the engine.
func (f *filterShop) edit(t *testing.T) {
	t.Helper()
	id := fmt.Sprintf("%s-%02d", kinds[f.r.IntN(2)], f.r.IntN(45))
	old, there := f.items[id]
	switch {
	case there && f.r.IntN(3) == 0:
		if err := f.DeleteItem(t.Context(), id, false, recsys.RequestID{}); err != nil {
			t.Fatal(err)
		}
		delete(f.items, id)
	case there && f.r.IntN(2) == 0:
		changed := old
		changed.Attributes = map[string]recsys.Attribute{"category": recsys.Labels("still", kinds[f.r.IntN(2)])}
		changed.Title = "sale of " + id
		_, err := f.UpdateItem(t.Context(), engine.ItemUpdate{ItemID: id, Change: func(it *recsys.Item) error {
			it.Attributes, it.Title = changed.Attributes, changed.Title
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		f.items[id] = changed
	default:
		fresh := kindItem(id, f.r.IntN(2), f.r)
		fresh.Item.Hidden = f.r.IntN(6) == 0
		if f.r.IntN(4) == 0 {
			fresh.Item.Attributes = nil
		}
		f.register(t, fresh)
		f.items[id] = fresh.Item
	}
}

// allowed lists what may be answered to a query that shows items seen before.
func (f *filterShop) allowed(c condition, but ...string) []string {
	var out []string
	for id, it := range f.items {
		if !it.Hidden && c.meets(it) && !slices.Contains(but, id) {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}

// check holds every way to make a list to the filter: all that match if the page is large,
// min(k, matching) of them if it is not.
func (f *filterShop) check(t *testing.T, when string) {
	t.Helper()
	queries := map[string]engine.RecommendQuery{
		"nobody":   {},
		"a user":   {Actor: recsys.User("u01")},
		"context":  {ContextItemIDs: []string{"land-01", "port-01"}},
		"both":     {Actor: recsys.User("u00"), ContextItemIDs: []string{"port-02"}},
		"diverse":  {Actor: recsys.User("u01"), Diversity: .7},
		"excluded": {ExcludeItemIDs: []string{"land-03", "port-04"}},
	}
	for _, c := range conditions {
		for name, q := range queries {
			want := f.allowed(c, append(slices.Clone(q.ContextItemIDs), q.ExcludeItemIDs...)...)
			for _, k := range []int{3, 200} {
				q.Filter, q.PageSize, q.IncludeSeen = c.filter, k, true
				list := f.recommend(t, q)
				f.compare(t, fmt.Sprintf("%s, %s, %s, page %d", when, c.filter, name, k), want, k, ids(list))
				if short := len(want) < k; short != (list.FallbackReason == engine.FallbackFiltered) {
					t.Errorf("%s, %s, %s: %d match, page %d, reason %d", when, c.filter, name, len(want), k, list.FallbackReason)
				}
			}
		}
		f.checkSimilar(t, when, c)
	}
}

func (f *filterShop) compare(t *testing.T, name string, want []string, k int, got []string) {
	t.Helper()
	got = slices.Sorted(slices.Values(got))
	for _, id := range got {
		if !slices.Contains(want, id) {
			t.Errorf("%s: %s is answered", name, id)
		}
	}
	if len(got) != min(k, len(want)) || len(slices.Compact(got)) != len(got) {
		t.Errorf("%s: %d answered (%v), %d match (%v)", name, len(got), got, len(want), want)
	}
}

// checkSimilar compares with the unfiltered list, from which the filter only takes items away.
func (f *filterShop) checkSimilar(t *testing.T, when string, c condition) {
	t.Helper()
	similar := func(filter string, k int) []string {
		found, err := f.FindSimilarItems(t.Context(), engine.SimilarQuery{Image: picture(1, .2), Filter: filter, PageSize: k, MinSimilarity: -1})
		if err != nil {
			t.Fatalf("%s, %s: %v", when, filter, err)
		}
		out := []string{}
		for _, item := range found.Items {
			out = append(out, item.ItemID)
		}
		return out
	}
	want := slices.DeleteFunc(similar("", 200), func(id string) bool { return !c.meets(f.items[id]) })
	for _, k := range []int{5, 200} {
		if diff := cmp.Diff(want[:min(k, len(want))], similar(c.filter, k)); diff != "" {
			t.Errorf("%s, similar, %s, page %d (-want +got):\n%s", when, c.filter, k, diff)
		}
	}
}

func TestFilterFollowsTheCatalogue(t *testing.T) {
	t.Parallel()
	f := newFilterShop(t, 1)
	f.check(t, "before training")
	for range 30 {
		f.edit(t)
	}
	f.check(t, "after changes")
	other := open(t, f.dsn)
	if _, err := f.FitSpace(t.Context(), engine.FitOrder{}, silent); err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.Train(t.Context(), silent); err != nil {
		t.Fatal(err)
	}
	f.check(t, "after a load")
	for range 30 {
		f.edit(t)
	}
	f.check(t, "after training and changes")
	if err := other.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		f.edit(t)
	}
	if err := other.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.bundle = other
	f.check(t, "in another process")
}

func TestFilterFaults(t *testing.T) {
	t.Parallel()
	b := setup(t)
	empty := b.recommend(t, engine.RecommendQuery{Filter: `attributes.price < 5`})
	if len(empty.Items) != 0 || empty.FallbackReason != engine.FallbackEmptyCatalog {
		t.Errorf("an empty catalogue: %+v", empty)
	}
	b.register(t, engine.Registration{Item: recsys.Item{ItemID: "a", Attributes: map[string]recsys.Attribute{"price": recsys.Number(1)}}})
	for filter, at := range map[string]string{
		"attributes.price <":         "1:19: ",
		"attributes.price < 'a'":     "1:18: ",
		"attributes.prize < 5":       "1:1: unknown attribute",
		"true &&\n attributes.price": "2:12: ",
		" ":                          "1:1: ",
	} {
		_, err := b.Recommend(t.Context(), engine.RecommendQuery{Filter: filter, PageSize: 1, ValidateOnly: true})
		_, similar := b.FindSimilarItems(t.Context(), engine.SimilarQuery{ItemID: "a", Filter: filter, PageSize: 1})
		for _, err := range []error{err, similar} {
			fault, ok := errors.AsType[*recsys.FieldError](err)
			if !ok || fault.Field != "filter" || !errors.Is(err, recsys.ErrInvalid) || !strings.HasPrefix(fault.Reason, at) {
				t.Errorf("%q: %v, want a fault at %s", filter, err, at)
			}
		}
	}
}

// Filters hold, and nothing races, while items are registered, repriced and deleted: nothing is
// answered that a change acknowledged before the call took out.
func TestFilterWhileItemsChange(t *testing.T) {
	t.Parallel()
	b := setup(t)
	twoTastes(t, b)
	var writers, readers sync.WaitGroup
	done := make(chan struct{})
	for kind, name := range kinds {
		writers.Go(func() { b.reprice(t, kind) })
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				list := b.recommend(t, engine.RecommendQuery{Filter: fmt.Sprintf("attributes.category == %q && attributes.price < 500", name), PageSize: 200})
				for _, id := range ids(list) {
					if !strings.HasPrefix(id, name) {
						t.Errorf("%s is answered for category %s", id, name)
					}
				}
			}
		})
	}
	writers.Wait()
	close(done)
	readers.Wait()
}

// reprice registers an item, makes it too dear for the filter and deletes it, over and over.
func (b bundle) reprice(t *testing.T, kind int) {
	r := rand.New(rand.NewPCG(uint64(kind), 1))
	answered := func(id string) bool {
		return slices.Contains(ids(b.recommend(t, engine.RecommendQuery{PageSize: 200, Filter: "attributes.price < 500"})), id)
	}
	for i := range 15 {
		id := fmt.Sprintf("%s-x%d", kinds[kind], i)
		b.register(t, kindItem(id, kind, r))
		if !answered(id) {
			t.Errorf("%s is not answered after it was registered", id)
		}
		dear := kindItem(id, kind, r)
		dear.Item.Attributes["price"] = recsys.Number(501)
		b.register(t, dear)
		if answered(id) {
			t.Errorf("%s is answered after its price was raised", id)
		}
		if err := b.DeleteItem(t.Context(), id, false, recsys.RequestID{}); err != nil {
			t.Error(err)
		}
		if all := b.recommend(t, engine.RecommendQuery{PageSize: 200, Filter: "attributes.price > 500"}); slices.Contains(ids(all), id) {
			t.Errorf("%s is answered after it was deleted", id)
		}
	}
}
