package evaluate

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// newDataset draws users with 0 to 29 positives; ids are not the row numbers.
func newDataset(users, items int) Dataset {
	random := rand.New(rand.NewPCG(1, 1))
	var d Dataset
	for i := range items {
		d.ItemIDs = append(d.ItemIDs, uint64(1000+7*i))
	}
	for u := range users {
		d.UserIDs = append(d.UserIDs, uint64(3*u+1))
		row := []int32{}
		for _, item := range random.Perm(items)[:random.IntN(30)] {
			row = append(row, int32(item))
		}
		slices.Sort(row)
		d.Positives = append(d.Positives, row)
	}
	return d
}

// The first users of the poster pack by hash, from an independent implementation.
func TestUsersAreOrderedByHash(t *testing.T) {
	t.Parallel()
	var d Dataset
	for id := uint64(1); id <= 610; id++ {
		d.UserIDs = append(d.UserIDs, id)
	}
	d.Positives = make([][]int32, len(d.UserIDs))
	order := d.hashedUsers()
	previous := uint64(0)
	for _, row := range order {
		if hash := Hash(1, d.UserIDs[row], 0); hash < previous {
			t.Fatalf("user %d is out of order", d.UserIDs[row])
		} else {
			previous = hash
		}
	}
	known := map[uint64]bool{430: true, 471: true, 47: true, 549: true, 62: true}
	var got []uint64
	for _, row := range order {
		if known[d.UserIDs[row]] {
			got = append(got, d.UserIDs[row])
		}
	}
	if diff := cmp.Diff([]uint64{430, 471, 47, 549, 62}, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

func TestStrongSplitIsAPartition(t *testing.T) {
	t.Parallel()
	d := newDataset(103, 60)
	folds := StrongSplit(d)
	if len(folds) != 5 {
		t.Fatalf("%d folds, want 5", len(folds))
	}
	tested := map[int]int{}
	for k, fold := range folds {
		if want := (k+1)*103/5 - k*103/5; len(fold.Test) != want || len(fold.Train) != 103-want {
			t.Errorf("fold %d has %d test and %d training users, want %d and %d", k, len(fold.Test), len(fold.Train), want, 103-want)
		}
		if !slices.IsSorted(fold.Train) {
			t.Errorf("fold %d: training users are not in order", k)
		}
		for _, c := range fold.Test {
			tested[c.User]++
			if slices.Contains(fold.Train, c.User) {
				t.Errorf("fold %d trains on the user it tests", k)
			}
			checkCase(t, d, c)
		}
	}
	for u := range d.UserIDs {
		if tested[u] != 1 {
			t.Errorf("user row %d is tested %d times, want once", u, tested[u])
		}
	}
}

func checkCase(t *testing.T, d Dataset, c Case) {
	t.Helper()
	n := len(d.Positives[c.User])
	want := max(1, n/5)
	if n == 0 {
		want = 0
	}
	if len(c.Targets) != want {
		t.Errorf("a user of %d positives has %d targets, want %d", n, len(c.Targets), want)
	}
	if diff := cmp.Diff(d.Positives[c.User], append([]int32{}, slices.Sorted(slices.Values(slices.Concat(c.Targets, c.FoldIn)))...)); diff != "" {
		t.Errorf("targets and fold-in (-positives +got):\n%s", diff)
	}
	hash := func(i int32) uint64 { return Hash(2, d.UserIDs[c.User], d.ItemIDs[i]) }
	for _, target := range c.Targets {
		for _, item := range c.FoldIn {
			if hash(target) >= hash(item) {
				t.Errorf("target %d hashes above fold-in item %d", target, item)
			}
		}
	}
}

// A split is drawn from ids: where a user or an item stands in the data must not matter.
func TestStrongSplitDoesNotDependOnRows(t *testing.T) {
	t.Parallel()
	d := newDataset(50, 40)
	moved := Dataset{ItemIDs: slices.Clone(d.ItemIDs), UserIDs: slices.Clone(d.UserIDs), Positives: slices.Clone(d.Positives)}
	slices.Reverse(moved.UserIDs)
	slices.Reverse(moved.Positives)
	named := func(d Dataset) map[uint64][]uint64 {
		out := map[uint64][]uint64{}
		for k, fold := range StrongSplit(d) {
			for _, c := range fold.Test {
				out[d.UserIDs[c.User]] = append(out[d.UserIDs[c.User]], uint64(k))
				for _, item := range c.Targets {
					out[d.UserIDs[c.User]] = append(out[d.UserIDs[c.User]], d.ItemIDs[item])
				}
			}
		}
		return out
	}
	if diff := cmp.Diff(named(d), named(moved)); diff != "" {
		t.Errorf("fold and targets by user id (-rows in order +reversed):\n%s", diff)
	}
}

func TestSplitCold(t *testing.T) {
	t.Parallel()
	d := newDataset(80, 63)
	s := SplitCold(d)
	cold := 0
	for i := range d.ItemIDs {
		if s.Cold[i] {
			cold++
		}
		for j := range d.ItemIDs {
			if s.Cold[i] && !s.Cold[j] && Hash(3, d.ItemIDs[i], 0) >= Hash(3, d.ItemIDs[j], 0) {
				t.Errorf("cold item %d hashes above warm item %d", i, j)
			}
		}
	}
	if cold != 12 {
		t.Errorf("%d of 63 items are cold, want 12", cold)
	}
	for u := range d.UserIDs {
		checkColdUser(t, d, s, u)
	}
}

func checkColdUser(t *testing.T, d Dataset, s ColdSplit, u int) {
	t.Helper()
	targets, rest := d.holdOut(u)
	var train, cold []int32
	for _, item := range rest {
		if !s.Cold[item] {
			train = append(train, item)
		}
	}
	for _, item := range d.Positives[u] {
		if s.Cold[item] {
			cold = append(cold, item)
		}
	}
	want := ColdSplit{Train: [][]int32{train}, ColdOnly: []Case{{u, train, cold}}, Mixed: []Case{{u, train, targets}}}
	got := ColdSplit{Train: s.Train[u : u+1], ColdOnly: s.ColdOnly[u : u+1], Mixed: s.Mixed[u : u+1]}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("user row %d (-want +got):\n%s", u, diff)
	}
}

func TestWithAtLeast(t *testing.T) {
	t.Parallel()
	d := newDataset(60, 40)
	got := d.WithAtLeast(5)
	users, pairs := 0, 0
	for u, row := range d.Positives {
		if len(row) < 5 {
			continue
		}
		if got.UserIDs[users] != d.UserIDs[u] || !slices.Equal(got.Positives[users], row) {
			t.Errorf("user %d is not at row %d", d.UserIDs[u], users)
		}
		users++
		pairs += len(row)
	}
	if len(got.UserIDs) != users || got.Len() != pairs || users == len(d.UserIDs) {
		t.Errorf("%d users with %d positives are left of %d, want %d with %d", len(got.UserIDs), got.Len(), len(d.UserIDs), users, pairs)
	}
}

func TestDatasetValidate(t *testing.T) {
	t.Parallel()
	if err := newDataset(20, 40).Validate(); err != nil {
		t.Errorf("good data: %v", err)
	}
	for name, d := range map[string]Dataset{
		"a row too few":  {UserIDs: []uint64{1, 2}, Positives: [][]int32{{}}},
		"item too high":  {UserIDs: []uint64{1}, ItemIDs: []uint64{1}, Positives: [][]int32{{1}}},
		"item negative":  {UserIDs: []uint64{1}, ItemIDs: []uint64{1}, Positives: [][]int32{{-1}}},
		"the same twice": {UserIDs: []uint64{1}, ItemIDs: []uint64{1, 2, 3}, Positives: [][]int32{{2, 0, 2}}},
	} {
		if err := d.Validate(); !errors.Is(err, recsys.ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", name, err)
		}
	}
}
