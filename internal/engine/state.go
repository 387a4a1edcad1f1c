package engine

import (
	"math"
	"slices"

	"github.com/seed-473295a7/vitrine/internal/ann"
	"github.com/seed-473295a7/vitrine/internal/filter"
	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/space"
	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

// chunkSize is how many items share a chunk. A change to one item copies one chunk: at 64
// dimensions about 140 KB, some 15 µs, whatever the size of the catalogue.
const chunkSize = 256

// State is one consistent version of everything a request reads. It is immutable: change
// makes the next one, which shares all chunks that did not change.
//
// An item is known inside the process by its number (see numbers); numbers outlive States.
type State struct {
	spaceID     recsys.SpaceID
	space       *space.Space
	encoder     Encoder // of the space
	modelID     recsys.ModelID
	model       *factorModel   // nil before the first training
	corrections [][]correction // by chunk: the items the model's corrector covers
	origin      origin         // what vectors and index were made by
	index       ann.Index
	filter      *filter.Index // what filters read of the registered items
	chunks      []*chunk
	registered  int
	paused      bool  // no training but on demand
	exploredAt  int64 // when explore of all items was last brought up to date, Unix nanoseconds

	catalogSeq     int64 // changes of other processes up to here are in
	interactionSeq int64
}

// chunk holds chunkSize items as parallel arrays, so that a scan reads only what it needs.
type chunk struct {
	from, until [chunkSize]int64 // when an item is shown, Unix nanoseconds; from > until: never
	created     [chunkSize]int64 // when it was registered, Unix nanoseconds
	facts       [chunkSize]*facts
	seq         [chunkSize]int64 // the change that last wrote or deleted the item
	served      [chunkSize]bool  // base, content and novelty hold a factor of the live model

	base, content    []float32 // chunkSize × f each; nil while all are zero
	novelty, explore []float32 // chunkSize each; nil while all are zero

	// codes, scale, fault and norm are vecmath.Encode's of base; nil where they would save nothing.
	codes       []uint8
	scale       []float32
	fault, norm float32 // the greatest
}

// facts is what a response says of an item.
type facts struct {
	itemID, title string
	updated       int64 // UpdateTime in Unix microseconds
}

// served is what an item is scored by in the factor space:
//
//	score = (1 + (g − 1)·explore) w·base
//
// content is the part of base that is due to what the item is; nil parts are zero. explore is
// novelty, 1 for an item that nobody liked yet and 0 for one that is well known, times what time
// has left of it. The gain lifts the whole factor: were it to lift the content alone, an item
// would sink as likes take the place of content (poster pack, likes 0 → 16: recall in mixed
// lists .30 → .21 instead of .30 → .35).
type served struct {
	base, content    []float32
	novelty, explore float32
}

var never = [2]int64{math.MaxInt64, math.MinInt64}

// shown gives the time an item may be shown as Unix nanoseconds, from inclusive, until exclusive.
func shown(it *recsys.Item) [2]int64 {
	if it.Hidden {
		return never
	}
	times := [2]int64{math.MinInt64, math.MaxInt64}
	if !it.AvailableTime.IsZero() {
		times[0] = recsys.UnixNano(it.AvailableTime)
	}
	if !it.ExpireTime.IsZero() {
		times[1] = recsys.UnixNano(it.ExpireTime)
	}
	return times
}

// facts returns what is known of an item; nil if it is not registered.
func (s *State) facts(number uint32) *facts {
	if c := int(number / chunkSize); c < len(s.chunks) {
		return s.chunks[c].facts[number%chunkSize]
	}
	return nil
}

// shownAt reports whether a registered item may be shown at a time.
func (s *State) shownAt(number uint32, now int64) bool {
	c := int(number / chunkSize)
	if c >= len(s.chunks) {
		return false
	}
	i := number % chunkSize
	return s.chunks[c].from[i] <= now && now < s.chunks[c].until[i]
}

// seqOf is the change number an item was last written or deleted by; 0 if never.
func (s *State) seqOf(number uint32) int64 {
	if c := int(number / chunkSize); c < len(s.chunks) {
		return s.chunks[c].seq[number%chunkSize]
	}
	return 0
}

// factor returns an item's served factor; false if it has none. The slices belong to the State.
func (s *State) factor(number uint32) (served, bool) {
	at, i := int(number/chunkSize), int(number%chunkSize)
	if s.model == nil || at >= len(s.chunks) || !s.chunks[at].served[i] {
		return served{}, false
	}
	c, f := s.chunks[at], s.model.dims()
	return served{base: rowOf(c.base, i, f), content: rowOf(c.content, i, f),
		novelty: elementOf(c.novelty, i), explore: elementOf(c.explore, i)}, true
}

func rowOf(rows []float32, i, f int) []float32 {
	if rows == nil {
		return nil
	}
	return rows[i*f : (i+1)*f]
}

func elementOf(values []float32, i int) float32 {
	if values == nil {
		return 0
	}
	return values[i]
}

// vector returns an item's unit vector, or nil if it has no embedding.
func (s *State) vector(number uint32) []float32 {
	v, ok := s.index.Vector(number)
	if !ok {
		return nil
	}
	return v
}

// change is the next State under construction. It copies a chunk the first time it touches it.
type change struct {
	next    State
	copied  map[int]bool
	vectors []ann.Change
	items   []filter.Change
}

func (s *State) change() *change {
	c := &change{next: *s, copied: make(map[int]bool)}
	c.next.chunks = slices.Clone(s.chunks)
	return c
}

// chunkOf returns the chunk of an item for writing and the item's place in it.
func (c *change) chunkOf(number uint32) (*chunk, int) {
	at := int(number / chunkSize)
	for len(c.next.chunks) <= at {
		c.copied[len(c.next.chunks)] = true
		c.next.chunks = append(c.next.chunks, c.newChunk())
	}
	if !c.copied[at] {
		clone := *c.next.chunks[at]
		clone.base, clone.content = slices.Clone(clone.base), slices.Clone(clone.content)
		clone.novelty, clone.explore = slices.Clone(clone.novelty), slices.Clone(clone.explore)
		clone.codes, clone.scale = slices.Clone(clone.codes), slices.Clone(clone.scale)
		c.next.chunks[at] = &clone
		c.copied[at] = true
	}
	return c.next.chunks[at], int(number % chunkSize)
}

func (c *change) newChunk() *chunk {
	fresh := new(chunk)
	for i := range chunkSize {
		fresh.from[i], fresh.until[i] = never[0], never[1]
	}
	return fresh
}

// put registers or replaces an item. vector nil means that it has no embedding. The item must
// not change until done.
func (c *change) put(number uint32, it *recsys.Item, seq int64, vector []float32) {
	c.putFacts(number, it, seq)
	c.setVector(number, vector)
	c.items = append(c.items, filter.Change{Number: number, Item: it})
}

// putFacts registers or replaces an item and leaves the indexes as they are.
func (c *change) putFacts(number uint32, it *recsys.Item, seq int64) {
	ch, i := c.chunkOf(number)
	if ch.facts[i] == nil {
		c.next.registered++
	}
	times := shown(it)
	ch.from[i], ch.until[i], ch.seq[i] = times[0], times[1], seq
	ch.created[i] = it.CreateTime.UnixNano()
	ch.facts[i] = &facts{itemID: it.ItemID, title: it.Title, updated: it.UpdateTime.UnixMicro()}
}

// remove takes an item out; its number and its seq stay.
func (c *change) remove(number uint32, seq int64) {
	ch, i := c.chunkOf(number)
	if ch.facts[i] != nil {
		c.next.registered--
	}
	ch.from[i], ch.until[i], ch.seq[i] = never[0], never[1], seq
	ch.facts[i], ch.served[i] = nil, false
	c.items = append(c.items, filter.Change{Number: number})
	c.setVector(number, nil)
}

func (c *change) setVector(number uint32, vector []float32) {
	_, had := c.next.index.Vector(number)
	if vector != nil || had || len(c.vectors) > 0 {
		c.vectors = append(c.vectors, ann.Change{Item: number, Vector: vector})
	}
}

// setFactor sets the served factor of a registered item.
func (c *change) setFactor(number uint32, to served) {
	ch, i := c.chunkOf(number)
	f := c.next.model.dims()
	ch.base = setRow(ch.base, to.base, i, f)
	ch.encode(i, f)
	ch.content = setRow(ch.content, to.content, i, f)
	ch.novelty = setRow(ch.novelty, []float32{to.novelty}, i, 1)
	ch.explore = setRow(ch.explore, []float32{to.explore}, i, 1)
	ch.served[i] = true
}

// encode brings the code of a base row up to date.
func (ch *chunk) encode(i, f int) {
	n := vecmath.CodeLen(f)
	if ch.base == nil || !vecmath.FastCodes() || n > 2*f {
		return
	}
	if ch.codes == nil {
		ch.codes, ch.scale = make([]uint8, chunkSize*n), make([]float32, chunkSize)
	}
	scale, fault, norm := vecmath.Encode(rowOf(ch.base, i, f), ch.codes[i*n:(i+1)*n])
	ch.scale[i], ch.fault, ch.norm = scale, max(ch.fault, fault), max(ch.norm, norm)
}

func setRow(rows, row []float32, i, f int) []float32 {
	if rows == nil {
		if allZero(row) {
			return nil
		}
		rows = make([]float32, chunkSize*f)
	}
	if row == nil {
		clear(rows[i*f : (i+1)*f])
	} else {
		copy(rows[i*f:(i+1)*f], row)
	}
	return rows
}

func allZero(row []float32) bool {
	for _, v := range row {
		if v != 0 {
			return false
		}
	}
	return true
}

// done applies vectors and items to the indexes and returns the finished State.
func (c *change) done() (*State, error) {
	if len(c.vectors) > 0 {
		index, err := c.next.index.Apply(c.vectors)
		if err != nil {
			return nil, err
		}
		c.next.index = index
	}
	c.next.filter = c.next.filter.Apply(c.items)
	return &c.next, nil
}
