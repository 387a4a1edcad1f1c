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
	scale := r.e.numbers.scale()
	parts := func(recent float64, known *facts) rank.Parts {
		age := time.Duration(max(0, r.now-known.createTime.UnixNano()))
		return rank.Parts{Popularity: scale.of(recent),
			Boost: newness * math.Exp2(-float64(age)/float64(r.e.config.NewnessHalfLife))}
	}
	top := vecmath.NewTopK(max(rank.DiversityPool, r.q.PageSize))
	floor, least := top.Threshold(), 0.0 // with less than least recent, no item gets to the floor
	counts := *r.e.numbers.chunks.Load()
	for at, ch := range r.s.chunks {
		for i, known := range ch.facts {
			if known == nil {
				continue
			}
			recent := counts[at].recent[i].load()
			if recent < least || !r.allowed(uint32(at*chunkSize+i)) {
				continue
			}
			top.Push(uint32(at*chunkSize+i), float32(parts(recent, known).Score()))
			if top.Threshold() != floor {
				floor = top.Threshold()
				least = scale.recentOf(float64(floor) - newness - 1e-6) // of float32
			}
		}
	}
	best := top.Sorted()
	candidates := make([]rank.Candidate, len(best))
	for i, hit := range best {
		recent := counts[hit.ID/chunkSize].recent[hit.ID%chunkSize].load()
		candidates[i] = rank.Candidate{Item: hit.ID, Parts: parts(recent, r.s.facts(hit.ID))}
	}
	return candidates
}
