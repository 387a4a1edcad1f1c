package ann

import (
	"math/bits"
	"slices"
)

// token marks what one Apply has made and may still write to. It is compared by
// address, so it must not be of size zero.
type token struct{ _ byte }

// trie is a persistent map from items to slots: a radix tree of 64 branches a node,
// each node as long as the branches it has. A change copies the path to the leaf,
// at most six nodes, and within one Apply each node only once.
//
// Dense items (row numbers) make full nodes and a flat tree, 100,000 of them three
// levels; scattered ones cost memory in proportion to their number.
type trie struct {
	root   *node
	height int // levels; items below 64^height fit
}

// node is a leaf (slots) on level 0 and an inner node (children) above. Entry number
// bits.OnesCount64(present & (1<<b − 1)) belongs to branch b.
type node struct {
	owner    *token
	present  uint64
	children []*node
	slots    []uint32
}

const branchBits = 6

// place returns where branch b of the item on this level is, and whether it is there.
func (n *node) place(level int, item uint32) (at int, bit uint64, ok bool) {
	bit = 1 << (uint64(item) >> (branchBits * level) & (1<<branchBits - 1))
	return bits.OnesCount64(n.present & (bit - 1)), bit, n.present&bit != 0
}

// get returns the item's slot.
func (t trie) get(item uint32) (slot uint32, ok bool) {
	if t.root == nil || !t.fits(item) {
		return 0, false
	}
	n := t.root
	for level := t.height - 1; level > 0; level-- {
		at, _, ok := n.place(level, item)
		if !ok {
			return 0, false
		}
		n = n.children[at]
	}
	at, _, ok := n.place(0, item)
	if !ok {
		return 0, false
	}
	return n.slots[at], true
}

func (t trie) fits(item uint32) bool { return uint64(item)>>(branchBits*t.height) == 0 }

// set returns the map with item at slot. Nodes that o made are changed in place.
func (t trie) set(o *token, item, slot uint32) trie {
	for t.height == 0 || !t.fits(item) {
		if t.root != nil {
			t.root = &node{owner: o, present: 1, children: []*node{t.root}}
		}
		t.height++
	}
	t.root = t.root.set(o, t.height-1, item, slot)
	return t
}

// remove returns the map without item, which must be in it.
func (t trie) remove(o *token, item uint32) trie {
	t.root = t.root.remove(o, t.height-1, item)
	if t.root == nil {
		t.height = 0
	}
	return t
}

func (n *node) set(o *token, level int, item, slot uint32) *node {
	n = n.owned(o)
	at, bit, ok := n.place(level, item)
	n.present |= bit
	switch {
	case level == 0 && ok:
		n.slots[at] = slot
	case level == 0:
		n.slots = slices.Insert(n.slots, at, slot)
	case ok:
		n.children[at] = n.children[at].set(o, level-1, item, slot)
	default:
		var none *node
		n.children = slices.Insert(n.children, at, none.set(o, level-1, item, slot))
	}
	return n
}

// remove returns nil when nothing is left.
func (n *node) remove(o *token, level int, item uint32) *node {
	n = n.owned(o)
	at, bit, _ := n.place(level, item)
	if level > 0 {
		child := n.children[at].remove(o, level-1, item)
		if child != nil {
			n.children[at] = child
			return n
		}
		n.children = slices.Delete(n.children, at, at+1)
	} else {
		n.slots = slices.Delete(n.slots, at, at+1)
	}
	if n.present &^= bit; n.present == 0 {
		return nil
	}
	return n
}

// owned returns n if o made it, else a copy that o may change; nil gives an empty node.
func (n *node) owned(o *token) *node {
	switch {
	case n == nil:
		return &node{owner: o}
	case n.owner == o:
		return n
	}
	return &node{owner: o, present: n.present, children: slices.Clone(n.children), slots: slices.Clone(n.slots)}
}
