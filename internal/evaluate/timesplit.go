package evaluate

import (
	"cmp"
	"slices"
	"time"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// leastLater is how many positives after the cut a user must have to be asked.
const leastLater = 10

// TimeSplit is protocol T80: recommending what comes next. Positives are ordered by time, user and
// item; the first four fifths are trained on, with all other events up to then. Asked are the
// users with ten or more later positives, from what they did up to half of these; the others are
// the targets.
func TimeSplit(l *Log) ([]Fold, error) {
	type pair struct {
		u *user
		p positive
	}
	var pairs []pair
	for i := range l.users {
		for _, p := range l.users[i].positives {
			pairs = append(pairs, pair{&l.users[i], p})
		}
	}
	slices.SortStableFunc(pairs, func(a, b pair) int {
		return cmp.Or(a.p.time.Compare(b.p.time), cmp.Compare(a.u.number, b.u.number), cmp.Compare(l.numbers[a.p.item], l.numbers[b.p.item]))
	})
	cut := 4 * len(pairs) / 5
	if cut == 0 {
		return l.finished("time", nil)
	}
	later := make(map[*user][]positive)
	for _, q := range pairs[cut:] {
		later[q.u] = append(later[q.u], q.p)
	}
	events := 0
	for _, u := range l.users {
		events += len(u.events)
	}
	fold := userFold{Fold: Fold{Name: "time", Train: make([]recsys.Interaction, 0, events)}}
	stage := Stage{Name: "what comes next"}
	for i := range l.users {
		u := &l.users[i]
		hidden := itemsOf(later[u])
		fold.Train = append(fold.Train, u.until(l, pairs[cut-1].p.time, hidden)...)
		if n := len(later[u]); n >= leastLater {
			stage.Cases = append(stage.Cases, l.nextCase(u, later[u], n/2))
		}
	}
	fold.Stages = []Stage{stage}
	return l.finished("time", []userFold{fold})
}

// nextCase asks for a user's later positives from the known-th on.
func (l *Log) nextCase(u *user, later []positive, known int) Case {
	c := Case{Actor: u.actor}
	for _, p := range later[known:] {
		c.Targets = append(c.Targets, l.items[p.item])
	}
	c.History = u.until(l, later[known-1].time, itemsOf(later[known:]))
	return c
}

func itemsOf(positives []positive) map[int32]bool {
	out := make(map[int32]bool, len(positives))
	for _, p := range positives {
		out[p.item] = true
	}
	return out
}

// until returns the user's events up to a time with items that are not hidden.
func (u *user) until(l *Log, last time.Time, hidden map[int32]bool) []recsys.Interaction {
	var out []recsys.Interaction
	for _, in := range u.events {
		if !in.EventTime.After(last) && !hidden[l.at[in.ItemID]] {
			out = append(out, in)
		}
	}
	return out
}
