package engine

import (
	"math"

	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

// factorScan is the memory of a scan of all item factors.
//
// A scan reads the codes of the factors, a quarter of their bytes, and is exact: a score made of
// codes lies within a radius of the true one, the k-th greatest lower bound is a floor under the
// k best, and what reaches the floor with its upper bound is scored in full in the end.
type factorScan struct {
	query         vecmath.Query
	lower         vecmath.TopK
	near          []nearItem
	scores, radii [chunkSize]float32
}

// nearItem may be among the best.
type nearItem struct {
	item  uint32
	upper float32
}

// scan ranks all allowed items by the user's factor.
func (r *request) scan(k int) []vecmath.Scored {
	s, ok := r.e.scans.Get().(*factorScan)
	if !ok {
		s = new(factorScan)
	}
	defer r.e.scans.Put(s)
	s.query.Encode(r.user)
	s.lower.Reset(k)
	s.near = s.near[:0]
	for at, ch := range r.s.chunks {
		if r.excluded.hasChunk(at) {
			continue
		}
		r.bound(s, at, ch)
		floor := s.lower.Threshold()
		for i, score := range s.scores {
			number := uint32(at*chunkSize + i)
			if score+s.radii[i] >= floor && ch.served[i] && ch.from[i] <= r.now && r.now < ch.until[i] && !r.excluded.has(number) {
				s.lower.Push(number, score-s.radii[i])
				s.near = append(s.near, nearItem{number, score + s.radii[i]})
				floor = s.lower.Threshold()
			}
		}
	}
	floor := s.lower.Threshold()
	s.lower.Reset(k)
	for _, n := range s.near {
		if n.upper >= floor {
			s.lower.Push(n.item, r.scoreOf(n.item))
		}
	}
	return s.lower.Sorted()
}

// bound sets scores and radii of a chunk's items.
func (r *request) bound(s *factorScan, at int, ch *chunk) {
	clear(s.radii[:])
	switch {
	case ch.base == nil:
		clear(s.scores[:])
		return
	case ch.codes == nil || s.query.Scale == 0:
		vecmath.DotRows(r.user, ch.base, s.scores[:])
	default:
		vecmath.DotCodes(&s.query, ch.codes, ch.scale, s.scores[:])
		slope, fixed := s.query.Radius(len(r.user), ch.fault, ch.norm)
		for i, scale := range ch.scale {
			s.scores[i] *= s.query.Scale
			s.radii[i] = s.query.Scale * (slope*scale + fixed)
		}
	}
	// What rounding below, and in scoreOf, may take from a score.
	const lost = 1e-6
	for _, c := range r.correctionsIn(at) {
		pair := r.pairs[c.place]
		s.radii[c.at] += lost * (abs(s.scores[c.at]) + abs(pair))
		s.scores[c.at] += r.correction(c) * (pair - s.scores[c.at])
	}
	for i, explore := range ch.explore {
		scale := 1 + (r.gain-1)*explore
		s.scores[i] *= scale
		s.radii[i] = s.radii[i]*scale + lost*abs(s.scores[i])
	}
}

func abs(x float32) float32 { return float32(math.Abs(float64(x))) }

// correctionsIn lists the items of a chunk that the corrector covers and has something to say of.
func (r *request) correctionsIn(at int) []correction {
	if r.pairs == nil || at >= len(r.s.corrections) {
		return nil
	}
	return r.s.corrections[at]
}

// correction is how much of an item's score is the corrector's in this request.
func (r *request) correction(c correction) float32 { return float32(r.known) * c.weight }

// scoreOf is the factor score of a served item, corrected where the corrector covers it.
func (r *request) scoreOf(item uint32) float32 {
	at, i := int(item/chunkSize), int(item%chunkSize)
	ch := r.s.chunks[at]
	if ch.base == nil {
		return 0
	}
	var score [1]float32
	vecmath.DotRows(r.user, rowOf(ch.base, i, len(r.user)), score[:])
	for _, c := range r.correctionsIn(at) {
		if int(c.at) == i {
			score[0] += r.correction(c) * (r.pairs[c.place] - score[0])
		}
	}
	return score[0] * (1 + (r.gain-1)*elementOf(ch.explore, i))
}
