package evaluate

import (
	"cmp"
	"slices"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// sg5Folds is the number of folds of StrongSplit.
const sg5Folds = 5

// Dataset is a binary interaction matrix with the ids that splits are drawn from.
type Dataset struct {
	UserIDs   []uint64
	ItemIDs   []uint64
	Positives [][]int32 // per user: distinct item rows
}

// Validate reports whether rows are in range and distinct; recsys.ErrInvalid if not.
func (d Dataset) Validate() error {
	if len(d.Positives) != len(d.UserIDs) {
		return recsys.Invalid("positives", "has %d rows, want %d as there are users", len(d.Positives), len(d.UserIDs))
	}
	for u, items := range d.Positives {
		sorted := slices.Sorted(slices.Values(items))
		for k, item := range sorted {
			if item < 0 || int(item) >= len(d.ItemIDs) {
				return recsys.Invalid("positives", "of user row %d name item row %d, want 0 to %d", u, item, len(d.ItemIDs)-1)
			}
			if k > 0 && item == sorted[k-1] {
				return recsys.Invalid("positives", "of user row %d name item row %d twice", u, item)
			}
		}
	}
	return nil
}

// WithAtLeast returns the dataset without the users who have fewer than n positives.
// Rows of positives are shared with d.
func (d Dataset) WithAtLeast(n int) Dataset {
	out := Dataset{ItemIDs: d.ItemIDs}
	for u, items := range d.Positives {
		if len(items) >= n {
			out.UserIDs = append(out.UserIDs, d.UserIDs[u])
			out.Positives = append(out.Positives, items)
		}
	}
	return out
}

// Len returns the number of positives.
func (d Dataset) Len() int {
	n := 0
	for _, items := range d.Positives {
		n += len(items)
	}
	return n
}

// Case is one user to recommend for: FoldIn is known and masked, Targets are to be found.
type Case struct {
	User            int // row in the dataset
	FoldIn, Targets []int32
}

// StrongFold is one fold of StrongSplit.
type StrongFold struct {
	Train []int // user rows, ascending
	Test  []Case
}

// StrongSplit is protocol SG5: recommending to users the model has never seen.
//
// Users ascending by H(1, uid, 0) are cut into five folds; of a held-out user's items
// ascending by H(2, uid, iid) the first max(1, ⌊n/5⌋) are targets, the rest fold-in.
// A user without positives is in Test with nothing to find.
func StrongSplit(d Dataset) []StrongFold {
	order := d.hashedUsers()
	folds := make([]StrongFold, sg5Folds)
	for k := range folds {
		low, high := k*len(order)/sg5Folds, (k+1)*len(order)/sg5Folds
		folds[k].Train = slices.Sorted(slices.Values(slices.Concat(order[:low], order[high:])))
		for _, user := range order[low:high] {
			targets, foldIn := d.holdOut(user)
			folds[k].Test = append(folds[k].Test, Case{User: user, FoldIn: foldIn, Targets: targets})
		}
	}
	return folds
}

func (d Dataset) hashedUsers() []int {
	order := make([]int, len(d.UserIDs))
	for k := range order {
		order[k] = k
	}
	sortByHash(order, func(u int) (hash, id uint64) { return Hash(seedUser, d.UserIDs[u], 0), d.UserIDs[u] })
	return order
}

// holdOut cuts a user's items into the first max(1, ⌊n/5⌋) by hash and the rest.
func (d Dataset) holdOut(user int) (targets, rest []int32) {
	items := slices.Clone(d.Positives[user])
	uid := d.UserIDs[user]
	sortByHash(items, func(i int32) (hash, id uint64) {
		return Hash(seedItem, uid, d.ItemIDs[i]), d.ItemIDs[i]
	})
	n := min(max(1, len(items)/5), len(items))
	return items[:n], items[n:]
}

// sortByHash sorts ascending by hash; ids settle collisions.
func sortByHash[T any](rows []T, key func(T) (hash, id uint64)) {
	slices.SortFunc(rows, func(a, b T) int {
		hashA, idA := key(a)
		hashB, idB := key(b)
		return cmp.Or(cmp.Compare(hashA, hashB), cmp.Compare(idA, idB))
	})
}

// ColdSplit is protocol COLD: new items beside old ones, for known users.
type ColdSplit struct {
	Cold  []bool // per item row
	Train [][]int32
	// ColdOnly ranks cold items alone: all the user's cold positives are targets. Mixed ranks all
	// items: the first fifth of the user's items are targets, the training pairs are masked.
	ColdOnly, Mixed []Case
}

// SplitCold takes the first ⌊items/5⌋ items ascending by H(3, iid, 0) out of training, and of
// every user the first max(1, ⌊n/5⌋) items as in StrongSplit.
func SplitCold(d Dataset) ColdSplit {
	order := make([]int, len(d.ItemIDs))
	for k := range order {
		order[k] = k
	}
	sortByHash(order, func(i int) (hash, id uint64) { return Hash(seedColdI, d.ItemIDs[i], 0), d.ItemIDs[i] })
	s := ColdSplit{Cold: make([]bool, len(order)), Train: make([][]int32, len(d.UserIDs))}
	for _, item := range order[:len(order)/5] {
		s.Cold[item] = true
	}
	for user, items := range d.Positives {
		targets, rest := d.holdOut(user)
		var cold []int32
		for _, item := range rest {
			if !s.Cold[item] {
				s.Train[user] = append(s.Train[user], item)
			}
		}
		for _, item := range items {
			if s.Cold[item] {
				cold = append(cold, item)
			}
		}
		s.ColdOnly = append(s.ColdOnly, Case{User: user, FoldIn: s.Train[user], Targets: cold})
		s.Mixed = append(s.Mixed, Case{User: user, FoldIn: s.Train[user], Targets: targets})
	}
	return s
}
