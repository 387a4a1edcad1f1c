package evaluate

import "math"

// hits marks which places of a ranked list hold a target.
func hits(ranked []string, targets map[string]bool) []bool {
	out := make([]bool, len(ranked))
	for k, item := range ranked {
		out[k] = targets[item]
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
	Mean   float64 `json:"mean"`
	StdErr float64 `json:"std_err"`
	N      int     `json:"n"`
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
