package filter

import (
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
)

// Bitmap is a set of item numbers. Those that this package hands out are shared and must not
// be changed; the package-level operations of roaring (And, Or, AndNot) make new ones.
//
// Named here so that callers need not import roaring.
type Bitmap = roaring.Bitmap

// maxDelta is how many numbers a posting keeps apart from its bitmaps.
const maxDelta = 64

// posting is the set of items that have one label. It is persistent: what a version shares
// with others is never written to.
//
// The set is the union of blocks but for the numbers of delta, which are in it if they are not
// in a block and the other way about. So most changes copy 256 bytes instead of a bitmap of up
// to 8 KiB, and labels with few items, most of any vocabulary, have no bitmap, which would take
// 200 bytes and six allocations.
type posting struct {
	blocks []block  // ascending by key
	delta  []uint32 // ascending
	size   int
}

// block holds the numbers whose upper 16 bits are key.
type block struct {
	key  uint32
	bits *Bitmap
}

// block returns the place of a number's block, or where it would go.
func (p posting) block(key uint32) (at int, ok bool) {
	return slices.BinarySearchFunc(p.blocks, key, func(b block, key uint32) int { return int(b.key) - int(key) })
}

// add puts a number, which must not be there, into the set of an entry that may be written to.
func (e *entry) add(number uint32) {
	e.items.size++
	e.toggle(number)
}

// remove takes a number, which must be there, out of the set of an entry that may be written to.
func (e *entry) remove(number uint32) {
	e.items.size--
	e.toggle(number)
}

func (e *entry) toggle(number uint32) {
	if !e.ownDelta {
		e.items.delta = append(make([]uint32, 0, len(e.items.delta)+4), e.items.delta...)
		e.ownDelta = true
	}
	p := &e.items
	at, toggled := slices.BinarySearch(p.delta, number)
	if toggled {
		p.delta = slices.Delete(p.delta, at, at+1)
		return
	}
	p.delta = slices.Insert(p.delta, at, number)
	if len(p.delta) > maxDelta {
		p.blocks, p.delta = p.merged(), p.delta[:0]
	}
}

// merged returns the set as blocks alone. Blocks that delta does not touch are shared.
func (p posting) merged() []block {
	blocks := slices.Clone(p.blocks)
	for rest := p.delta; len(rest) > 0; {
		key := rest[0] >> 16
		n := 1
		for n < len(rest) && rest[n]>>16 == key {
			n++
		}
		bits := roaring.BitmapOf(rest[:n]...)
		if at, ok := p.block(key); ok {
			bits.Xor(p.blocks[at].bits)
		}
		blocks = place(blocks, block{key, bits})
		rest = rest[n:]
	}
	return blocks
}

// place puts a block where the one of its key is or would be; an empty one only takes it away.
func place(blocks []block, b block) []block {
	at, ok := posting{blocks: blocks}.block(b.key)
	if ok {
		blocks = slices.Delete(blocks, at, at+1)
	}
	if b.bits.IsEmpty() {
		return blocks
	}
	return slices.Insert(blocks, at, b)
}

// parts returns bitmaps whose union is the set.
func (p posting) parts() []*Bitmap {
	blocks := p.merged()
	parts := make([]*Bitmap, len(blocks))
	for i, b := range blocks {
		parts[i] = b.bits
	}
	return parts
}
