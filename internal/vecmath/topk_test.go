package vecmath

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// topKTwin sorts everything.
func topKTwin(all []Scored, k int) []Scored {
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b Scored) int {
		switch {
		case a.Score != b.Score && a.Score > b.Score:
			return -1
		case a.Score != b.Score:
			return 1
		case a.ID < b.ID:
			return -1
		case a.ID > b.ID:
			return 1
		}
		return 0
	})
	return all[:min(max(k, 0), len(all))]
}

func TestTopKAgainstSortingAll(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(6, 6))
	for round := range 400 {
		n := rng.IntN(80)
		all := make([]Scored, n)
		for i, id := range rng.Perm(n) {
			all[i] = Scored{ID: uint32(id), Score: float32(rng.IntN(1 + round%12))} // many ties
		}
		for _, k := range []int{-1, 0, 1, 2, 3, 10, 15, n, n + 1, math.MaxInt} {
			top := NewTopK(k)
			for i, s := range all {
				checkThreshold(t, top, all[:i], k)
				top.Push(s.ID, s.Score)
			}
			want := topKTwin(all, k)
			if diff := cmp.Diff(want, top.Sorted()); diff != "" {
				t.Fatalf("n %d, k %d (-want +got):\n%s", n, k, diff)
			}
			if top.Len() != len(want) {
				t.Fatalf("n %d, k %d: Len = %d, want %d", n, k, top.Len(), len(want))
			}
		}
	}
}

// checkThreshold holds Threshold against the twin after the pushes so far.
func checkThreshold(t *testing.T, top *TopK, pushed []Scored, k int) {
	t.Helper()
	want := float32(math.Inf(-1))
	switch kept := topKTwin(pushed, k); {
	case k <= 0:
		want = float32(math.Inf(1))
	case len(kept) == k:
		want = kept[k-1].Score
	}
	if got := top.Threshold(); got != want {
		t.Fatalf("threshold %v after %d pushes with k %d, want %v", got, len(pushed), k, want)
	}
}

func TestTopKKeepsTakingAfterSorted(t *testing.T) {
	t.Parallel()
	top := NewTopK(2)
	top.Push(1, 1)
	top.Push(2, float32(math.NaN()))
	first := top.Sorted()
	top.Push(3, float32(math.Inf(1)))
	top.Push(4, 0)
	if diff := cmp.Diff([]Scored{{3, float32(math.Inf(1))}, {1, 1}}, top.Sorted()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]Scored{{1, 1}}, first); diff != "" {
		t.Errorf("an earlier result changed (-want +got):\n%s", diff)
	}
}
