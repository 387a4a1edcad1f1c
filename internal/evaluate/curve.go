package evaluate

import (
	"slices"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

const (
	curvePopular = 48 // positives a cold item must have to be watched
	curveLast    = 32 // users of an item from this rank on are its targets
)

// Curve is protocol CURVE: how new items rise as people find them. Training as in ColdItems.
// Watched are the cold items with 48 positives or more; of an item's users ascending by
// H(4, iid, uid) the first n have liked it at stage n, those of rank 32 and more are to be found,
// and for the users between the item is out of the way. Candidates are the trained items and the
// watched ones.
func Curve(l *Log, counts ...int) ([]Fold, error) {
	l = l.WithAtLeast(leastOfUser)
	cold := l.coldItems(0)
	fold := userFold{Fold: Fold{Name: "curve"}}
	candidates := make(map[string]bool)
	for i := range l.users {
		_, known := l.trainedWithout(&l.users[i], cold)
		fold.Train = append(fold.Train, known...)
		for _, in := range known {
			candidates[in.ItemID] = true
		}
	}
	for item := range cold {
		fold.New = append(fold.New, l.items[item])
	}
	slices.Sort(fold.New)
	watched := l.watched(cold)
	for item := range watched {
		candidates[l.items[item]] = true
	}
	cases := l.curveCases(cold, watched)
	revealed, last := 0, l.last()
	for _, n := range counts {
		stage := Stage{Name: stageOf("n", n), Only: candidates, Cases: cases, Scores: true}
		for _, item := range sortedKeys(watched) {
			for _, u := range watched[item][min(revealed, n):n] {
				stage.Reveal = append(stage.Reveal, recsys.Interaction{Actor: u.actor, ItemID: l.items[item], Type: recsys.Like, EventTime: last})
			}
		}
		revealed = max(revealed, n)
		fold.Stages = append(fold.Stages, stage)
	}
	return l.finished("cold to warm", []userFold{fold})
}

// watched returns the users of the watched items in the order they are revealed.
func (l *Log) watched(cold map[int32]bool) map[int32][]*user {
	users := make(map[int32][]*user)
	for i := range l.users {
		for _, p := range l.users[i].positives {
			if cold[p.item] {
				users[p.item] = append(users[p.item], &l.users[i])
			}
		}
	}
	for item, list := range users {
		if len(list) < curvePopular {
			delete(users, item)
			continue
		}
		byHash(list, func(u *user) (hash, number uint64) { return Hash(seedReveal, l.numbers[item], u.number), u.number })
	}
	return users
}

func (l *Log) curveCases(cold map[int32]bool, watched map[int32][]*user) []Case {
	targets, left := make(map[*user][]string), make(map[*user]map[string]bool)
	for _, item := range sortedKeys(watched) {
		for rank, u := range watched[item] {
			if rank >= curveLast {
				targets[u] = append(targets[u], l.items[item])
				continue
			}
			if left[u] == nil {
				left[u] = make(map[string]bool)
			}
			left[u][l.items[item]] = true
		}
	}
	var out []Case
	for i := range l.users {
		u := &l.users[i]
		_, known := l.trainedWithout(u, cold)
		out = append(out, Case{Actor: u.actor, History: known, Targets: targets[u], Left: left[u]})
	}
	return out
}
