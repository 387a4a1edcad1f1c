package ann

import "sync"

// exact is one version of the exact engine, and the storage of the others.
type exact struct {
	dims   int
	coded  bool
	live   int
	chunks []*chunk // nil where a chunk was dissolved
	holes  int      // how many are nil
	tail   int      // the chunk that takes new rows; −1: none
	slots  trie
	sieves *sync.Pool // of *sieve, shared by all versions
}

func newExact(dims int, coded bool) *exact {
	return &exact{dims: dims, coded: coded, tail: -1, sieves: &sync.Pool{New: func() any { return new(sieve) }}}
}

// empty returns a version without items.
func (x *exact) empty() *exact {
	return &exact{dims: x.dims, coded: x.coded, tail: -1, sieves: x.sieves}
}

// Dims is Index.Dims.
func (x *exact) Dims() int { return x.dims }

// Len is Index.Len.
func (x *exact) Len() int { return x.live }

// Vector is Index.Vector.
func (x *exact) Vector(item uint32) ([]float32, bool) {
	slot, ok := x.slots.get(item)
	if !ok {
		return nil, false
	}
	c, row := x.chunks[slot>>rowBits], int(slot&(chunkRows-1))
	return c.row(row), true
}

// Apply is Index.Apply.
func (x *exact) Apply(changes []Change) (Index, error) {
	next, err := x.apply(changes)
	if err != nil {
		return nil, err
	}
	return next, nil
}

// Search is Index.Search; recall is 1. It reads every vector once, as codes where there are
// any, and allocates for the result only.
func (x *exact) Search(query []float32, k int, allowed func(item uint32) bool) ([]Hit, error) {
	norm, err := checkQuery(x.dims, query, k)
	if err != nil {
		return nil, err
	}
	return x.search(query, norm, k, allowed), nil
}

func (x *exact) search(query []float32, norm float32, k int, allowed func(item uint32) bool) []Hit {
	s := x.sieves.Get().(*sieve)
	defer x.sieves.Put(s)
	s.begin(query, norm, min(k, x.live), x.coded)
	x.scan(s, allowed)
	return s.finish()
}

// scan offers all rows to the sieve.
func (x *exact) scan(s *sieve, allowed func(item uint32) bool) {
	if s.lower.K() == 0 {
		return
	}
	for _, c := range x.chunks {
		if c != nil {
			c.scan(s, allowed)
		}
	}
}

// each calls f for every item and its vector, always in the same order.
func (x *exact) each(f func(item uint32, vector []float32)) {
	for _, c := range x.chunks {
		if c == nil {
			continue
		}
		for row, item := range c.items {
			if !c.isDead(row) {
				f(item, c.row(row))
			}
		}
	}
}
