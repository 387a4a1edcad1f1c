package evaluate

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMetricsByHand(t *testing.T) {
	t.Parallel()
	log := math.Log2
	cases := map[string]struct {
		hits                       []bool
		n                          int
		ndcg3, recall3, reciprocal float64
	}{
		"perfect, one target":      {[]bool{true, false, false}, 1, 1, 1, 1},
		"perfect, more than fit":   {[]bool{true, true, true, false}, 9, 1, 1, 1},
		"second place":             {[]bool{false, true, false}, 1, 1 / log(3), 1, .5},
		"first and third of two":   {[]bool{true, false, true}, 2, (1 + 1/log(4)) / (1 + 1/log(3)), 1, 1},
		"one of two":               {[]bool{false, false, true}, 2, (1 / log(4)) / (1 + 1/log(3)), .5, 1. / 3},
		"below the cut":            {[]bool{false, false, false, true}, 1, 0, 0, .25},
		"nothing found":            {[]bool{false, false, false}, 2, 0, 0, 0},
		"list shorter than cut":    {[]bool{true}, 2, 1 / (1 + 1/log(3)), .5, 1},
		"nothing left to be shown": {nil, 2, 0, 0, 0},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := []float64{c.ndcg3, c.recall3, c.reciprocal}
			got := []float64{NDCG(c.hits, c.n, 3), Recall(c.hits, c.n, 3), ReciprocalRank(c.hits)}
			for k := range want {
				if math.Abs(want[k]-got[k]) > 1e-12 {
					t.Errorf("NDCG@3, Recall@3, 1/rank are %v, want %v", got, want)
				}
			}
		})
	}
}

func TestTopBreaksTiesByHash(t *testing.T) {
	t.Parallel()
	ids := []uint64{10, 20, 30, 40, 50, 60}
	nan := float32(math.NaN())
	scores := []float32{1, 2, 1, 1, nan, 3}
	tied := []int32{0, 2, 3}
	for uid := range uint64(20) {
		slices.SortFunc(tied, func(a, b int32) int {
			if Hash(6, uid, ids[a]) < Hash(6, uid, ids[b]) {
				return -1
			}
			return 1
		})
		want := append([]int32{5, 1}, tied...)
		ranker := NewRanker(ids)
		if diff := cmp.Diff(want, ranker.Top(uid, scores, 100, nil)); diff != "" {
			t.Errorf("user %d (-want +got):\n%s", uid, diff)
		}
		got := ranker.Top(uid, scores, 3, func(item int32) bool { return item != 5 })
		if diff := cmp.Diff(want[1:4], got); diff != "" {
			t.Errorf("user %d, three without the first (-want +got):\n%s", uid, diff)
		}
	}
}

func TestEstimateOf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		values []float64
		want   Estimate
	}{
		{nil, Estimate{}},
		{[]float64{3}, Estimate{Mean: 3, N: 1}},
		{[]float64{1, 3}, Estimate{Mean: 2, StdErr: 1, N: 2}},
		{[]float64{2, 2, 2}, Estimate{Mean: 2, N: 3}},
	} {
		if diff := cmp.Diff(c.want, EstimateOf(c.values)); diff != "" {
			t.Errorf("%v (-want +got):\n%s", c.values, diff)
		}
	}
}

func TestEvaluateMasksFoldInAndForbidden(t *testing.T) {
	t.Parallel()
	d := Dataset{UserIDs: []uint64{1, 2, 3}, ItemIDs: []uint64{1, 2, 3, 4}}
	cases := []Case{
		{User: 0, FoldIn: []int32{0}, Targets: []int32{1}},
		{User: 1, FoldIn: []int32{1}, Targets: []int32{2}},
		{User: 2, FoldIn: []int32{1}}, // nothing to find: no part of the mean
	}
	e := Evaluation{Data: d, Popularity: []float32{9, 5, 2, 0}, Allowed: func(item int32) bool { return item != 3 }}
	r := e.Evaluate(cases, func(k int, scores []float32) { copy(scores, []float32{4, 3, 2, 9}) })
	// User 1 sees items 1, 2: hit at once. User 2 sees 0, 2: hit second.
	want := Report{NDCG100: []float64{1, 1 / math.Log2(3)}, NDCG10: []float64{1, 1 / math.Log2(3)}, Recall20: []float64{1, 1},
		MRR: []float64{1, .5}, Coverage20: 1, MeanPopularity20: (5. + 2 + 9 + 2) / 4}
	if diff := cmp.Diff(want, r); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
}

func TestPopularityCountsRows(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff([]float32{1, 0, 2}, Popularity(3, [][]int32{{0, 2}, {}, {2}})); diff != "" {
		t.Errorf("popularity (-want +got):\n%s", diff)
	}
}

// A list in random order is worth the number of targets over the number of items.
func TestRandomScoresGetTheExpectedRecall(t *testing.T) {
	t.Parallel()
	d := newDataset(400, 200)
	random := rand.New(rand.NewPCG(3, 3))
	var recall []float64
	for _, fold := range StrongSplit(d) {
		e := Evaluation{Data: d, Popularity: make([]float32, 200)}
		r := e.Evaluate(fold.Test, func(_ int, scores []float32) {
			for k := range scores {
				scores[k] = random.Float32()
			}
		})
		recall = append(recall, r.Recall20...)
	}
	// 20 of the about 190 items that are not masked.
	if got := EstimateOf(recall); math.Abs(got.Mean-20./190) > 4*got.StdErr {
		t.Errorf("Recall@20 of random scores is %.3f ± %.3f, want about %.3f", got.Mean, got.StdErr, 20./190)
	}
}
