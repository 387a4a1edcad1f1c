package filter

import (
	"cmp"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
)

// hasLabel is true of items that have one of the labels, false of other items with the
// attribute, unknown of items without.
type hasLabel struct {
	attribute int32
	values    []string
	negated   bool
}

func (n *hasLabel) rank() rank {
	if n.negated {
		return rankScan
	}
	return rankLabel
}

func (n *hasLabel) match(q *query, within *Bitmap) (*Bitmap, error) {
	var parts []*Bitmap
	for _, value := range n.values {
		if known := q.ix.entry(n.attribute, value); known != nil {
			parts = append(parts, known.items.parts()...)
		}
	}
	return q.labelled(n.attribute, parts, within, n.negated), nil
}

// labelled returns the items of within that are in one of the parts or, if negated, have the
// attribute and are in none.
func (q *query) labelled(attribute int32, parts []*Bitmap, within *Bitmap, negated bool) *Bitmap {
	if within != nil {
		for i, part := range parts {
			parts[i] = roaring.And(part, within)
		}
	}
	found := union(parts)
	if !negated {
		return found
	}
	return roaring.AndNot(q.present(attribute, within), found)
}

// union returns one bitmap as it is and several joined.
func union(parts []*Bitmap) *Bitmap {
	if len(parts) == 1 {
		return parts[0]
	}
	return roaring.FastOr(parts...)
}

func (q *query) present(attribute int32, within *Bitmap) *Bitmap {
	return q.scan(within, func(c *chunk) mask {
		if col := c.column(attribute); col != nil {
			return col.present
		}
		return mask{}
	})
}

// presence is has(attributes.x): true or false of every item.
type presence struct {
	attribute int32
	negated   bool
}

func (*presence) rank() rank { return rankScan }

func (n *presence) match(q *query, within *Bitmap) (*Bitmap, error) {
	if !n.negated {
		return q.present(n.attribute, within), nil
	}
	return q.scan(within, func(c *chunk) mask {
		if col := c.column(n.attribute); col != nil {
			return c.registered.minus(&col.present)
		}
		return c.registered
	}), nil
}

// numeric compares an attribute that holds numbers only: true if the value is in one of the
// intervals, which are ascending and do not overlap.
//
// A column is scanned rather than a sorted structure read: half of 100,000 unsorted item
// numbers are slower to gather from one than 100,000 doubles are to compare, and the column
// costs a change nothing. Chunks whose bounds decide are not read.
type numeric struct {
	attribute int32
	intervals []interval[float64]
	negated   bool
}

func (*numeric) rank() rank { return rankScan }

func (n *numeric) match(q *query, within *Bitmap) (*Bitmap, error) {
	return q.scan(within, func(c *chunk) mask {
		col := c.column(n.attribute)
		if col == nil {
			return mask{}
		}
		found := n.in(col)
		if n.negated {
			return col.present.minus(&found)
		}
		return found
	}), nil
}

func (n *numeric) in(col *column) mask {
	if len(n.intervals) == 1 {
		return col.between(n.intervals[0].low, n.intervals[0].high)
	}
	return col.test(func(v float64) bool {
		_, ok := slices.BinarySearchFunc(n.intervals, v, func(i interval[float64], v float64) int {
			if i.low <= v && v <= i.high {
				return 0
			}
			return cmp.Compare(i.low, v)
		})
		return ok
	})
}

// created compares create_time: true or false of every item.
type created struct {
	interval[int64]
	negated bool
}

func (*created) rank() rank { return rankScan }

func (n *created) match(q *query, within *Bitmap) (*Bitmap, error) {
	return q.scan(within, func(c *chunk) mask {
		found := c.createdBetween(n.low, n.high)
		if n.negated {
			return c.registered.minus(&found)
		}
		return found
	}), nil
}
