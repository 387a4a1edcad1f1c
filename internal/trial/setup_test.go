package trial

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

var start = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

// plantedKinds is how many kinds of item and of shopper a planted shop has.
const plantedKinds = 4

// plantedShop is a catalogue whose kind shows in the category, and likes by people who favour a
// kind each; structure 0 has people like at random, and
// density is the share of what they might like that they have liked.
func plantedShop(users, items int, structure, density float64) (itemList []recsys.Item, log []recsys.Interaction) {
	random := rand.New(rand.NewPCG(7, 7))
	for i := range items {
		itemList = append(itemList, recsys.Item{ItemID: fmt.Sprint(100 + i), Title: fmt.Sprint("item ", i), CreateTime: start,
			Attributes: map[string]recsys.Attribute{
				"kind":  recsys.Labels(fmt.Sprint("kind ", i%plantedKinds)),
				"price": recsys.Number(10 + random.Float64()),
				"maker": recsys.Labels(fmt.Sprint("maker ", random.IntN(12))),
			}})
	}
	for u := range users {
		for k, i := range random.Perm(items) {
			if random.Float64() < structure && i%plantedKinds != u%plantedKinds {
				continue
			}
			if random.Float64() > density {
				continue
			}
			log = append(log, recsys.Interaction{Actor: recsys.User(fmt.Sprint(u)), ItemID: itemList[i].ItemID, Type: recsys.Like,
				EventTime: start.Add(time.Duration(u+users*k) * time.Minute)})
		}
	}
	return itemList, log
}

func testConfig() engine.Config {
	config := engine.DefaultConfig()
	config.Recipe.ALS.Factors, config.Recipe.ALS.Epochs = 16, 8
	return config
}

// catalogOf registers items in a store in memory.
func catalogOf(t *testing.T, items []recsys.Item) Catalog {
	t.Helper()
	c := Catalog{Store: NewStore(), EncoderName: "none@1", EncoderDims: 8}
	e, err := engine.New(testConfig(), engine.Deps{Store: c.Store, Encoder: frozen{c.EncoderName, c.EncoderDims},
		Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return start }})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	registrations := make([]engine.Registration, len(items))
	for i := range items {
		registrations[i].Item = items[i]
	}
	for _, r := range e.RegisterItems(t.Context(), registrations) {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	return c
}
