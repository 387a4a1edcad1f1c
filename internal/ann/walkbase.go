package ann

import "math"

const (
	// scanBelow is the share of the items, or their number, below which those that a filter
	// allows are looked for by a scan.
	scanBelow      = .05
	scanBelowItems = 5000
	// sampled is how many entries are asked for the share that a filter allows.
	sampled = 64
)

// walk offers to the sieve what a walk through the graph finds. It reports false, perhaps
// having offered some, if a scan is cheaper or if the walk finds too few.
func (x *hnsw) walk(s *search, allowed func(item uint32) bool) bool {
	if x.base.graph == nil || x.alive() == 0 {
		return false
	}
	share, items := x.share(allowed), float64(len(x.base.items))
	ef, visited := x.effort(s.lower.K())
	if !x.config.walkAlways && (share < scanBelow || share*items < scanBelowItems && allowed != nil || !x.pays(visited/share)) {
		return false
	}
	if share >= .5 && x.walkThrough(s, ef, share, allowed) {
		return true
	}
	s.clear()
	wide := max(ef, filtered)
	return allowed != nil && x.walkAmong(s, wide, visited/share*float64(wide)/float64(ef), allowed)
}

// share estimates which share of the base is alive and allowed; it is above 0.
func (x *hnsw) share(allowed func(item uint32) bool) float64 {
	n := len(x.base.items)
	if allowed == nil {
		return float64(x.alive()) / float64(n)
	}
	taken := 0
	for i := range sampled {
		entry := uint32((2*i + 1) * n / (2 * sampled))
		if !x.dead.has(entry) && allowed(x.base.items[entry]) {
			taken++
		}
	}
	return max(float64(taken), .5) / sampled
}

// walkCost is what a score of a walk costs in rows of a scan: memory is asked for in bits
// and pieces, and there is the graph to read.
func walkCost(dims int) float64 { return 2 + 256/float64(dims) }

// pays reports whether a walk that takes so many scores is faster than a scan.
func (x *hnsw) pays(visited float64) bool {
	return visited*walkCost(x.tail.dims) < float64(x.base.rows.len())
}

// walkThrough makes the pool larger by what is dead or not allowed and drops that in the
// end. It fails where what is taken is rarer near the query than elsewhere.
func (x *hnsw) walkThrough(s *search, ef int, share float64, allowed func(item uint32) bool) bool {
	s.nearest(x.base.graph, int(math.Ceil(float64(ef)/share)))
	wanted := s.lower.K()
	if allowed == nil {
		wanted = min(wanted, x.alive())
	}
	expected, last := int(2*float64(wanted)/share)+16, 0
	s.offerNear(x.base.graph, func(at int, node uint32, score, radius float32) {
		if s.lower.Len() < wanted {
			last = at
		}
		x.offer(s, node, score, radius, allowed)
	})
	return s.lower.Len() >= wanted && last <= expected
}

// walkAmong keeps only what is alive and allowed in the pool.
func (x *hnsw) walkAmong(s *search, ef int, visited float64, allowed func(item uint32) bool) bool {
	s.walker.begin(x.base.graph, &s.probe)
	budget := 4 * visited
	if x.config.walkAlways {
		budget = math.MaxInt32
	}
	done := s.walker.walkAmong(x.base.graph, ef, int(budget), func(node uint32) bool {
		for entry := x.base.first[node]; entry < x.base.first[node+1]; entry++ {
			if !x.dead.has(entry) && allowed(x.base.items[entry]) {
				return true
			}
		}
		return false
	})
	if !done {
		return false
	}
	s.offerNear(x.base.graph, func(_ int, node uint32, score, radius float32) {
		x.offer(s, node, score, radius, allowed)
	})
	return s.lower.Len() >= s.lower.K()
}
