package filter

import (
	"math"
	"math/bits"
	"slices"
	"time"

	"cel.dev/cel-go/common/types/ref"
)

// chunkSize is how many items share a chunk; a change copies one chunk, some 8 KiB.
const chunkSize = 256

// mask has a bit for every place in a chunk.
type mask [chunkSize / 64]uint64

func (m *mask) set(i int)      { m[i>>6] |= 1 << (i & 63) }
func (m *mask) clear(i int)    { m[i>>6] &^= 1 << (i & 63) }
func (m *mask) has(i int) bool { return m[i>>6]>>(i&63)&1 != 0 }

// rank counts the places below i.
func (m *mask) rank(i int) int {
	n := bits.OnesCount64(m[i>>6] & (1<<(i&63) - 1))
	for _, word := range m[:i>>6] {
		n += bits.OnesCount64(word)
	}
	return n
}

func (m *mask) count() int {
	n := 0
	for _, word := range m {
		n += bits.OnesCount64(word)
	}
	return n
}

func (m *mask) minus(other *mask) mask {
	var out mask
	for i := range m {
		out[i] = m[i] &^ other[i]
	}
	return out
}

// chunk holds chunkSize items: their records for CEL, and columns for what is scanned.
type chunk struct {
	owner      *token
	version    uint64 // the newest of stamps
	registered mask
	stamps     [chunkSize]uint64 // the version of the Index that last changed the item
	created    [chunkSize]int64  // create_time, see recsys.UnixNano
	records    [chunkSize]*record
	columns    []column // ascending by attribute
}

// record is an item as CEL reads it. It never changes.
type record struct {
	itemID, title string
	createTime    time.Time
	facts         []fact // ascending by attribute
}

// fact is one attribute of an item: a types.Double, a types.String or a *labels.
type fact struct {
	attribute int32
	value     ref.Val
}

// get returns the value of an attribute, nil if the item does not have it.
func (r *record) get(attribute int32) ref.Val {
	at, ok := slices.BinarySearchFunc(r.facts, attribute, func(f fact, a int32) int { return int(f.attribute) - int(a) })
	if !ok {
		return nil
	}
	return r.facts[at].value
}

// column is one attribute of the items of a chunk.
type column struct {
	owner     *token
	attribute int32
	present   mask
	values    []float64 // one per present item, NaN for what is no number; nil if none is
	low, high float64   // of values that are numbers
}

// column returns an attribute's column, nil if no item of the chunk has the attribute. Read only.
func (c *chunk) column(attribute int32) *column {
	if at, ok := c.columnAt(attribute); ok {
		return &c.columns[at]
	}
	return nil
}

func (c *chunk) columnAt(attribute int32) (int, bool) {
	return slices.BinarySearchFunc(c.columns, attribute, func(col column, a int32) int { return int(col.attribute) - int(a) })
}

// ownColumn returns a column that may be written to; c must be owned.
func (c *chunk) ownColumn(attribute int32) *column {
	at, ok := c.columnAt(attribute)
	if !ok {
		c.columns = slices.Insert(c.columns, at, column{owner: c.owner, attribute: attribute})
	}
	col := &c.columns[at]
	if col.owner != c.owner {
		col.owner, col.values = c.owner, slices.Clone(col.values)
	}
	return col
}

// set gives the item at i the attribute; a value that is no number is NaN. c must be owned.
func (c *chunk) set(attribute int32, i int, value float64) {
	col := c.ownColumn(attribute)
	if col.values == nil && !math.IsNaN(value) {
		col.values = slices.Repeat([]float64{math.NaN()}, col.present.count())
	}
	switch at := col.present.rank(i); {
	case col.values == nil:
	case col.present.has(i):
		col.values[at] = value
	default:
		col.values = slices.Insert(col.values, at, value)
	}
	col.present.set(i)
	col.bound()
}

// unset takes the attribute from the item at i, which has it; c must be owned.
func (c *chunk) unset(attribute int32, i int) {
	col := c.ownColumn(attribute)
	if col.values != nil {
		at := col.present.rank(i)
		col.values = slices.Delete(col.values, at, at+1)
	}
	col.present.clear(i)
	if col.present != (mask{}) {
		col.bound()
		return
	}
	at, _ := c.columnAt(attribute)
	c.columns = slices.Delete(c.columns, at, at+1)
}

// bound finds low and high again.
func (col *column) bound() {
	col.low, col.high = math.Inf(1), math.Inf(-1)
	for _, v := range col.values {
		if v < col.low {
			col.low = v
		}
		if v > col.high {
			col.high = v
		}
	}
}

// between returns the places whose value is in low … high, bounds included.
func (col *column) between(low, high float64) mask {
	var out mask
	switch {
	case col.values == nil || high < col.low || col.high < low:
		return out
	case len(col.values) == chunkSize:
		for i, v := range col.values {
			out[i>>6] |= bit(low <= v && v <= high) << (i & 63)
		}
		return out
	}
	return col.test(func(v float64) bool { return low <= v && v <= high })
}

// test returns the places whose value passes.
func (col *column) test(passes func(float64) bool) mask {
	var out mask
	if col.values == nil {
		return out
	}
	at := 0
	for w, word := range col.present {
		for ; word != 0; word &= word - 1 {
			out[w] |= bit(passes(col.values[at])) << bits.TrailingZeros64(word)
			at++
		}
	}
	return out
}

// bit is 1 for true; the compiler makes it an instruction without a branch.
func bit(b bool) uint64 {
	var n uint64
	if b {
		n = 1
	}
	return n
}

// createdBetween returns the places whose create_time is in low … high, bounds included.
func (c *chunk) createdBetween(low, high int64) mask {
	var out mask
	for i, t := range c.created {
		out[i>>6] |= bit(low <= t && t <= high) << (i & 63)
	}
	for i := range out {
		out[i] &= c.registered[i]
	}
	return out
}
