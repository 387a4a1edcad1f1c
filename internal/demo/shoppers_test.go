package demo

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

func simulate(t *testing.T) ([]recsys.Interaction, map[string]*recsys.Item) {
	t.Helper()
	items, err := Items()
	if err != nil {
		t.Fatal(err)
	}
	byID := make(map[string]*recsys.Item)
	for i := range items {
		byID[items[i].ItemID] = &items[i]
	}
	return Shoppers(Seed, items), byID
}

func TestShoppersAreReproducible(t *testing.T) {
	t.Parallel()
	items, err := Items()
	if err != nil {
		t.Fatal(err)
	}
	first := Shoppers(Seed, items)
	if diff := cmp.Diff(first, Shoppers(Seed, items)); diff != "" {
		t.Error(diff)
	}
	if cmp.Equal(first, Shoppers(Seed+1, items)) {
		t.Error("another seed makes the same shoppers")
	}
}

// TestInteractionsArePinned keeps "loading the demo twice adds nothing" true across
// releases: other bytes are other interactions to a database that has loaded these.
func TestInteractionsArePinned(t *testing.T) {
	t.Parallel()
	source, err := Interactions()
	if err != nil {
		t.Fatal(err)
	}
	file, err := source.Open()
	if err != nil {
		t.Fatal(err)
	}
	table, err := io.ReadAll(file)
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256(table)
	if got := hex.EncodeToString(digest[:]); got != "5c8b8d158c97d8770cf194f412208c25741d9f12f0686a5e4cccbf9612aa7b3a" {
		t.Errorf("the table's SHA-256 is %s", got)
	}
}

func TestShoppersAreCalledSimulated(t *testing.T) {
	t.Parallel()
	events, items := simulate(t)
	shoppers := map[string]int{}
	end := Start().AddDate(0, 0, days)
	for i, in := range events {
		shoppers[in.Actor.ID]++
		if !strings.HasPrefix(in.Actor.ID, "simulated-") || in.Actor.Visitor {
			t.Fatalf("shopper %+v", in.Actor)
		}
		if in.EventTime.Before(Start()) || !in.EventTime.Before(end) || i > 0 && in.EventTime.Before(events[i-1].EventTime) {
			t.Fatalf("event %d at %v", i, in.EventTime)
		}
		if items[in.ItemID] == nil || in.Value != 0 {
			t.Fatalf("%+v", in)
		}
	}
	if len(shoppers) != shopperCount || len(events) < 20*shopperCount || len(events) > 30*shopperCount {
		t.Errorf("%d shoppers with %d events, want 300 with about 25 each", len(shoppers), len(events))
	}
	if fewest := slices.Min(slices.Collect(maps.Values(shoppers))); fewest < 6 {
		t.Errorf("a shopper has %d events", fewest)
	}
}

func TestShoppersDoPlausibleThings(t *testing.T) {
	t.Parallel()
	events, _ := simulate(t)
	type pair struct{ shopper, item string }
	counts := map[recsys.InteractionType]int{}
	last := map[pair][]recsys.InteractionType{}
	for _, in := range events {
		counts[in.Type]++
		key := pair{in.Actor.ID, in.ItemID}
		before := last[key]
		has := func(kind recsys.InteractionType) bool { return slices.Contains(before, kind) }
		if in.Type != recsys.View && !has(recsys.View) || in.Type == recsys.Purchase && !has(recsys.AddToCart) ||
			in.Type == recsys.Like && has(recsys.Dislike) {
			t.Fatalf("%s after %v", in.Type, before)
		}
		last[key] = append(before, in.Type)
	}
	percent := map[recsys.InteractionType][2]int{recsys.View: {55, 75}, recsys.Like: {15, 25}, recsys.AddToCart: {6, 16},
		recsys.Purchase: {3, 9}, recsys.Dislike: {1, 6}}
	for kind, want := range percent {
		if got := 100 * counts[kind] / len(events); got < want[0] || got > want[1] {
			t.Errorf("%s makes %d of 100 events, want %v", kind, got, want)
		}
	}
	if len(counts) != len(percent) {
		t.Errorf("types %v", counts)
	}
}

// TestShoppersHaveTaste measures the structure that a recommender is to find: of a shopper's
// views, the share in the three categories viewed most, against the same for a shopper who
// draws from all views alike.
func TestShoppersHaveTaste(t *testing.T) {
	t.Parallel()
	events, items := simulate(t)
	views := map[string][]string{}
	var all []string
	for _, in := range events {
		if in.Type == recsys.View {
			views[in.Actor.ID] = append(views[in.Actor.ID], in.ItemID)
			all = append(all, in.ItemID)
		}
	}
	for attribute, want := range map[string][3]float64{
		// the least share in the top three, the most it may be without taste, and the least gap
		"category": {.75, .60, .20},
		"artist":   {.62, .60, .06},
	} {
		var own, mixed float64
		position := 0
		for _, id := range slices.Sorted(maps.Keys(views)) {
			own += topShare(views[id], items, attribute)
			var sample []string
			for range views[id] { // a stride through all views: everybody's and nobody's
				position = (position + 7919) % len(all)
				sample = append(sample, all[position])
			}
			mixed += topShare(sample, items, attribute)
		}
		own, mixed = own/float64(len(views)), mixed/float64(len(views))
		t.Logf("%s: %.3f of a shopper's views in the top three, %.3f without taste", attribute, own, mixed)
		if own < want[0] || mixed > want[1] || own-mixed < want[2] {
			t.Errorf("%s: %.3f of a shopper's views in the top three, %.3f without taste, want %v", attribute, own, mixed, want)
		}
	}
}

func topShare(views []string, items map[string]*recsys.Item, attribute string) float64 {
	counts := map[string]int{}
	for _, id := range views {
		counts[label(items[id], attribute)]++
	}
	sorted := slices.Sorted(maps.Values(counts))
	top := 0
	for _, n := range sorted[max(0, len(sorted)-3):] {
		top += n
	}
	return float64(top) / float64(len(views))
}

func TestItemsHaveALongTail(t *testing.T) {
	t.Parallel()
	events, items := simulate(t)
	counts := map[string]int{}
	for _, in := range events {
		counts[in.ItemID]++
	}
	sorted := slices.Sorted(maps.Values(counts))
	slices.Reverse(sorted)
	top := 0
	for _, n := range sorted[:len(items)/10] {
		top += n
	}
	if share := float64(top) / float64(len(events)); share < .25 || share > .6 {
		t.Errorf("the most popular tenth of the items has %.2f of the events", share)
	}
	if cold := len(items) - len(counts); cold < len(items)/coldEvery || cold > 2*len(items)/coldEvery {
		t.Errorf("%d of %d items are cold", cold, len(items))
	}
}

func TestShoppersTakeAnyItems(t *testing.T) {
	t.Parallel()
	if got := Shoppers(1, nil); len(got) != 0 {
		t.Errorf("%d events without items", len(got))
	}
	bare := []recsys.Item{{ItemID: "a"}, {ItemID: "b", Attributes: map[string]recsys.Attribute{"category": recsys.Number(3)}}}
	for _, in := range Shoppers(1, bare) {
		if in.ItemID != "a" && in.ItemID != "b" {
			t.Fatalf("%+v", in)
		}
	}
}
