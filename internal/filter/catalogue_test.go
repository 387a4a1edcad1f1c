package filter

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// gallery makes items like a shop's: 12 attributes, labels with vocabularies of 5 to 10,000
// values of which few are frequent, numbers, and a text on a tenth of the items.
func gallery(n int) []recsys.Item {
	rng := rand.New(rand.NewPCG(1, 2))
	items := make([]recsys.Item, n)
	for i := range items {
		items[i] = galleryItem(rng, i)
	}
	return items
}

func galleryItem(rng *rand.Rand, i int) recsys.Item {
	pick := func(name string, values int) string {
		return fmt.Sprintf("%s %d", name, int(float64(values)*rng.Float64()*rng.Float64()*rng.Float64()))
	}
	several := func(name string, values, most int) recsys.Attribute {
		seen := make(map[string]bool)
		var all []string
		for range 1 + rng.IntN(most) {
			if v := pick(name, values); !seen[v] {
				seen[v] = true
				all = append(all, v)
			}
		}
		return recsys.Labels(all...)
	}
	attributes := map[string]recsys.Attribute{
		"artist":   recsys.Labels(pick("artist", 2000)),
		"style":    recsys.Labels(pick("style", 30)),
		"medium":   several("medium", 50, 2),
		"keywords": several("keyword", 10000, 12),
		"colours":  several("colour", 12, 4),
		"origin":   recsys.Labels(pick("country", 80)),
		"status":   recsys.Labels(pick("status", 5)),
		"price":    recsys.Number(float64(rng.IntN(500000)) / 100),
		"year":     recsys.Number(float64(1600 + rng.IntN(425))),
		"width":    recsys.Number(10 + 200*rng.Float64()),
		"height":   recsys.Number(10 + 200*rng.Float64()),
	}
	if rng.IntN(10) == 0 {
		attributes["note"] = recsys.Text(fmt.Sprintf("Acquired in %d from the estate of %s.", 1900+rng.IntN(120), pick("owner", 5000)))
	}
	return recsys.Item{ItemID: fmt.Sprintf("item-%07d", i), Title: fmt.Sprintf("Picture %d of %s", i, pick("place", 3000)),
		CreateTime: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(i) * time.Minute), Attributes: attributes}
}

// filled returns an Index of these items, numbered in order.
func filled(items []recsys.Item) *Index {
	changes := make([]Change, len(items))
	for i := range items {
		changes[i] = Change{uint32(i), &items[i]}
	}
	return New().Apply(changes)
}
