package engine

import (
	"math"
	"slices"

	"github.com/seed-473295a7/vitrine/internal/als"
	"github.com/seed-473295a7/vitrine/internal/rank"
	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

const (
	// maxQueries bounds the index searches of one request: the newest liked items, or the context.
	maxQueries = 20
	// neighbours is how many candidates each index search gives.
	neighbours = 200
	// maxReasons is how many items explain one.
	maxReasons = 3
	// tieBreak is what full popularity adds to a similarity: enough to order equals, and less
	// than any difference that could be seen.
	tieBreak = 1e-3
)

// blend scores the catalogue in the factor space. ok is false if the user has no factor there.
func (r *request) blend(evidence []preference) (candidates []rank.Candidate, ok bool) {
	history := r.weighted(evidence)
	user, err := r.s.model.als.FoldInUser(history)
	if err != nil {
		r.e.log.Error("user could not be folded in", "error", err)
		return nil, false
	}
	r.user, r.pairs, r.known = user, r.paired(evidence), als.UserConfidence(history)
	r.reasons = r.contributions(evidence, history)
	pool := max(rank.DiversityPool, r.q.PageSize)
	if len(r.context) == 0 {
		return r.explained(appendItems(nil, r.scan(pool))), true
	}
	queries := r.embedded(r.context)
	items := appendItems(make([]uint32, 0, (2+len(queries))*neighbours), r.scan(2*neighbours))
	for _, query := range queries {
		items = appendItems(items, r.search(query))
	}
	slices.Sort(items)
	candidates = r.explained(slices.Compact(items))
	similarity := make([]float64, len(candidates))
	for i, c := range candidates {
		similarity[i], _ = r.nearest(c.Item, queries)
	}
	if len(queries) > 0 {
		rank.JoinContext(candidates, similarity, r.placement.ContextWeight)
	}
	return candidates, true
}

// appendItems appends the items found.
func appendItems(items []uint32, found []vecmath.Scored) []uint32 {
	items = slices.Grow(items, len(found))
	for _, hit := range found {
		items = append(items, hit.ID)
	}
	return items
}

// explained makes candidates of items by their factor scores.
func (r *request) explained(items []uint32) []rank.Candidate {
	candidates := make([]rank.Candidate, len(items))
	for i, item := range items {
		candidates[i] = rank.Candidate{Item: item, Parts: r.explain(item)}
	}
	return candidates
}

// weighted gives the fold-in what the user did, newest first, with position decay.
func (r *request) weighted(evidence []preference) []als.Weighted {
	history := make([]als.Weighted, len(evidence))
	zero := make([]float32, r.s.model.dims())
	for i, p := range evidence {
		factor, _ := r.s.factor(p.item)
		if factor.base == nil {
			factor.base = zero
		}
		history[i] = als.Weighted{Factor: factor.base, Confidence: float32(p.confidence), Target: float32(p.target),
			Decay: float32(r.e.config.Recipe.Events.decay(i))}
	}
	return history
}

// paired adds up what the corrector says of its items after this history; nil if it covers
// nothing of it.
func (r *request) paired(evidence []preference) []float32 {
	var scores []float32
	for i, p := range evidence {
		place, ok := r.covered(p.item)
		if !ok || p.target == 0 {
			continue
		}
		if scores == nil {
			scores = make([]float32, r.s.model.corrector.Len())
		}
		r.s.model.corrector.Add(place, float32(p.confidence*p.target*r.e.config.Recipe.Events.decay(i)), scores)
	}
	return scores
}

// covered returns an item's place in the corrector.
func (r *request) covered(item uint32) (place int, ok bool) {
	if r.s.model.corrector == nil {
		return 0, false
	}
	row, ok := r.s.model.rows[r.e.numbers.id(item)]
	if !ok {
		return 0, false
	}
	return r.s.model.corrector.Place(int(row))
}

// explain splits an item's factor score into what content and what people say.
func (r *request) explain(item uint32) rank.Parts {
	factor, ok := r.s.factor(item)
	if !ok || factor.base == nil {
		return rank.Parts{}
	}
	base, content := float64(vecmath.Dot(r.user, factor.base)), 0.0
	if factor.content != nil {
		content = float64(vecmath.Dot(r.user, factor.content))
	}
	parts := rank.Parts{Content: content, Collaborative: base - content}
	if place, weight, ok := r.correctionOf(item); ok {
		parts.Collaborative += weight * (float64(r.pairs[place]) - base)
	}
	scale := float64(1 + (r.gain-1)*factor.explore)
	parts.Content *= scale
	parts.Collaborative *= scale
	return parts
}

// correctionOf returns how the corrector speaks of an item in this request.
func (r *request) correctionOf(item uint32) (place int, weight float64, ok bool) {
	if r.pairs == nil {
		return 0, 0, false
	}
	if place, ok = r.covered(item); !ok {
		return 0, 0, false
	}
	return place, r.known * r.s.model.correctorShare(r.s.model.corrector.Row(place)), true
}

// contributions explains a blended item by the liked items with the largest share in its score,
//
//	w·ṽ_i = Σ_j a_j p_j ṽ_iᵀ A⁻¹ v_j + prior   (Hu, Koren & Volinsky 2008, §5)
//	e_i = Σ_j x_j B_ji
//
// mixed as the score is.
func (r *request) contributions(evidence []preference, history []als.Weighted) func(uint32) []uint32 {
	explain, done, err := r.s.model.als.ExplainUser(history)
	if err != nil {
		r.e.log.Error("list could not be explained", "error", err)
		return nil
	}
	r.unexplain = done
	places := make([]int, len(evidence)) // −1: not covered
	for i, p := range evidence {
		places[i] = -1
		if place, ok := r.covered(p.item); ok {
			places[i] = place
		}
	}
	return func(item uint32) []uint32 {
		factor, _ := r.s.factor(item)
		shares := explain(factor.base)
		if to, weight, ok := r.correctionOf(item); ok {
			for i, from := range places {
				shares[i] *= 1 - weight
				if from >= 0 {
					x := evidence[i].confidence * evidence[i].target * r.e.config.Recipe.Events.decay(i)
					shares[i] += weight * x * float64(r.s.model.corrector.Weight(from, to))
				}
			}
		}
		return strongest(len(shares), func(i int) (uint32, float64) { return evidence[i].item, shares[i] })
	}
}

// strongest returns the items with the largest positive values, at most maxReasons; of equals the
// first.
func strongest(n int, at func(int) (uint32, float64)) []uint32 {
	var items [maxReasons]uint32
	var values [maxReasons]float64
	found := 0
	for i := range n {
		item, value := at(i)
		place := found
		for place > 0 && value > values[place-1] {
			place--
		}
		if value <= 0 || place == maxReasons {
			continue
		}
		found = min(found+1, maxReasons)
		copy(items[place+1:found], items[place:])
		copy(values[place+1:found], values[place:])
		items[place], values[place] = item, value
	}
	return slices.Clone(items[:found])
}

// search finds the neighbours of an item that has a vector.
func (r *request) search(item uint32) []vecmath.Scored {
	vector, k := r.s.vector(item), max(neighbours, r.q.PageSize)
	hits, err := r.s.search(vector, k, r.matching, r.allowed)
	if err != nil {
		r.e.log.Error("index search", "item_id", r.e.numbers.id(item), "error", err)
	}
	r.e.sampleRecall(r.s, vector, k, &item)
	return hits
}

// nearest is the highest similarity of an item to any of the queries, and to which. An item
// without an embedding is similar to nothing: 0.
func (r *request) nearest(item uint32, queries []uint32) (best float64, query uint32) {
	v := r.s.vector(item)
	if v == nil || len(queries) == 0 {
		return 0, 0
	}
	best = math.Inf(-1)
	for _, q := range queries {
		if similarity := float64(vecmath.Dot(v, r.s.vector(q))); similarity > best {
			best, query = similarity, q
		}
	}
	return best, query
}

// similar scores by the highest similarity to any of the items asked about: one search per item
// rather than one for their mean, which lies where no item is. Items that have no embedding
// come after the similar ones, by popularity.
func (r *request) similar(queries []uint32) []rank.Candidate {
	items := make([]uint32, 0, (1+len(queries))*neighbours)
	for _, q := range queries {
		items = appendItems(items, r.search(q))
	}
	for _, c := range r.popular() {
		items = append(items, c.Item)
	}
	slices.Sort(items)
	items = slices.Compact(items)
	candidates := make([]rank.Candidate, len(items))
	for i, item := range items {
		similarity, _ := r.nearest(item, queries)
		candidates[i] = rank.Candidate{Item: item,
			Parts: rank.Parts{Content: similarity, Popularity: tieBreak * r.e.numbers.popularity(item)}}
	}
	r.reasons = func(item uint32) []uint32 {
		if r.s.vector(item) == nil {
			return nil
		}
		return strongest(len(queries), func(i int) (uint32, float64) {
			return queries[i], float64(vecmath.Dot(r.s.vector(item), r.s.vector(queries[i])))
		})
	}
	return candidates
}
