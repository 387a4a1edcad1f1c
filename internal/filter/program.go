package filter

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// Program is a compiled expression. It is safe for concurrent use.
//
// It remembers the answers for a few versions of an Index; a later version is answered by
// looking again at the items that changed since.
type Program struct {
	expression string
	schema     *Schema
	root       node
	turn       chan struct{} // taken by who evaluates, so that no two do the same work
	answers    atomic.Pointer[answers]
}

func newProgram(expression string, s *Schema, root node) *Program {
	return &Program{expression: expression, schema: s, root: root, turn: make(chan struct{}, 1)}
}

// String returns the expression.
func (p *Program) String() string { return p.expression }

// Bitmap returns the numbers of the items for which the expression is true. It is shared and
// must not be changed.
//
// Where bitmaps and columns do not answer the expression, the first call evaluates it item by
// item; callers that need the same answer meanwhile wait for it, each for as long as its
// context allows.
//
// Errors: the context's; recsys.ErrIncompatible if the Index has another Schema than the
// program was compiled with.
func (p *Program) Bitmap(ctx context.Context, ix *Index) (*Bitmap, error) {
	if p.schema != ix.schema {
		return nil, fmt.Errorf("the filter was compiled for another schema: %w", recsys.ErrIncompatible)
	}
	if found := p.answers.Load().of(ix); found != nil {
		return found, nil
	}
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	known := p.answers.Load()
	if found := known.of(ix); found != nil {
		return found, nil
	}
	found, err := p.evaluate(ctx, ix, known.base(ix))
	if err != nil {
		return nil, err
	}
	p.answers.Store(known.with(answer{ix.history, ix.version, found}))
	return found, nil
}

// evaluate answers for ix, from an earlier answer if that is less work.
func (p *Program) evaluate(ctx context.Context, ix *Index, base *answer) (*Bitmap, error) {
	q := &query{ctx: ctx, ix: ix}
	if base == nil || p.root.rank() <= rankLabel {
		return p.root.match(q, nil)
	}
	changed, present := ix.changedSince(base.version)
	if changed.GetCardinality() > uint64(ix.items/4) {
		return p.root.match(q, nil)
	}
	again, err := p.root.match(q, present)
	if err != nil {
		return nil, err
	}
	found := roaring.AndNot(base.found, changed)
	found.Or(again)
	return found, nil
}

// changedSince returns the items that were changed or removed after a version, and those of
// them that are there.
func (ix *Index) changedSince(version uint64) (changed, present *Bitmap) {
	changed, present = roaring.New(), roaring.New()
	for at, c := range ix.chunks {
		if c.version <= version {
			continue
		}
		for i, stamp := range c.stamps {
			if stamp <= version {
				continue
			}
			changed.Add(uint32(at*chunkSize + i))
			if c.registered.has(i) {
				present.Add(uint32(at*chunkSize + i))
			}
		}
	}
	return changed, present
}

// answer is what a program found in one version.
type answer struct {
	history *history
	version uint64
	found   *Bitmap
}

// answers are those a program keeps: the newest, and two older ones about spacing versions
// apart, from which requests that still hold an older version are answered.
type answers struct {
	history *history
	kept    [3]answer // descending by version; found is nil where there is none
}

const spacing = 128

// of returns the answer for ix, nil if it is not known.
func (a *answers) of(ix *Index) *Bitmap {
	if a == nil || a.history != ix.history {
		return nil
	}
	for i := range a.kept {
		if a.kept[i].found != nil && a.kept[i].version == ix.version {
			return a.kept[i].found
		}
	}
	return nil
}

// base returns the newest answer for a version before ix, nil if there is none.
func (a *answers) base(ix *Index) *answer {
	if a == nil || a.history != ix.history {
		return nil
	}
	for i := range a.kept {
		if a.kept[i].found != nil && a.kept[i].version < ix.version {
			return &a.kept[i]
		}
	}
	return nil
}

// with returns what to keep once there is a new answer. One that is older than the newest is
// not kept: its version is on its way out.
func (a *answers) with(fresh answer) *answers {
	if a == nil || a.history != fresh.history {
		return &answers{history: fresh.history, kept: [3]answer{fresh}}
	}
	next := *a
	if newest := a.kept[0]; fresh.version > newest.version {
		next.kept[0] = fresh
		if a.kept[1].found == nil || newest.version >= a.kept[1].version+spacing {
			next.kept[1], next.kept[2] = newest, a.kept[1]
		}
	}
	return &next
}
