package trial

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/evaluate"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// A new item gathers likes; at each step a training takes it over. For the people of its kind it
// must stand where it stood before.
func TestATrainingTakesAnItemOverWithoutASeam(t *testing.T) {
	t.Parallel()
	items, log := plantedShop(400, 120, .9, .25)
	fresh, items := items[119], items[:119] // of kind 3
	log = slices.DeleteFunc(log, func(in recsys.Interaction) bool { return in.ItemID == fresh.ItemID })
	now := start.Add(365 * 24 * time.Hour)
	catalog := catalogOf(t, items)
	arriving := catalogOf(t, []recsys.Item{fresh})
	fold := evaluate.Fold{Train: log, New: []string{fresh.ItemID}, Now: now}
	e, err := catalog.trained(t.Context(), evaluate.Fold{Train: log, Now: now}, testConfig(), unchanged)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.arrive(t.Context(), arriving.Store, fold); err != nil {
		t.Fatal(err)
	}
	var people [][]recsys.Interaction // histories of people who have not found it yet
	for u := 203; u < 400; u += plantedKinds {
		var history []recsys.Interaction
		for _, in := range log {
			if in.Actor == recsys.User(fmt.Sprint(u)) {
				history = append(history, in)
			}
		}
		people = append(people, history)
	}
	known, before := 0, 0.0
	for _, n := range []int{0, 1, 2, 4, 8, 16, 32} {
		var likes []recsys.Interaction
		for ; known < n; known++ {
			likes = append(likes, recsys.Interaction{Actor: recsys.User(fmt.Sprint(3 + plantedKinds*known)), ItemID: fresh.ItemID, Type: recsys.Like, EventTime: now})
		}
		if err := e.reveal(t.Context(), likes); err != nil {
			t.Fatal(err)
		}
		folded := meanRank(t, e, people, fresh.ItemID)
		if _, _, err := e.Train(t.Context(), silent); err != nil {
			t.Fatal(err)
		}
		trained := meanRank(t, e, people, fresh.ItemID)
		t.Logf("%2d likes: rank %5.1f folded in, %5.1f after a training", n, folded, trained)
		const noise = 7 // of 120 ranks: the factors of everything else are new as well
		if math.Abs(trained-folded) > noise {
			t.Errorf("%d likes: a training moves the item from rank %.1f to %.1f", n, folded, trained)
		}
		if n > 0 && trained > before+noise {
			t.Errorf("%d likes: the item falls back from rank %.1f to %.1f", n, before, trained)
		}
		before = trained
	}
	if before > 15 {
		t.Errorf("with 32 likes the item has rank %.1f for people of its kind", before)
	}
}

func meanRank(t *testing.T, e *Engine, people [][]recsys.Interaction, itemID string) float64 {
	t.Helper()
	sum := 0.0
	for _, history := range people {
		list, err := e.Rank(t.Context(), recsys.RankQuery{History: history, K: 200})
		if err != nil {
			t.Fatal(err)
		}
		rank := slices.IndexFunc(list, func(r recsys.Ranked) bool { return r.ItemID == itemID })
		if rank < 0 {
			t.Fatalf("item %s is not ranked", itemID)
		}
		sum += float64(rank)
	}
	return sum / float64(len(people))
}

// Old items of few likes get no gain: they had their time.
func TestOldItemsAreNotExplored(t *testing.T) {
	t.Parallel()
	items, log := plantedShop(200, 60, .9, .25)
	catalog := catalogOf(t, items)
	config := testConfig()
	config.Placements = map[string]engine.Placement{"": {Gain: 1}, "bold": {Gain: 5}}
	e, err := catalog.trained(t.Context(), evaluate.Fold{Train: log, Now: start.Add(10 * 365 * 24 * time.Hour)}, config, unchanged)
	if err != nil {
		t.Fatal(err)
	}
	rank := func(placement string) []recsys.Ranked {
		list, err := e.Rank(t.Context(), recsys.RankQuery{History: log[:5], K: 60, Placement: placement})
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	if !slices.Equal(rank(""), rank("bold")) {
		t.Error("the gain moves items that are ten years old")
	}
}
