package main

import (
	"encoding/csv"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// plantedShop is a shop whose shoppers favour one of four kinds of item each, and some items more
// than others; who likes what can be learned from the likes and from the kind.
type plantedShop struct {
	items []string
	kind  map[string]string
	log   []recsys.Interaction // oldest first
}

const plantedKinds = 4

func newPlantedShop(users, items int) plantedShop {
	random := rand.New(rand.NewPCG(3, 14))
	shop := plantedShop{kind: make(map[string]string)}
	start := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range items {
		id := fmt.Sprint(1000 + i)
		shop.items = append(shop.items, id)
		shop.kind[id] = fmt.Sprint("kind ", i%plantedKinds)
	}
	liked := make(map[string]bool)
	for n := range users * 50 {
		user := (n/50 + random.IntN(users/2)) % users // people come and go, a half of them at a time
		kind := user % plantedKinds
		if random.Float64() < .1 {
			kind = random.IntN(plantedKinds)
		}
		place := random.Float64()
		item := shop.items[int(place*place*float64(items/plantedKinds))*plantedKinds+kind]
		if pair := fmt.Sprint(user, " ", item); !liked[pair] {
			liked[pair] = true
			shop.log = append(shop.log, recsys.Interaction{Actor: recsys.User(fmt.Sprint(user)), ItemID: item, Type: recsys.Like, EventTime: start.Add(time.Duration(n) * time.Hour)})
		}
	}
	return shop
}

// write writes the catalogue and some of the log as files that import reads.
func (s plantedShop) write(t *testing.T, log []recsys.Interaction) (items, interactions string) {
	t.Helper()
	dir := t.TempDir()
	items, interactions = filepath.Join(dir, "items.csv"), filepath.Join(dir, "interactions.csv")
	rows := [][]string{{"item_id", "title", "kind"}}
	for _, id := range s.items {
		rows = append(rows, []string{id, "item " + id, s.kind[id]})
	}
	writeCSV(t, items, rows)
	rows = [][]string{{"user", "item", "type", "timestamp"}}
	for _, in := range log {
		rows = append(rows, []string{in.Actor.ID, in.ItemID, "like", in.EventTime.Format(time.RFC3339)})
	}
	writeCSV(t, interactions, rows)
	return items, interactions
}

func writeCSV(t *testing.T, name string, rows [][]string) {
	t.Helper()
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := csv.NewWriter(file).WriteAll(rows); err != nil {
		t.Fatal(err)
	}
}
