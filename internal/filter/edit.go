package filter

import (
	"hash/maphash"
	"maps"
	"math"
	"slices"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// token marks what one Apply has made and may still write to. It is compared by address, so it
// must not be of size zero.
type token struct{ _ byte }

// edit builds the next version. What its token owns may be written to; everything else is
// shared with versions that readers hold, and is copied first.
type edit struct {
	*Index
	token *token
	grown bool // schema is a fresh one
}

// Apply returns the version that follows from making the changes in order, so that the last
// change of an item decides. The receiver stays as it is and valid.
//
// Among 100,000 items of 12 attributes and 15 labels, one change takes 25–35 µs of CPU if only
// the price is another, 60–85 µs if the item is new or goes, 75–100 µs if all of it is another;
// a third to a half of that is garbage collection. All of them at once take 20–25 µs each
// (BenchmarkApply, BenchmarkBuild, 2-core AMD EPYC under a load of 5 to 8, November 2026).
//
// Changing the newest version keeps the answers of programs usable; changing an older one is
// right too, and begins a history of its own in which they are found anew.
func (ix *Index) Apply(changes []Change) *Index {
	if len(changes) == 0 {
		return ix
	}
	next := *ix
	next.chunks, next.vocabularies = slices.Clone(ix.chunks), slices.Clone(ix.vocabularies)
	next.version++
	if !ix.history.newest.CompareAndSwap(ix.version, next.version) {
		next.history = &history{seed: ix.history.seed}
		next.history.newest.Store(next.version)
	}
	e := &edit{Index: &next, token: new(token)}
	for _, c := range changes {
		if c.Item == nil {
			e.remove(c.Number)
		} else {
			e.put(c.Number, c.Item)
		}
	}
	return &next
}

func (e *edit) put(number uint32, it *recsys.Item) {
	old := e.record(number)
	fresh := old == nil
	if fresh {
		old = new(record)
		e.items++
	}
	r := &record{itemID: it.ItemID, title: it.Title, createTime: it.CreateTime.UTC(), facts: e.facts(number, it, old)}
	if !fresh && old.equal(r) {
		return
	}
	e.release(number, old, r)
	c, i := e.chunk(number), int(number%chunkSize)
	for _, f := range r.facts {
		if before := old.get(f.attribute); before == nil || numberOf(before) != numberOf(f.value) {
			c.set(f.attribute, i, math.Float64frombits(numberOf(f.value)))
		}
	}
	c.registered.set(i)
	c.created[i], c.stamps[i], c.version, c.records[i] = recsys.UnixNano(r.createTime), e.version, e.version, r
}

// numberOf returns the bits of a number, those of NaN for any other value.
func numberOf(v ref.Val) uint64 {
	if n, ok := v.(types.Double); ok {
		return math.Float64bits(float64(n))
	}
	return math.Float64bits(math.NaN())
}

func (e *edit) remove(number uint32) {
	old := e.record(number)
	if old == nil {
		return
	}
	e.release(number, old, new(record))
	c, i := e.chunk(number), int(number%chunkSize)
	c.registered.clear(i)
	c.stamps[i], c.version, c.records[i] = e.version, e.version, nil
	e.items--
}

// release takes from an item what it had and will not have.
func (e *edit) release(number uint32, old, next *record) {
	for _, f := range old.facts {
		kept := next.get(f.attribute)
		if had, ok := f.value.(*labels); ok {
			keeps, _ := kept.(*labels)
			e.releaseLabels(f.attribute, number, had, keeps)
		}
		if kept == nil {
			e.chunk(number).unset(f.attribute, int(number%chunkSize))
		}
	}
}

func (e *edit) releaseLabels(attribute int32, number uint32, had, keeps *labels) {
	v := &e.vocabularies[attribute]
	for i, l := range had.list {
		if slices.Contains(keeps.all(), l) || slices.Contains(had.list[:i], l) {
			continue
		}
		known := v.own(e.token, l.text, l.hash)
		if known.remove(number); known.items.size == 0 {
			v.drop(e.token, l.text, l.hash)
		}
	}
}

// facts turns an item's attributes into what a record keeps, and enters its labels into the
// vocabularies.
func (e *edit) facts(number uint32, it *recsys.Item, old *record) []fact {
	facts := make([]fact, 0, len(it.Attributes))
	for _, name := range slices.Sorted(maps.Keys(it.Attributes)) {
		a := it.Attributes[name]
		if absent(a) {
			continue
		}
		next := e.schema.with(name, kindsOf(a.Kind), e.grown)
		e.grown = e.grown || next != e.schema
		e.schema = next
		if attribute, ok := next.numbers[name]; ok {
			had, _ := old.get(attribute).(*labels)
			facts = append(facts, fact{attribute, e.value(attribute, number, a, had)})
		}
	}
	slices.SortFunc(facts, func(a, b fact) int { return int(a.attribute) - int(b.attribute) })
	return slices.Clip(facts)
}

// absent says that an attribute holds nothing that a filter could compare.
func absent(a recsys.Attribute) bool {
	switch a.Kind {
	case recsys.KindLabels:
		return len(a.Labels) == 0
	case recsys.KindNumber:
		return math.IsNaN(a.Number) || math.IsInf(a.Number, 0)
	case recsys.KindText:
		return false
	}
	return true
}

func (e *edit) value(attribute int32, number uint32, a recsys.Attribute, had *labels) ref.Val {
	switch a.Kind {
	case recsys.KindNumber:
		return types.Double(a.Number)
	case recsys.KindText:
		return types.String(a.Text)
	}
	if missing := int(attribute) + 1 - len(e.vocabularies); missing > 0 {
		e.vocabularies = append(e.vocabularies, make([]vocabulary, missing)...)
	}
	list, mine := make([]*label, len(a.Labels)), had.all()
	for i, text := range a.Labels {
		list[i] = e.label(attribute, number, text, mine)
		mine = append(mine, list[i])
	}
	if len(list) == 1 {
		return list[0].alone
	}
	return &labels{list}
}

// label gives an item a label, unless it is one of those that it has.
func (e *edit) label(attribute int32, number uint32, text string, has []*label) *label {
	v, hash := &e.vocabularies[attribute], maphash.String(e.history.seed, text)
	if len(has) > 0 {
		if known := v.get(text, hash); known != nil && slices.Contains(has, known.label) {
			return known.label
		}
	}
	known := v.own(e.token, text, hash)
	known.add(number)
	return known.label
}

// equal reports whether two records of one history say the same.
func (r *record) equal(other *record) bool {
	return r.itemID == other.itemID && r.title == other.title && r.createTime.Equal(other.createTime) &&
		slices.EqualFunc(r.facts, other.facts, func(a, b fact) bool { return a.attribute == b.attribute && same(a.value, b.value) })
}

func same(a, b ref.Val) bool {
	had, ok := a.(*labels)
	has, also := b.(*labels)
	if ok && also {
		return slices.Equal(had.list, has.list)
	}
	return ok == also && a == b
}

// chunk returns the chunk of an item as one that may be written to.
func (e *edit) chunk(number uint32) *chunk {
	at := int(number / chunkSize)
	if missing := at + 1 - len(e.chunks); missing > 0 {
		e.chunks = append(e.chunks, slices.Repeat([]*chunk{new(chunk)}, missing)...)
	}
	if c := e.chunks[at]; c.owner != e.token {
		clone := *c
		clone.owner, clone.columns = e.token, slices.Clone(c.columns)
		e.chunks[at] = &clone
	}
	return e.chunks[at]
}
