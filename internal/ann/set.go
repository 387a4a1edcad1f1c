package ann

// Set is a set of items: what a filter allows. *roaring.Bitmap is one.
type Set interface {
	Contains(item uint32) bool
	GetCardinality() uint64
	// Iterate calls f for the items, in ascending order, until f returns false.
	Iterate(f func(item uint32) bool)
}

// within restricts a filter, nil for all, to a set.
func within(set Set, allowed func(item uint32) bool) func(item uint32) bool {
	if allowed == nil {
		return set.Contains
	}
	return func(item uint32) bool { return set.Contains(item) && allowed(item) }
}

// listCost is what looking up and scoring the items of a set one by one costs, in rows of a
// scan: 13 each at 64 dimensions, 2.5 at 1,280.
func listCost(set Set, dims int) float64 {
	return float64(set.GetCardinality()) * (2 + 680/float64(dims))
}

// SearchSet is Index.SearchSet.
func (x *exact) SearchSet(query []float32, k int, set Set, allowed func(item uint32) bool) ([]Hit, error) {
	norm, err := checkQuery(x.dims, query, k)
	if err != nil {
		return nil, err
	}
	if listCost(set, x.dims) > float64(x.live) {
		return x.search(query, norm, k, within(set, allowed)), nil
	}
	s := x.sieves.Get().(*sieve)
	defer x.sieves.Put(s)
	s.begin(query, norm, min(k, x.live), x.coded)
	if s.lower.K() > 0 {
		set.Iterate(func(item uint32) bool {
			x.offer(s, item, allowed)
			return true
		})
	}
	return s.finish(), nil
}

// offer offers one item to the sieve, if there is such an item.
func (x *exact) offer(s *sieve, item uint32, allowed func(item uint32) bool) {
	slot, ok := x.slots.get(item)
	if !ok {
		return
	}
	c, row := x.chunks[slot>>rowBits], int(slot&(chunkRows-1))
	part := c.rows.part(row, row+1)
	m := s.measure(&part)
	if radius := m.radius(0); m.scores[0]+radius >= s.floor() && (allowed == nil || allowed(item)) {
		s.keep(candidate{item, c.row(row)}, m.scores[0], radius)
	}
}

// SearchSet is Index.SearchSet.
func (x *hnsw) SearchSet(query []float32, k int, set Set, allowed func(item uint32) bool) ([]Hit, error) {
	list, items := listCost(set, x.tail.dims), float64(x.Len())
	walk := items // what the dearest search costs that is not done by list
	if share := float64(set.GetCardinality()) / max(items, 1); share >= scanBelow && x.base.graph != nil {
		_, visited := x.effort(k)
		walk = min(walk, visited/share*walkCost(x.tail.dims)+float64(x.tail.live))
	}
	if list > walk {
		return x.Search(query, k, within(set, allowed))
	}
	s, _, err := x.begin(query, k)
	if err != nil {
		return nil, err
	}
	defer x.searches.Put(s)
	if s.lower.K() > 0 {
		x.scanSet(s, set, allowed)
	}
	return s.finish(), nil
}

// scanSet offers the items of a set to the sieve.
func (x *hnsw) scanSet(s *search, set Set, allowed func(item uint32) bool) {
	s.batch = s.batch[:0]
	set.Iterate(func(item uint32) bool {
		node, entry, ok := x.base.find(item)
		if !ok || x.dead.has(entry) {
			x.tail.offer(&s.sieve, item, allowed)
			return true
		}
		s.batch = append(s.batch, listed{item, node})
		if len(s.batch) == chunkRows {
			x.offerBatch(s, allowed)
		}
		return true
	})
	x.offerBatch(s, allowed)
}

// listed is an item of a set and its node.
type listed struct{ item, node uint32 }

// offerBatch offers the items of a batch and empties it.
func (x *hnsw) offerBatch(s *search, allowed func(item uint32) bool) {
	s.nodes = s.nodes[:0]
	for _, l := range s.batch {
		s.nodes = append(s.nodes, l.node)
	}
	scores := s.scores[:len(s.nodes)]
	s.probe.score(&x.base.rows, s.nodes, scores)
	slope, fixed := s.probe.radius(&x.base.rows)
	for i, l := range s.batch {
		radius := float32(0)
		if s.probe.coded {
			radius = slope*x.base.rows.scale[l.node] + fixed
		}
		if scores[i]+radius >= s.floor() && (allowed == nil || allowed(l.item)) {
			s.keep(candidate{l.item, x.base.rows.row(int(l.node))}, scores[i], radius)
		}
	}
	s.batch = s.batch[:0]
}
