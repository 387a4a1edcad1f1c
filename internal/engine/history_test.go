package engine

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

func event(minute int, t recsys.InteractionType, item string, value float64) recsys.Interaction {
	return recsys.Interaction{Actor: recsys.User("u"), ItemID: item, Type: t, Value: value, EventTime: time.Unix(int64(60*minute), 0)}
}

func TestSummarize(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		oldestFirst []recsys.Interaction
		want        []preference
	}{
		"nothing": {nil, nil},
		"the strongest of repeated events counts, once": {
			[]recsys.Interaction{event(1, recsys.Purchase, "a", 0), event(2, recsys.View, "a", 0), event(3, recsys.View, "a", 0)},
			[]preference{{item: 0, confidence: 1.3, target: 1}}},
		"newest item first": {
			[]recsys.Interaction{event(1, recsys.Like, "a", 0), event(2, recsys.Like, "b", 0)},
			[]preference{{item: 1, confidence: 1, target: 1}, {item: 0, confidence: 1, target: 1}}},
		"a newer rating replaces an older one": {
			[]recsys.Interaction{event(1, recsys.Rating, "a", 5), event(2, recsys.Rating, "a", 3)},
			[]preference{{item: 0, confidence: .3, target: 1}}},
		"a rating that says nothing is not a view": {
			[]recsys.Interaction{event(1, recsys.View, "a", 0), event(2, recsys.Rating, "a", 2)},
			[]preference{{item: 0, confidence: 0, target: 1}}},
		"a dislike after a like": {
			[]recsys.Interaction{event(1, recsys.Like, "a", 0), event(2, recsys.Dislike, "a", 0)},
			[]preference{{item: 0, confidence: .5, target: 0}}},
		"a like after a dislike": {
			[]recsys.Interaction{event(1, recsys.Dislike, "a", 0), event(2, recsys.Like, "a", 0)},
			[]preference{{item: 0, confidence: 1, target: 1}}},
		"hidden is no evidence": {
			[]recsys.Interaction{event(1, recsys.Hide, "a", 0), event(2, recsys.Purchase, "a", 0)},
			[]preference{{item: 0, hidden: true, target: 1}}},
		"half a star lies between": {
			[]recsys.Interaction{event(1, recsys.Rating, "a", 3.5)},
			[]preference{{item: 0, confidence: .65, target: 1}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			numbers := map[string]uint32{"a": 0, "b": 1}
			got := DefaultEvents().summarize(newestFirst(test.oldestFirst), time.Time{}, func(id string) uint32 { return numbers[id] })
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(preference{}), cmp.Comparer(func(a, b float64) bool { return a-b < 1e-9 && b-a < 1e-9 })); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSummarizeSettings(t *testing.T) {
	t.Parallel()
	number := func(id string) uint32 { return uint32(id[0] - 'a') }
	minute := func(m int) time.Time { return time.Unix(int64(60*m), 0) }
	events := DefaultEvents()
	events.Repeat = .5
	events.Weights.DislikeRatings = 2
	got := events.summarize(newestFirst([]recsys.Interaction{
		event(1, recsys.Purchase, "a", 0), // expired
		event(2, recsys.Hide, "b", 0),     // hiding does not expire
		event(5, recsys.View, "c", 0), event(6, recsys.View, "c", 0), event(7, recsys.Like, "c", 0),
		event(8, recsys.View, "d", 0), event(8, recsys.View, "d", 0), event(9, recsys.View, "d", 0), event(9, recsys.View, "d", 0),
		event(10, recsys.Rating, "e", 2), event(11, recsys.Rating, "f", 2.5),
	}), minute(5), number)
	want := []preference{
		{item: 5, confidence: .15, target: 1},
		{item: 4, confidence: .5, target: 0},
		{item: 3, confidence: .6, target: 1}, // twice the strongest at most
		{item: 2, confidence: 1.3, target: 1},
		{item: 1, hidden: true, target: 1},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(preference{}), cmp.Comparer(func(a, b float64) bool { return a-b < 1e-9 && b-a < 1e-9 })); diff != "" {
		t.Error(diff)
	}
}

func TestPositionDecay(t *testing.T) {
	t.Parallel()
	events := DefaultEvents()
	for position, want := range map[int]float64{0: 1, 10: .5, 20: .25, 34: .1, 1000: .1} {
		if got := events.decay(position); got-want > 1e-9 || want-got > 1e-9 {
			t.Errorf("position %d: %g, want %g", position, got, want)
		}
	}
}

// What was read before an interaction committed counts as stale after it, and the interaction
// is not lost.
func TestHistoryCacheKnowsWhatAReadHasMissed(t *testing.T) {
	t.Parallel()
	cache := newHistoryCache(100)
	actor := recsys.User("u")
	_, read := cache.get(actor)
	if read == nil {
		t.Fatal("an empty cache has an entry")
	}
	cache.note(recsys.Visitor("u"), preference{item: 9})
	cache.note(actor, preference{item: 7, hidden: true})
	cache.put(read, []preference{{item: 1, confidence: 1, target: 1}})
	prefs, read := cache.get(actor)
	want := []preference{{item: 7, hidden: true}, {item: 1, confidence: 1, target: 1}}
	if diff := cmp.Diff(want, prefs, cmp.AllowUnexported(preference{})); diff != "" || read == nil {
		t.Errorf("read begun %v: %s", read != nil, diff)
	}
	cache.put(read, []preference{{item: 2}})
	if prefs, read := cache.get(actor); read != nil || prefs[0].item != 2 {
		t.Errorf("fresh preferences: %v", prefs)
	}
	if _, read := cache.get(recsys.Visitor("u")); read == nil {
		t.Error("a visitor was taken for the user of the same id")
	}
	for name, remove := range map[string]func(){"drop": func() { cache.drop(actor) }, "dropAll": cache.dropAll} {
		cache.note(actor, preference{item: 3})
		_, read := cache.get(actor)
		remove()
		cache.put(read, []preference{{item: 4}})
		prefs, read := cache.get(actor)
		if prefs != nil {
			t.Errorf("%s: what a read under way found was kept", name)
		}
		cache.put(read, []preference{{item: 5}})
	}
}

// While the store is away, a stale entry answers with what was noted since.
func TestHistoryCacheNotesTheNewest(t *testing.T) {
	t.Parallel()
	cache := newHistoryCache(100)
	actor := recsys.User("u")
	_, read := cache.get(actor)
	cache.put(read, []preference{{item: 1, confidence: 1, target: 1}, {item: 2, confidence: .3, target: 1}})
	cache.note(actor, preference{item: 2, hidden: true})
	cache.note(actor, preference{item: 3, confidence: 1, target: 1})
	got, read := cache.get(actor)
	want := []preference{{item: 3, confidence: 1, target: 1}, {item: 2, confidence: .3, target: 1, hidden: true}, {item: 1, confidence: 1, target: 1}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(preference{})); diff != "" || read == nil {
		t.Errorf("read begun %v: %s", read != nil, diff)
	}
	cache.abandon(read)
	if again, _ := cache.get(actor); len(again) != 3 {
		t.Errorf("after a read that failed: %v", again)
	}
}

func TestHistoryCacheStaysSmall(t *testing.T) {
	t.Parallel()
	cache := newHistoryCache(32)
	for i := range 1000 {
		_, read := cache.get(recsys.User(string(rune('a' + i))))
		cache.put(read, nil)
	}
	total := 0
	for i := range cache.shards {
		total += len(cache.shards[i].entries) + len(cache.shards[i].reads)
	}
	if total > 32 {
		t.Errorf("%d entries, want at most 32", total)
	}
}
