package ann

import (
	"sync/atomic"

	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

// A slot is the place of a row: the chunk's number in the high bits, the row in the low.
const (
	rowBits   = 8
	chunkRows = 1 << rowBits
	// firstRows is how many rows a chunk has room for at first; full chunks of long
	// vectors take more than a megabyte, too much for an index of three items.
	firstRows = 8
)

// block is the memory behind chunks of several versions. Rows are written once, in
// order, and never change afterwards: versions that differ only by what was appended
// share one block, each reading the rows it knows of.
type block struct {
	rows  rows     // as long as there is room for
	items []uint32 // len(items) is the room, in rows
	used  atomic.Int64
}

// newBlock returns a block that holds the rows given and has room for more.
func newBlock(room int, r rows, items []uint32) *block {
	b := &block{items: make([]uint32, room)}
	b.rows.dims, b.rows.floats = r.dims, make([]float32, room*r.dims)
	copy(b.rows.floats, r.floats)
	if coded := r.codes != nil; coded {
		b.rows.codes, b.rows.scale = make([]uint8, room*vecmath.CodeLen(r.dims)), make([]float32, room)
		copy(b.rows.codes, r.codes)
		copy(b.rows.scale, r.scale)
	}
	copy(b.items, items)
	b.used.Store(int64(len(items)))
	return b
}

// claim reserves row n for the caller. It fails when the block is full and when
// another version that shares the block has gone on from row n before: the one case
// in which appending to an old version has to copy.
func (b *block) claim(n int) bool {
	return n < len(b.items) && b.used.CompareAndSwap(int64(n), int64(n)+1)
}

// chunk is what one version sees of a block, and which of its rows are dead there.
type chunk struct {
	rows  // dead ones included, so that one kernel call scores all
	owner *token
	block *block
	items []uint32 // the item of each row
	dead  [chunkRows / 64]uint64
	live  int
}

func (c *chunk) isDead(row int) bool { return c.dead[row>>6]>>(row&63)&1 != 0 }

func (c *chunk) full() bool { return len(c.items) == chunkRows }

// sparse says that moving what is left elsewhere is worth its while: it keeps dead
// rows below half of all rows outside the last chunk, and every removal pays for at
// most one move.
func (c *chunk) sparse() bool { return c.live == 0 || c.full() && c.live < chunkRows/2 }

// append adds a row to a chunk that is not full and that the caller owns.
func (c *chunk) append(item uint32, vector []float32) (row int) {
	row = len(c.items)
	if c.block == nil || !c.block.claim(row) {
		room := firstRows
		if c.block != nil {
			room = len(c.block.items)
		}
		if row == room {
			room = min(2*room, chunkRows)
		}
		c.block = newBlock(room, c.rows, c.items)
		c.block.used.Add(1)
	}
	seen := c.block.rows.part(0, row+1)
	c.floats, c.codes, c.scale = seen.floats, seen.codes, seen.scale
	c.items = c.block.items[:row+1]
	copy(c.row(row), vector)
	if c.codes != nil {
		c.encode(row)
	}
	c.items[row] = item
	c.live++
	return row
}

// scan offers every live and allowed row that may still be among the best.
//
// The cheap tests come first: few scores reach the floor once as many rows are kept as are
// wanted, so allowed is called for little more than k·log(n/k) items.
func (c *chunk) scan(s *sieve, allowed func(uint32) bool) {
	m := s.measure(&c.rows)
	floor := s.floor()
	for row, score := range m.scores {
		radius := m.radius(row)
		if score+radius < floor || c.isDead(row) || allowed != nil && !allowed(c.items[row]) {
			continue
		}
		s.keep(candidate{c.items[row], c.row(row)}, score, radius)
		floor = s.floor()
	}
}
