package engine

import (
	"math"
	"testing"
	"time"
)

// Popularity fades by age beside the newest interaction, whether counts came one by one or with
// a load, and whatever the order.
func TestPopularityFades(t *testing.T) {
	t.Parallel()
	const month = 30 * 24 * time.Hour
	at := time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)
	times := map[string][]time.Time{
		"old":  {at, at, at, at, at, at, at, at}, // eight, three half-lives ago: one
		"new":  {at.Add(3 * month), at.Add(3 * month)},
		"both": {at, at.Add(3 * month)},
	}
	check := func(what string, n *numbers) {
		t.Helper()
		if n.popularity(n.number("nobody")) != 0 {
			t.Errorf("%s: an item that nobody likes is popular", what)
		}
		for id, want := range map[string]float64{"old": math.Log1p(1), "new": math.Log1p(2), "both": math.Log1p(1.125)} {
			if got := n.popularity(n.number(id)); math.Abs(got-want/math.Log1p(2)) > 1e-9 {
				t.Errorf("%s: popularity of %s is %.4f, want %.4f", what, id, got, want/math.Log1p(2))
			}
		}
	}
	for _, order := range [][]string{{"old", "new", "both"}, {"both", "new", "old"}} {
		n := newNumbers(month)
		for _, id := range order {
			for _, when := range times[id] {
				n.add(n.number(id), when, true)
			}
		}
		check("one by one", n)
		if got := n.firstSeen(n.number("both")); got != at.UnixNano() || n.positives(n.number("old")) != 8 || n.total.Load() != 12 {
			t.Errorf("first seen %d, %d positives of %d", got, n.positives(n.number("old")), n.total.Load())
		}
	}
	n := newNumbers(month)
	n.add(n.number("old"), at, true) // forgotten by the load
	n.reset(at.Add(3 * month))
	n.addAll(n.number("old"), TypeCount{Count: 8, Recent: 1, First: at}, true)
	n.addAll(n.number("new"), TypeCount{Count: 1, Recent: 1, First: at.Add(3 * month)}, true)
	n.addAll(n.number("both"), TypeCount{Count: 2, Recent: 1.125, First: at}, true)
	n.add(n.number("new"), at.Add(3*month), true)
	n.add(n.number("new"), at.Add(3*month), false)
	check("after a load", n)
	flat := newNumbers(0)
	flat.add(flat.number("a"), at, true)
	flat.add(flat.number("b"), at.Add(100*365*24*time.Hour), true)
	if flat.popularity(flat.number("a")) != flat.popularity(flat.number("b")) {
		t.Error("something fades without a half-life")
	}
}
