package filter

import (
	"context"

	"github.com/RoaringBitmap/roaring/v2"
)

// node is a part of a plan.
type node interface {
	// match returns the items of within for which the node is true; nil within are all items.
	// The result is shared and not to be changed.
	match(q *query, within *Bitmap) (*Bitmap, error)
	rank() rank
}

// rank orders the nodes of a junction: cheap ones first, and CEL only on what they leave.
type rank int

const (
	rankConstant   rank = iota
	rankLabel           // union of bitmaps
	rankScan            // one pass over a column
	rankVocabulary      // CEL once per different label
	rankResidual        // CEL once per item
)

// query is one evaluation of a plan.
type query struct {
	ctx      context.Context
	ix       *Index
	universe *Bitmap
}

// all returns all items.
func (q *query) all() *Bitmap {
	if q.universe == nil {
		q.universe = q.scan(nil, func(c *chunk) mask { return c.registered })
	}
	return q.universe
}

// scan asks the chunks which of their places match, and returns those in within; nil: all.
func (q *query) scan(within *Bitmap, match func(*chunk) mask) *Bitmap {
	if within != nil && within.GetCardinality() < uint64(len(q.ix.chunks)) {
		return q.pick(within, match)
	}
	words := make([]uint64, len(q.ix.chunks)*len(mask{}))
	for at, c := range q.ix.chunks {
		found := match(c)
		copy(words[at*len(found):], found[:])
	}
	found := roaring.FromDense(words, true)
	if within != nil {
		found.And(within)
	}
	return found
}

// pick is scan for few items: it looks at their chunks only.
func (q *query) pick(within *Bitmap, match func(*chunk) mask) *Bitmap {
	var numbers []uint32
	var found mask
	last := -1
	for it := within.Iterator(); it.HasNext(); {
		number := it.Next()
		at := int(number / chunkSize)
		if at >= len(q.ix.chunks) {
			break
		}
		if at != last {
			found, last = match(q.ix.chunks[at]), at
		}
		if found.has(int(number % chunkSize)) {
			numbers = append(numbers, number)
		}
	}
	return roaring.BitmapOf(numbers...)
}

// constant is true or false of every item.
type constant bool

func (constant) rank() rank { return rankConstant }

func (c constant) match(q *query, within *Bitmap) (*Bitmap, error) {
	switch {
	case !bool(c):
		return roaring.New(), nil
	case within != nil:
		return within, nil
	}
	return q.all(), nil
}

// junction is a conjunction or a disjunction of nodes in ascending order of rank.
type junction struct {
	and   bool
	nodes []node
}

func (j *junction) rank() rank { return j.nodes[len(j.nodes)-1].rank() }

func (j *junction) match(q *query, within *Bitmap) (*Bitmap, error) {
	if j.and {
		return j.every(q, within)
	}
	return j.some(q, within)
}

func (j *junction) every(q *query, within *Bitmap) (*Bitmap, error) {
	for _, n := range j.nodes {
		found, err := n.match(q, within)
		if err != nil || found.IsEmpty() {
			return found, err
		}
		within = found
	}
	return within, nil
}

// some asks the expensive nodes only about items that no cheaper one has found.
func (j *junction) some(q *query, within *Bitmap) (*Bitmap, error) {
	var parts []*Bitmap
	for _, n := range j.nodes {
		if n.rank() >= rankVocabulary && len(parts) > 0 {
			if within == nil {
				within = q.all()
			}
			parts = []*Bitmap{roaring.FastOr(parts...)}
			within = roaring.AndNot(within, parts[0])
		}
		found, err := n.match(q, within)
		if err != nil {
			return nil, err
		}
		parts = append(parts, found)
	}
	return roaring.FastOr(parts...), nil
}
