package ann

import "slices"

// edit builds the next version. What its token owns may be written to; everything
// else is shared with versions that readers hold, and is copied first.
type edit struct {
	*exact
	token   *token
	touched []int // chunks to look at in the end, because rows died there or filled them
}

// apply is Apply for engines that keep their vectors in an exact.
func (x *exact) apply(changes []Change) (*exact, error) {
	if err := checkChanges(x.dims, changes); err != nil {
		return nil, err
	}
	return x.applyChecked(changes), nil
}

// applyChecked is apply for changes that are known to be right.
func (x *exact) applyChecked(changes []Change) *exact {
	if len(changes) == 0 {
		return x
	}
	next := *x
	next.chunks = slices.Clone(x.chunks)
	e := &edit{exact: &next, token: new(token)}
	for _, c := range changes {
		e.change(c)
	}
	e.dissolve()
	if next.live == 0 {
		return x.empty()
	}
	return &next
}

func (e *edit) change(c Change) {
	old, had := e.Vector(c.Item)
	switch {
	case c.Vector == nil && had:
		e.kill(c.Item)
		e.slots = e.slots.remove(e.token, c.Item)
		e.live--
	case c.Vector == nil, had && slices.Equal(old, c.Vector): // nothing to do
	case had:
		e.kill(c.Item)
		e.put(c.Item, c.Vector)
	default:
		e.put(c.Item, c.Vector)
		e.live++
	}
}

// own returns chunk number i as one that may be written to.
func (e *edit) own(i int) *chunk {
	c := e.chunks[i]
	if c.owner != e.token {
		mine := *c
		mine.owner = e.token
		c = &mine
		e.chunks[i] = c
	}
	return c
}

// kill marks the item's row dead.
func (e *edit) kill(item uint32) {
	slot, _ := e.slots.get(item)
	i, row := int(slot>>rowBits), int(slot&(chunkRows-1))
	c := e.own(i)
	c.dead[row>>6] |= 1 << (row & 63)
	c.live--
	e.touched = append(e.touched, i)
}

// put appends a row for the item and makes it the item's slot.
func (e *edit) put(item uint32, vector []float32) {
	if e.tail < 0 || e.chunks[e.tail].full() {
		e.tail = e.place()
		e.chunks[e.tail] = &chunk{rows: newRows(e.dims, e.coded), owner: e.token}
	}
	c := e.own(e.tail)
	row := c.append(item, vector)
	e.slots = e.slots.set(e.token, item, uint32(e.tail)<<rowBits|uint32(row))
	if c.full() {
		e.touched = append(e.touched, e.tail)
	}
}

// place returns the number of a chunk that is nil.
func (e *edit) place() int {
	if e.holes > 0 {
		e.holes--
		return slices.Index(e.chunks, nil)
	}
	e.chunks = append(e.chunks, nil)
	return len(e.chunks) - 1
}

// dissolve moves the rows of sparse chunks to the tail. It ends: each round leaves
// more than half a chunk of dead rows behind and makes none.
func (e *edit) dissolve() {
	for len(e.touched) > 0 {
		i := e.touched[len(e.touched)-1]
		e.touched = e.touched[:len(e.touched)-1]
		c := e.chunks[i]
		if c == nil || !c.sparse() {
			continue
		}
		e.chunks[i] = nil
		e.holes++
		if e.tail == i {
			e.tail = -1
		}
		for row, item := range c.items {
			if !c.isDead(row) {
				e.put(item, c.row(row))
			}
		}
	}
}
