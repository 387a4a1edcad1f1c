package rank

import "github.com/seed-473295a7/vitrine/internal/vecmath"

// DiversityPool is how many of the best candidates diversity chooses from.
const DiversityPool = 100

// Diversify picks k of the sorted candidates by maximal marginal relevance
// (Carbonell & Goldstein 1998): at each step the item with the highest
//
//	λ · relevance − (1 − λ) · max similarity to those picked,   λ = 1 − .6 · diversity
//
// where relevance is the score scaled to 0..1 over the first DiversityPool candidates and
// similarity the cosine of the embeddings. vector returns an item's unit vector, or nil: such
// an item is similar to nothing. diversity lies in 0..1; 0 keeps the order.
//
// Parts.Diversity of the result is what keeps scores falling down the list: the smallest
// reduction that puts an item's score at or below that of the item before it.
func Diversify(candidates []Candidate, k int, diversity float64, vector func(item uint32) []float32) []Candidate {
	if diversity <= 0 || len(candidates) <= 1 {
		return candidates[:min(k, len(candidates))]
	}
	lambda := 1 - .6*diversity
	pool := candidates[:min(max(DiversityPool, k), len(candidates))]
	relevance, vectors := describe(pool, vector)
	nearest := make([]float64, len(pool)) // highest similarity to a picked item so far
	picked := make([]bool, len(pool))
	out := make([]Candidate, 0, min(k, len(pool)))
	for len(out) < min(k, len(pool)) {
		best, bestValue := -1, 0.0
		for i := range pool {
			if picked[i] {
				continue
			}
			value := lambda*relevance[i] - (1-lambda)*nearest[i]
			if best < 0 || value > bestValue {
				best, bestValue = i, value
			}
		}
		picked[best] = true
		out = append(out, pool[best])
		for i := range pool {
			if !picked[i] && vectors[i] != nil && vectors[best] != nil {
				nearest[i] = max(nearest[i], float64(vecmath.Dot(vectors[i], vectors[best])))
			}
		}
	}
	return fallingScores(out)
}

func describe(pool []Candidate, vector func(uint32) []float32) (relevance []float64, vectors [][]float32) {
	high, low := pool[0].Parts.Score(), pool[len(pool)-1].Parts.Score()
	relevance = make([]float64, len(pool))
	vectors = make([][]float32, len(pool))
	for i, c := range pool {
		if high > low {
			relevance[i] = (c.Parts.Score() - low) / (high - low)
		}
		vectors[i] = vector(c.Item)
	}
	return relevance, vectors
}

func fallingScores(list []Candidate) []Candidate {
	for i := 1; i < len(list); i++ {
		before := list[i-1].Parts.Score()
		if over := list[i].Parts.Score() - before; over > 0 {
			list[i].Parts.Diversity -= over
		}
	}
	return list
}
