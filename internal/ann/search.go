package ann

import "math"

// search is the memory of one search. It is pooled: searches allocate their results only.
type search struct {
	sieve
	walker walker
	batch  []listed // of scanSet
	nodes  []uint32
}

// nearest leaves in walker.near the limit nodes nearest to the probe that a walk finds.
func (s *search) nearest(g *graph, limit int) {
	s.walker.begin(g, &s.probe)
	s.walker.walk(g, 0, s.walker.descend(g, 0), limit)
}

// offerNear calls offer for the nodes in walker.near, best first, that may still be among the
// best, with their place there, their score and its radius.
func (s *search) offerNear(g *graph, offer func(at int, node uint32, score, radius float32)) {
	slope, fixed := s.probe.radius(g.rows)
	// The bound of a scan assumes that the errors of all elements conspire. They are
	// independent rather, and their sum has a standard deviation of a √dims-th of it. A walk,
	// which misses some anyway, takes six of those.
	slope *= min(1, 6/float32(math.Sqrt(float64(g.rows.dims))))
	for at, k := range s.walker.near.keys {
		node, score, radius := nodeOf(k), scoreOf(k), float32(0)
		if s.probe.coded {
			radius = slope*g.rows.scale[node] + fixed
		}
		if score+radius >= s.floor() {
			offer(at, node, score, radius)
		}
	}
}
