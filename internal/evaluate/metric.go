package evaluate

import (
	"cmp"
	"math"
	"slices"
)

// Ranker turns scores into ranked lists over the full catalogue. It keeps scratch: one goroutine at a time.
type Ranker struct {
	itemIDs []uint64
	order   []scored
}

type scored struct {
	item  int32
	score float32
	tie   uint64
}

// NewRanker returns a Ranker of a catalogue; itemIDs is kept and must not change.
func NewRanker(itemIDs []uint64) *Ranker { return &Ranker{itemIDs: itemIDs} }

// Top returns the k best item rows for a user, best first: fewer if fewer are left. Scores are by item
// row; an item with a NaN score or for which allowed (nil: all) is false is left out.
// Items with equal scores are ordered ascending by H(6, uid, iid).
func (r *Ranker) Top(uid uint64, scores []float32, k int, allowed func(item int32) bool) []int32 {
	r.order = r.order[:0]
	for item, score := range scores {
		if score == score && (allowed == nil || allowed(int32(item))) {
			r.order = append(r.order, scored{int32(item), score, Hash(seedTie, uid, r.itemIDs[item])})
		}
	}
	slices.SortFunc(r.order, func(a, b scored) int {
		return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(a.tie, b.tie))
	})
	out := make([]int32, min(k, len(r.order)))
	for j := range out {
		out[j] = r.order[j].item
	}
	return out
}

// Hits marks which places of a ranked list hold a target.
func Hits(ranked, targets []int32) []bool {
	wanted := make(map[int32]bool, len(targets))
	for _, item := range targets {
		wanted[item] = true
	}
	out := make([]bool, len(ranked))
	for k, item := range ranked {
		out[k] = wanted[item]
	}
	return out
}

// NDCG returns NDCG@k of a list for n > 0 targets: Σ 1/log2(place+1) over hits, places counted
// from 1, divided by that of a list with min(n, k) hits first.
func NDCG(hits []bool, n, k int) float64 {
	var gain, ideal float64
	for place, hit := range hits[:min(k, len(hits))] {
		if hit {
			gain += 1 / math.Log2(float64(place+2))
		}
	}
	for place := range min(n, k) {
		ideal += 1 / math.Log2(float64(place+2))
	}
	return gain / ideal
}

// Recall returns hits within the first k places, divided by min(n, k), n > 0 being the number of targets.
func Recall(hits []bool, n, k int) float64 {
	found := 0
	for _, hit := range hits[:min(k, len(hits))] {
		if hit {
			found++
		}
	}
	return float64(found) / float64(min(n, k))
}

// ReciprocalRank returns 1/place of the first hit, 0 if there is none. Its mean is MRR.
func ReciprocalRank(hits []bool) float64 {
	for place, hit := range hits {
		if hit {
			return 1 / float64(place+1)
		}
	}
	return 0
}

// Estimate is a mean over users with the standard error of that mean.
type Estimate struct {
	Mean, StdErr float64
	N            int
}

// EstimateOf returns mean and standard error (sample standard deviation over √n). The mean of
// nothing is 0, the error of fewer than two values 0. For the difference of two methods, hand in the
// differences by user: they vary far less than the values.
func EstimateOf(values []float64) Estimate {
	e := Estimate{N: len(values)}
	if e.N == 0 {
		return e
	}
	for _, v := range values {
		e.Mean += v
	}
	e.Mean /= float64(e.N)
	if e.N < 2 {
		return e
	}
	var squares float64
	for _, v := range values {
		squares += (v - e.Mean) * (v - e.Mean)
	}
	e.StdErr = math.Sqrt(squares / float64(e.N-1) / float64(e.N))
	return e
}

// listLength is how deep Evaluate ranks.
const listLength = 100

// Report holds the usual figures of a method, by user where they are accuracies.
type Report struct {
	NDCG100, NDCG10, Recall20, MRR []float64 // one value a case that has targets
	Coverage20                     float64   // share of the allowed items that are in anyone's top 20
	MeanPopularity20               float64   // mean training count of the items in the top 20
}

// Evaluation is what all methods of a comparison share.
type Evaluation struct {
	Data       Dataset
	Allowed    func(item int32) bool // candidates; nil: all
	Popularity []float32             // training count by item row
}

// Evaluate ranks for every case that has targets and measures. score fills scores, one by item row,
// for case k; fold-in items are masked.
func (e Evaluation) Evaluate(cases []Case, score func(k int, scores []float32)) Report {
	var r Report
	ranker, scores := NewRanker(e.Data.ItemIDs), make([]float32, len(e.Data.ItemIDs))
	seen := make([]int, len(scores)) // last case + 1 that has the item in its fold-in
	shown := map[int32]bool{}
	var popularity, places float64
	for k, c := range cases {
		if len(c.Targets) == 0 {
			continue
		}
		for _, item := range c.FoldIn {
			seen[item] = k + 1
		}
		score(k, scores)
		ranked := ranker.Top(e.Data.UserIDs[c.User], scores, listLength, func(item int32) bool {
			return seen[item] != k+1 && (e.Allowed == nil || e.Allowed(item))
		})
		for _, item := range ranked[:min(20, len(ranked))] {
			shown[item] = true
			popularity += float64(e.Popularity[item])
			places++
		}
		r.add(Hits(ranked, c.Targets), len(c.Targets))
	}
	r.Coverage20 = float64(len(shown)) / float64(max(e.candidates(), 1))
	r.MeanPopularity20 = popularity / max(places, 1)
	return r
}

func (e Evaluation) candidates() int {
	n := 0
	for item := range e.Data.ItemIDs {
		if e.Allowed == nil || e.Allowed(int32(item)) {
			n++
		}
	}
	return n
}

func (r *Report) add(hits []bool, targets int) {
	r.NDCG100 = append(r.NDCG100, NDCG(hits, targets, 100))
	r.NDCG10 = append(r.NDCG10, NDCG(hits, targets, 10))
	r.Recall20 = append(r.Recall20, Recall(hits, targets, 20))
	r.MRR = append(r.MRR, ReciprocalRank(hits))
}

// Popularity returns the baseline's scores: how many of the given rows of positives hold each item.
func Popularity(items int, positives [][]int32) []float32 {
	out := make([]float32, items)
	for _, row := range positives {
		for _, item := range row {
			out[item]++
		}
	}
	return out
}
