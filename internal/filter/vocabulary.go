package filter

import (
	"math/bits"
	"slices"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// label is one value of a label attribute, shared by all items that have it.
type label struct {
	text  string
	hash  uint64
	value ref.Val // text, boxed once so that reading it allocates nothing
	alone *labels // the list of this label only, which most items' values are
}

func newLabel(text string, hash uint64) *label {
	l := &label{text: text, hash: hash, value: types.String(text)}
	l.alone = &labels{list: []*label{l}}
	return l
}

// entry is a label and who has it.
type entry struct {
	owner    *token
	label    *label
	items    posting
	ownDelta bool   // items.delta may be written to by owner
	next     *entry // another label of the same hash
}

// vocabulary maps the labels of one attribute to the items that have them: a hash trie of 32
// branches a node (Bagwell, "Ideal hash trees", 2001), persistent, so that a change copies the
// path to an entry, about 1 KiB at 10,000 different labels.
type vocabulary struct {
	root *branch
	size int // labels, each on at least one item
}

// branch is a node; slot number bits.OnesCount32(present & (1<<b − 1)) is that of branch b.
type branch struct {
	owner   *token
	present uint32
	slots   []slot
}

// slot holds a node or the entries of one hash.
type slot struct {
	branch *branch
	entry  *entry
}

const branchBits = 5

// place returns where a hash is in the node on a level, and whether anything is there.
func (b *branch) place(level int, hash uint64) (at int, bit uint32, ok bool) {
	bit = 1 << (hash >> (branchBits * level) & (1<<branchBits - 1))
	return bits.OnesCount32(b.present & (bit - 1)), bit, b.present&bit != 0
}

// get returns a label's entry, nil if no item has the label.
func (v vocabulary) get(text string, hash uint64) *entry {
	for b, level := v.root, 0; b != nil; level++ {
		at, _, ok := b.place(level, hash)
		if !ok {
			return nil
		}
		if e := b.slots[at].entry; e != nil {
			return e.find(text)
		}
		b = b.slots[at].branch
	}
	return nil
}

func (e *entry) find(text string) *entry {
	for ; e != nil; e = e.next {
		if e.label.text == text {
			return e
		}
	}
	return nil
}

// own returns a label's entry as one that o may write to, and makes it if there is none.
func (v *vocabulary) own(o *token, text string, hash uint64) *entry {
	v.root = v.root.owned(o)
	b := v.root
	for level := 0; ; level++ {
		at, bit, ok := b.place(level, hash)
		if !ok {
			fresh := &entry{owner: o, label: newLabel(text, hash)}
			b.present |= bit
			b.slots = slices.Insert(b.slots, at, slot{entry: fresh})
			v.size++
			return fresh
		}
		s := &b.slots[at]
		if s.entry != nil && s.entry.label.hash == hash {
			return v.ownChained(o, s, text, hash)
		}
		if s.entry != nil {
			*s = slot{branch: push(o, s.entry, level+1)}
		}
		s.branch = s.branch.owned(o)
		b = s.branch
	}
}

// ownChained is own where entries of the same hash already are. The whole chain is copied: it
// has one entry unless two labels have the same 64 bits.
func (v *vocabulary) ownChained(o *token, s *slot, text string, hash uint64) *entry {
	for at := &s.entry; *at != nil; at = &(*at).next {
		if (*at).owner != o {
			mine := **at
			mine.owner, mine.ownDelta = o, false
			*at = &mine
		}
	}
	if known := s.entry.find(text); known != nil {
		return known
	}
	s.entry = &entry{owner: o, label: newLabel(text, hash), next: s.entry}
	v.size++
	return s.entry
}

// push makes a node that holds only these entries.
func push(o *token, e *entry, level int) *branch {
	b := &branch{owner: o, slots: []slot{{entry: e}}}
	_, b.present, _ = b.place(level, e.label.hash)
	return b
}

// drop takes out a label, which must be there.
func (v *vocabulary) drop(o *token, text string, hash uint64) {
	v.size--
	v.root = v.root.drop(o, 0, text, hash)
}

func (b *branch) drop(o *token, level int, text string, hash uint64) *branch {
	at, bit, _ := b.place(level, hash)
	b = b.owned(o)
	s := &b.slots[at]
	if s.entry != nil {
		s.entry = s.entry.without(text)
	} else {
		s.branch = s.branch.drop(o, level+1, text, hash)
	}
	if *s == (slot{}) {
		b.present &^= bit
		b.slots = slices.Delete(b.slots, at, at+1)
	}
	if len(b.slots) == 0 {
		return nil
	}
	return b
}

// without returns the chain without a label; what comes before it is copied.
func (e *entry) without(text string) *entry {
	if e.label.text == text {
		return e.next
	}
	mine := *e
	mine.owner, mine.ownDelta, mine.next = nil, false, e.next.without(text)
	return &mine
}

// owned returns a version of b, which may be nil, that o may write to.
func (b *branch) owned(o *token) *branch {
	switch {
	case b == nil:
		return &branch{owner: o}
	case b.owner == o:
		return b
	}
	return &branch{owner: o, present: b.present, slots: slices.Clone(b.slots)}
}

// each calls visit for every label until it returns false.
func (v vocabulary) each(visit func(*entry) bool) { v.root.each(visit) }

func (b *branch) each(visit func(*entry) bool) bool {
	if b == nil {
		return true
	}
	for _, s := range b.slots {
		if !s.branch.each(visit) {
			return false
		}
		for e := s.entry; e != nil; e = e.next {
			if !visit(e) {
				return false
			}
		}
	}
	return true
}
