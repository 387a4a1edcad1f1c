package evaluate

import (
	"math"
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
