package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-473295a7/vitrine/internal/ann"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// basis is an index that a load goes on from, so that it reads only the vectors that this one
// lacks: the live State's, when another model went live or much has changed, or at the start that
// of the file that SaveIndex left. Whether it may be trusted is asked for every item.
type basis struct {
	index  ann.Index
	change int64 // of the catalogue: what happened up to here is in
	// of returns which writing of an item is in; zero: none.
	of func(number uint32) writing
	// carried is the change after which carryOver brings what was written here.
	carried int64
}

// writing names one writing of an item. A database that was set back to a backup gives change
// numbers a second time, but not at the same microsecond.
type writing struct{ seq, updated int64 }

func writingOf(row *ItemRow) writing { return writing{row.Seq, row.Item.UpdateTime.UnixMicro()} }

// writing returns which writing of an item State holds; with time 0 if it was deleted then.
func (s *State) writing(number uint32) writing {
	w := writing{seq: s.seqOf(number)}
	if known := s.facts(number); known != nil {
		w.updated = known.updated
	}
	return w
}

// errBasis tells that a basis is not of this catalogue.
var errBasis = errors.New("the index at hand is not of this catalogue")

// loading is a catalogue as a load reads it.
type loading struct {
	head   Head
	rows   []ItemRow
	kept   []bool // of rows: the vector, if there is one, is in the basis
	reused int    // how many are kept
	basis  *basis // nil: all rows brought their vectors
}

// read reads the catalogue; trusting says that a basis may be used. errBasis if it must not.
func (e *Engine) read(ctx context.Context, trusting bool) (l loading, err error) {
	after := func(head Head) int64 {
		if l.basis = nil; trusting && head.Space != nil {
			l.basis = e.basisFor(head)
		}
		if l.basis == nil {
			return 0
		}
		return l.basis.change
	}
	l.head, err = e.store.Load(ctx, e.config.PopularityHalfLife, after, func(row ItemRow) error {
		kept := l.basis != nil && row.Vector == nil && row.Seq <= l.basis.change
		if kept && !e.holds(l.basis, &row) {
			return fmt.Errorf("item %q: %w", row.Item.ItemID, errBasis)
		}
		if kept {
			l.reused++
		}
		l.rows, l.kept = append(l.rows, row), append(l.kept, kept)
		return nil
	})
	if err != nil && !errors.Is(err, errBasis) {
		err = fmt.Errorf("load the catalogue: %w", err)
	}
	return l, err
}

// holds reports whether a basis was made from the item as it is stored now.
func (e *Engine) holds(b *basis, row *ItemRow) bool {
	number, ok := e.numbers.find(row.Item.ItemID)
	if !ok {
		return false
	}
	had := b.of(number)
	return had == writingOf(row) || had.seq > b.carried
}

// basisFor returns what a load of a head may go on from, nil if there is nothing.
func (e *Engine) basisFor(head Head) *basis {
	live := e.state.Load()
	if live == nil {
		return e.savedBasis(head)
	}
	if live.spaceID != head.Space.ID || live.origin != e.originOf(head.Space) || live.catalogSeq > head.CatalogSeq {
		return nil
	}
	return &basis{index: live.index, change: live.catalogSeq, of: live.writing, carried: head.CatalogSeq}
}

// startFrom gives a fresh State the index to go on from; the caller holds mu.
func (l *loading) startFrom(fresh, live *State) {
	switch {
	case l.basis == nil:
	case live != nil: // of the same space, and later than the basis: a rebuild may have come in
		fresh.index = live.index
	default:
		fresh.index = l.basis.index
	}
}

// dropStrangers takes out of the index what is not registered: items that were deleted after
// the basis was made. It looks at numbers below used.
func (c *change) dropStrangers(used uint32) {
	for number := range used {
		if _, ok := c.next.index.Vector(number); ok && c.next.facts(number) == nil {
			c.vectors = append(c.vectors, ann.Change{Item: number})
		}
	}
}

// warnOf logs why an index at hand is of no use; that there is none is no fault.
func (e *Engine) warnOf(err error) {
	if !errors.Is(err, recsys.ErrNotFound) {
		e.log.Warn("the stored index is passed over, vectors are read from the database", "reason", err)
	}
}
