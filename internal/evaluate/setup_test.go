package evaluate

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

var start = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

// randomLog draws users with 0 to most-1 likes and some views; ids are numbers.
func randomLog(t testing.TB, users, items, most int, config LogConfig) *Log {
	t.Helper()
	catalog, rows := randomRows(users, items, most)
	l, err := NewLog(catalog, rows, config)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func randomRows(users, items, most int) (catalog []string, rows []recsys.Interaction) {
	random := rand.New(rand.NewPCG(1, 1))
	for i := range items {
		catalog = append(catalog, fmt.Sprint(1000+7*i))
	}
	for u := range users {
		for k, item := range random.Perm(items)[:random.IntN(most)] {
			kind := recsys.Like
			if k%5 == 4 {
				kind = recsys.View
			}
			rows = append(rows, recsys.Interaction{Actor: recsys.User(fmt.Sprint(3*u + 1)), ItemID: catalog[item], Type: kind,
				EventTime: start.Add(time.Duration(random.IntN(1e6)) * time.Second)})
		}
	}
	return catalog, rows
}

// likesOf is a log of likes: users by name, items in the order of time.
func likesOf(t *testing.T, catalog []string, likes map[string][]string) *Log {
	t.Helper()
	var rows []recsys.Interaction
	for user, items := range likes {
		for k, item := range items {
			rows = append(rows, recsys.Interaction{Actor: recsys.User(user), ItemID: item, Type: recsys.Like, EventTime: start.Add(time.Duration(k) * time.Hour)})
		}
	}
	l, err := NewLog(catalog, rows, DefaultLogConfig())
	if err != nil {
		t.Fatal(err)
	}
	return l
}
