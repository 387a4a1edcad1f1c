package evaluate

import (
	"slices"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// ColdItems is protocol COLD: new items, for known users. A fifth of the items, the k-th by
// H(3, iid, 0) for fold k, is registered only after the training; of every user the first fifth of
// the positives, as in NewUsers, is held out. Stage one ranks the new items alone and wants all
// the user's positives among them; stage two ranks all items and wants what was held out.
//
// folds is 1, which is COLD, to 5, which is COLD5.
func ColdItems(l *Log, folds int) ([]Fold, error) {
	l = l.WithAtLeast(leastOfUser)
	var out []userFold
	for k := range min(max(folds, 1), 5) {
		cold := l.coldItems(k)
		fold := userFold{Fold: Fold{Name: stageOf("fold", k+1)}}
		only := Stage{Name: "new items only", Only: make(map[string]bool)}
		all := Stage{Name: "all items"}
		for item := range cold {
			fold.New = append(fold.New, l.items[item])
			only.Only[l.items[item]] = true
		}
		slices.Sort(fold.New)
		for i := range l.users {
			u := &l.users[i]
			targets, known := l.trainedWithout(u, cold)
			fold.Train = append(fold.Train, known...)
			var among []string
			for _, p := range u.positives {
				if cold[p.item] {
					among = append(among, l.items[p.item])
				}
			}
			only.Cases = append(only.Cases, Case{Actor: u.actor, History: known, Targets: among})
			all.Cases = append(all.Cases, Case{Actor: u.actor, History: known, Targets: targets})
		}
		fold.Stages = []Stage{only, all}
		out = append(out, fold)
	}
	return l.finished("cold items", out)
}

// coldItems is the k-th fifth of the items by hash.
func (l *Log) coldItems(k int) map[int32]bool {
	order := make([]int32, len(l.items))
	for i := range order {
		order[i] = int32(i)
	}
	byHash(order, func(i int32) (hash, number uint64) { return Hash(seedCold, l.numbers[i], 0), l.numbers[i] })
	out := make(map[int32]bool)
	for _, item := range order[k*len(order)/5 : (k+1)*len(order)/5] {
		out[item] = true
	}
	return out
}

// trainedWithout returns a user's held-out targets and the events that are left without them and
// without the cold items.
func (l *Log) trainedWithout(u *user, cold map[int32]bool) (targets []string, known []recsys.Interaction) {
	hidden := l.hidden(u)
	for _, item := range hidden {
		targets = append(targets, l.items[item])
	}
	return targets, u.eventsWithout(l, func(item int32) bool { return cold[item] || slices.Contains(hidden, item) })
}
