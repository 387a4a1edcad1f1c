package evaluate

import (
	"slices"
	"time"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

const (
	userFolds   = 5 // of NewUsers
	leastOfUser = 5 // positives a user must have, but in TimeSplit
)

// NewUsers is protocol SG5: recommending to users the model has never seen.
//
// Users with five positives or more, ascending by H(1, uid, 0), are cut into five folds; of a
// held-out user's items ascending by H(2, uid, iid) the first max(1, ⌊n/5⌋) are targets, the rest
// is known.
//
// Errors: recsys.ErrInvalid if the log is too small for a figure; so too of all protocols.
func NewUsers(l *Log) ([]Fold, error) {
	l = l.WithAtLeast(leastOfUser)
	folds := l.userFolds()
	for k, fold := range folds {
		stage := Stage{Name: "new users"}
		for _, u := range fold.test {
			targets, history := l.holdOut(u)
			stage.Cases = append(stage.Cases, Case{Actor: u.actor, History: history, Targets: targets})
		}
		folds[k].Stages = []Stage{stage}
	}
	return l.finished("new users", folds)
}

// NewUserCurve is protocol Q5: as the first fold of NewUsers, when only the first k of the known
// items, ascending by H(5, uid, iid), have happened yet. The others stay out of the way.
func NewUserCurve(l *Log, counts ...int) ([]Fold, error) {
	l = l.WithAtLeast(leastOfUser)
	folds := l.userFolds()[:1]
	for _, k := range counts {
		stage := Stage{Name: stageOf("k", k)}
		for _, u := range folds[0].test {
			targets, history := l.holdOut(u)
			kept, left := l.firstKnown(u, history, k)
			stage.Cases = append(stage.Cases, Case{Actor: u.actor, History: kept, Targets: targets, Left: left})
		}
		folds[0].Stages = append(folds[0].Stages, stage)
	}
	return l.finished("new user curve", folds)
}

// userFold is a Fold with the users it tests.
type userFold struct {
	Fold
	test []*user
}

func (l *Log) userFolds() []userFold {
	order := make([]*user, len(l.users))
	for i := range l.users {
		order[i] = &l.users[i]
	}
	byHash(order, func(u *user) (hash, number uint64) { return Hash(seedUser, u.number, 0), u.number })
	folds := make([]userFold, userFolds)
	for k := range folds {
		low, high := k*len(order)/userFolds, (k+1)*len(order)/userFolds
		folds[k].Name = stageOf("fold", k+1)
		folds[k].test = order[low:high]
		for _, u := range slices.Concat(order[:low], order[high:]) {
			folds[k].Train = append(folds[k].Train, u.events...)
		}
	}
	return folds
}

// holdOut cuts a user's positives into the first max(1, ⌊n/5⌋) by hash, which are returned by id,
// and the rest, which are returned as what is known: all events but those with the former.
func (l *Log) holdOut(u *user) (targets []string, known []recsys.Interaction) {
	hidden := l.hidden(u)
	for _, item := range hidden {
		targets = append(targets, l.items[item])
	}
	return targets, u.eventsWithout(l, func(item int32) bool { return slices.Contains(hidden, item) })
}

func (l *Log) hidden(u *user) []int32 {
	items := make([]int32, len(u.positives))
	for i, p := range u.positives {
		items[i] = p.item
	}
	byHash(items, func(i int32) (hash, number uint64) {
		return Hash(seedItem, u.number, l.numbers[i]), l.numbers[i]
	})
	return items[:min(max(1, len(items)/5), len(items))]
}

// firstKnown keeps the events with the first k known positives by hash; left are the other known items.
func (l *Log) firstKnown(u *user, known []recsys.Interaction, k int) (kept []recsys.Interaction, left map[string]bool) {
	isPositive := make(map[int32]bool, len(u.positives))
	for _, p := range u.positives {
		isPositive[p.item] = true
	}
	var items []int32
	left = make(map[string]bool)
	for _, in := range known {
		item := l.at[in.ItemID]
		if isPositive[item] && !slices.Contains(items, item) {
			items = append(items, item)
		}
		left[in.ItemID] = true
	}
	byHash(items, func(i int32) (hash, number uint64) {
		return Hash(seedHistory, u.number, l.numbers[i]), l.numbers[i]
	})
	items = items[:min(k, len(items))]
	for _, in := range known {
		if slices.Contains(items, l.at[in.ItemID]) {
			kept = append(kept, in)
			delete(left, in.ItemID)
		}
	}
	return kept, left
}

// finished sets when each fold is asked, after everything that is known, and checks the folds.
func (l *Log) finished(protocol string, with []userFold) ([]Fold, error) {
	folds := make([]Fold, len(with))
	for k := range with {
		folds[k] = with[k].Fold
		folds[k].Now = l.last().Add(time.Second)
		if err := folds[k].Check(); err != nil {
			return nil, err
		}
	}
	return folds, enough(protocol, folds)
}
