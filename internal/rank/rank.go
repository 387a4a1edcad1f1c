// Package rank orders candidates: joins two scores on one scale, spreads a list for
// diversity and keeps every score explained by parts that sum to it.
//
// It is pure: no state, no clock, no I/O, and no knowledge of where scores come from.
// Invariant: what it returns is finite if what it was given is.
package rank

import (
	"cmp"
	"math"
	"slices"
)

// Parts explain a score; they sum to it.
type Parts struct {
	Content, Collaborative, Popularity, Boost, Diversity float64
}

// Score is the sum of the parts.
func (p Parts) Score() float64 {
	return p.Content + p.Collaborative + p.Popularity + p.Boost + p.Diversity
}

// Candidate is an item that may be shown.
type Candidate struct {
	Item  uint32
	Parts Parts
}

// Sort orders candidates by score, highest first; ties ascending by item so that the
// order is the same every time.
func Sort(candidates []Candidate) {
	slices.SortFunc(candidates, func(a, b Candidate) int {
		return cmp.Or(cmp.Compare(b.Parts.Score(), a.Parts.Score()), cmp.Compare(a.Item, b.Item))
	})
}

// JoinContext adds a second score, similarity to the context, to personal ones: both are
// standardised over the candidates, the context then weighs weight (0..1). similarity[i]
// belongs to candidates[i]; the candidates are changed in place.
//
// Standardising lives here only: over the whole catalogue it would hide new items, over one
// list's candidates with one factor space behind it the two scales meet.
func JoinContext(candidates []Candidate, similarity []float64, weight float64) {
	personal := make([]float64, len(candidates))
	for i, c := range candidates {
		personal[i] = c.Parts.Score()
	}
	meanP, scaleP := standard(personal)
	meanS, scaleS := standard(similarity)
	for i := range candidates {
		p := &candidates[i].Parts
		p.Content = (1-weight)*p.Content/scaleP + weight*(similarity[i]-meanS)/scaleS
		p.Collaborative = (1 - weight) * (p.Collaborative - meanP) / scaleP
		p.Popularity *= (1 - weight) / scaleP
		p.Boost *= (1 - weight) / scaleP
	}
}

// standard returns mean and standard deviation; the deviation of equal values is taken as 1.
func standard(values []float64) (mean, deviation float64) {
	if len(values) == 0 {
		return 0, 1
	}
	for _, v := range values {
		mean += v
	}
	mean /= float64(len(values))
	for _, v := range values {
		deviation += (v - mean) * (v - mean)
	}
	deviation = math.Sqrt(deviation / float64(len(values)))
	if deviation < 1e-12 {
		return mean, 1
	}
	return mean, deviation
}
