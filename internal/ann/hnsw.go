package ann

import (
	"slices"
	"sync"
)

// hnsw is one version of the hnsw and the auto engine: a base that was built at the last
// rebuild and never changes, which of its entries are dead in this version, and a tail of
// what was added or changed since, which is scanned. An item is alive in the base or in the
// tail, never in both.
//
// Before the first rebuild, and in a catalogue too small for one, everything is tail.
type hnsw struct {
	config   *Config
	base     *base
	dead     bitmap // of the base's entries
	tail     *exact
	ef       int        // of WithEf; 0: the base's effort
	searches *sync.Pool // of *search, shared by all versions
}

func newHNSW(dims int, c Config) *hnsw {
	codes := coded(dims) && !c.Float32
	return &hnsw{
		config:   &c,
		base:     noBase(dims, codes),
		tail:     newExact(dims, codes),
		ef:       c.Ef,
		searches: &sync.Pool{New: func() any { return new(search) }},
	}
}

// Dims is Index.Dims.
func (x *hnsw) Dims() int { return x.tail.dims }

// Len is Index.Len.
func (x *hnsw) Len() int { return x.alive() + x.tail.live }

// alive is how many items are in the base.
func (x *hnsw) alive() int { return len(x.base.items) - x.dead.count }

// Vector is Index.Vector.
func (x *hnsw) Vector(item uint32) ([]float32, bool) {
	if node, entry, ok := x.base.find(item); ok && !x.dead.has(entry) {
		return x.base.rows.row(int(node)), true
	}
	return x.tail.Vector(item)
}

// Apply is Index.Apply. A changed vector leaves the base and enters the tail, so that
// changes cost what they cost in the exact engine, whatever the size of the graph.
func (x *hnsw) Apply(changes []Change) (Index, error) {
	next, err := x.apply(changes)
	if err != nil {
		return nil, err
	}
	return next, nil
}

func (x *hnsw) apply(changes []Change) (*hnsw, error) {
	if err := checkChanges(x.tail.dims, changes); err != nil {
		return nil, err
	}
	next := *x
	next.dead.pages = slices.Clone(x.dead.pages)
	o := new(token)
	var rest []Change
	for _, c := range changes {
		node, entry, ok := x.base.find(c.Item)
		if !ok || next.dead.has(entry) {
			rest = append(rest, c)
			continue
		}
		if c.Vector != nil && slices.Equal(c.Vector, x.base.rows.row(int(node))) {
			continue
		}
		next.dead.add(o, entry)
		if c.Vector != nil {
			rest = append(rest, c)
		}
	}
	next.tail = x.tail.applyChecked(rest)
	if next.Len() == 0 {
		next.base, next.dead = noBase(x.tail.dims, x.tail.coded), bitmap{}
	}
	return &next, nil
}

// WithEf is Rebuilder.WithEf.
func (x *hnsw) WithEf(ef int) Index {
	next := *x
	next.ef = max(0, min(ef, widest))
	return &next
}

// effort returns how wide a walk for the k best is, and how many scores it takes.
func (x *hnsw) effort(k int) (ef int, visited float64) {
	ef, visited = x.base.effort.at(k)
	if x.ef == 0 {
		return ef, visited
	}
	wanted := max(x.ef, k)
	return wanted, visited * float64(wanted) / float64(ef)
}

// each calls f for every item and its vector, always in the same order.
func (x *hnsw) each(f func(item uint32, vector []float32)) {
	for node := range uint32(x.base.rows.len()) {
		for entry := x.base.first[node]; entry < x.base.first[node+1]; entry++ {
			if !x.dead.has(entry) {
				f(x.base.items[entry], x.base.rows.row(int(node)))
			}
		}
	}
	x.tail.each(f)
}

// Search is Index.Search. It walks through the graph where that is cheaper than a scan, and
// scans the base after all when the walk finds too few, and the tail always. Recall is
// that of Config.TargetRecall for queries like the vectors.
func (x *hnsw) Search(query []float32, k int, allowed func(item uint32) bool) ([]Hit, error) {
	s, norm, err := x.begin(query, k)
	if err != nil {
		return nil, err
	}
	defer x.searches.Put(s)
	if k > 0 {
		x.find(s, norm > 0, allowed)
	}
	return s.finish(), nil
}

// begin checks a query and takes a search for it out of the pool, where the caller puts it back;
// norm is the query's length.
func (x *hnsw) begin(query []float32, k int) (s *search, norm float32, err error) {
	if norm, err = checkQuery(x.tail.dims, query, k); err != nil {
		return nil, 0, err
	}
	s = x.searches.Get().(*search)
	s.begin(query, norm, min(k, x.Len()), x.tail.coded)
	return s, norm, nil
}

// find offers to the sieve what is near the query, if that has a direction.
func (x *hnsw) find(s *search, direction bool, allowed func(item uint32) bool) {
	if !direction || !x.walk(s, allowed) {
		s.clear()
		x.scanBase(s, allowed)
	}
	x.tail.scan(&s.sieve, allowed)
}

// SearchExact is Rebuilder.SearchExact.
func (x *hnsw) SearchExact(query []float32, k int, allowed func(item uint32) bool) ([]Hit, error) {
	s, _, err := x.begin(query, k)
	if err != nil {
		return nil, err
	}
	defer x.searches.Put(s)
	x.scanBase(s, allowed)
	x.tail.scan(&s.sieve, allowed)
	return s.finish(), nil
}

// scanBase offers all rows of the base to the sieve.
func (x *hnsw) scanBase(s *search, allowed func(item uint32) bool) {
	n := x.base.rows.len()
	for from := 0; from < n && s.lower.K() > 0; from += chunkRows {
		part := x.base.rows.part(from, min(from+chunkRows, n))
		m := s.measure(&part)
		floor := s.floor()
		for i, score := range m.scores {
			if radius := m.radius(i); score+radius >= floor {
				x.offer(s, uint32(from+i), score, radius, allowed)
				floor = s.floor()
			}
		}
	}
}

// offer keeps the node's items that are alive and allowed, as many as may be wanted, and
// returns how many.
func (x *hnsw) offer(s *search, node uint32, score, radius float32, allowed func(item uint32) bool) (kept int) {
	for entry := x.base.first[node]; entry < x.base.first[node+1] && kept < s.lower.K(); entry++ {
		item := x.base.items[entry]
		if x.dead.has(entry) || allowed != nil && !allowed(item) {
			continue
		}
		s.keep(candidate{item, x.base.rows.row(int(node))}, score, radius)
		kept++
	}
	return kept
}
