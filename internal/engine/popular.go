package engine

import (
	"math"
	"time"

	"github.com/seed-473295a7/vitrine/internal/rank"
	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

// newness is the boost of an item registered just now in a popular list, where the most popular
// item has 1.
const newness = .5

// popular scores by popularity plus a boost for new items that halves every
// Config.NewnessHalfLife: what a shop shows to somebody of whom nothing is known.
func (r *request) popular() []rank.Candidate {
	scale, counts := r.e.numbers.scale(), *r.e.numbers.chunks.Load()
	top := vecmath.NewTopK(max(rank.DiversityPool, r.q.PageSize))
	// With less than least recent, no item of the age of the one before gets to the floor: whole
	// catalogues are imported at once, and most logarithms are spared.
	created, boost, floor, least := int64(math.MinInt64), 0.0, top.Threshold(), 0.0
	for at, ch := range r.s.chunks {
		for i := range ch.facts {
			number := uint32(at*chunkSize + i)
			if ch.facts[i] == nil || !r.allowed(number) {
				continue
			}
			if ch.created[i] != created || top.Threshold() != floor {
				created, floor = ch.created[i], top.Threshold()
				boost = r.boost(created)
				least = scale.recentOf(float64(floor) - boost - 1e-6) // of float32
			}
			if recent := counts[at].recent[i].load(); !(recent < least) {
				top.Push(number, float32(scale.of(recent)+boost))
			}
		}
	}
	best := top.Sorted()
	candidates := make([]rank.Candidate, len(best))
	for k, hit := range best {
		at, i := hit.ID/chunkSize, hit.ID%chunkSize
		candidates[k] = rank.Candidate{Item: hit.ID,
			Parts: rank.Parts{Popularity: scale.of(counts[at].recent[i].load()), Boost: r.boost(r.s.chunks[at].created[i])}}
	}
	return candidates
}

// boost is what an item's age adds in a popular list.
func (r *request) boost(created int64) float64 {
	age := time.Duration(max(0, r.now-created))
	return newness * math.Exp2(-float64(age)/float64(r.e.config.NewnessHalfLife))
}
