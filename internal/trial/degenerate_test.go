package trial

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// Shops with next to nothing to learn from train, or say why not, and every list is finite.
func TestDegenerateShops(t *testing.T) {
	t.Parallel()
	like := func(user, item int) recsys.Interaction {
		return recsys.Interaction{Actor: recsys.User(fmt.Sprint(user)), ItemID: fmt.Sprint(item), Type: recsys.Like, EventTime: start}
	}
	repeated := func(n int, in recsys.Interaction) (out []recsys.Interaction) {
		for range n {
			out = append(out, in)
		}
		return out
	}
	everything := []recsys.Interaction{like(1, 3), like(1, 4), like(2, 3)}
	for item := range 6 {
		everything = append(everything, like(0, item))
	}
	dislikes := make([]recsys.Interaction, 6)
	for k := range dislikes {
		dislikes[k] = like(k%3, k)
		dislikes[k].Type = recsys.Dislike
	}
	for name, c := range map[string]struct {
		items int
		log   []recsys.Interaction
		refused,
		constant bool // content of all items is the same
	}{
		"nothing":                      {refused: true},
		"items alone":                  {items: 6, refused: true},
		"one user":                     {items: 6, log: []recsys.Interaction{like(0, 1), like(0, 2), like(0, 3)}, refused: true},
		"one item":                     {items: 1, log: []recsys.Interaction{like(0, 0), like(1, 0), like(2, 0)}, refused: true},
		"one like":                     {items: 6, log: repeated(1, like(0, 0)), refused: true},
		"one like, again and again":    {items: 6, log: repeated(500, like(0, 0)), refused: true},
		"somebody likes everything":    {items: 6, log: everything},
		"everything is the same":       {items: 6, log: everything, constant: true},
		"nothing but dislikes":         {items: 6, log: dislikes, refused: true},
		"interactions with no item":    {items: 1, log: []recsys.Interaction{like(0, 77), like(1, 78)}, refused: true},
		"one user, one item, one like": {items: 1, log: repeated(1, like(0, 0)), refused: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var items []recsys.Item
			for i := range c.items {
				kind, price := i, i
				if c.constant {
					kind, price = 0, 0
				}
				items = append(items, recsys.Item{ItemID: fmt.Sprint(i), CreateTime: start,
					Attributes: map[string]recsys.Attribute{"kind": recsys.Labels(fmt.Sprint(kind)), "price": recsys.Number(float64(price))}})
			}
			catalog := catalogOf(t, items)
			e, err := catalog.open(t.Context(), catalog.Store.View(c.log, func(*recsys.Item) bool { return true }), testConfig(), start)
			if err != nil {
				t.Fatal(err)
			}
			_, _, err = e.Train(t.Context(), silent)
			if refused := errors.Is(err, recsys.ErrInvalid); refused != c.refused || err != nil && !refused {
				t.Fatalf("training: %v, want refused %v", err, c.refused)
			}
			for user := -1; user < 3; user++ {
				var history []recsys.Interaction
				for _, in := range c.log {
					if in.Actor.ID == fmt.Sprint(user) {
						history = append(history, in)
					}
				}
				list, err := e.Rank(t.Context(), recsys.RankQuery{History: history, K: 10, Diversity: .3})
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range list {
					if math.IsNaN(r.Score) || math.IsInf(r.Score, 0) {
						t.Errorf("user %d: score %v of item %s", user, r.Score, r.ItemID)
					}
				}
			}
		})
	}
}
