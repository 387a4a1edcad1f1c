package engine

import (
	"context"
	"fmt"

	"github.com/seed-473295a7/vitrine/internal/ann"
	"github.com/seed-473295a7/vitrine/internal/filter"
	"github.com/seed-473295a7/vitrine/internal/space"
)

// emptyFilter is the filter index of a catalogue without items. What the space embeds may be
// named although no item has it (any more).
func emptyFilter(s *space.Space) *filter.Index {
	var names []string
	for _, rule := range s.Schema().Attributes {
		names = append(names, rule.Name)
	}
	return filter.New(names...)
}

// filterChanges are the steps that bring loaded rows into a filter index.
func (e *Engine) filterChanges(rows []ItemRow) []filter.Change {
	changes := make([]filter.Change, len(rows))
	for i := range rows {
		changes[i] = filter.Change{Number: e.numbers.number(rows[i].Item.ItemID), Item: &rows[i].Item}
	}
	return changes
}

// matching returns the items that a filter allows in a State, hidden and expired ones too; nil
// for the empty filter, which allows all. Errors: those of filter.Compile; the context's.
func (e *Engine) matching(ctx context.Context, s *State, expression string) (*filter.Bitmap, error) {
	if expression == "" {
		return nil, nil
	}
	program, err := e.filters.Compile(expression, s.filter.Schema())
	if err != nil {
		return nil, err
	}
	found, err := program.Bitmap(ctx, s.filter)
	if err != nil {
		return nil, fmt.Errorf("apply the filter: %w", err)
	}
	return found, nil
}

// search is Index.Search among the items that a filter allows, nil for all.
func (s *State) search(query []float32, k int, matching *filter.Bitmap, allowed func(item uint32) bool) ([]ann.Hit, error) {
	if matching == nil {
		return s.index.Search(query, k, allowed)
	}
	return s.index.SearchSet(query, k, matching, allowed)
}

// outside returns the items that a filter does not allow, none for nil; the caller may add to
// them. One bit per item is read for every item of a scan, for which roaring's lookup is slow.
func (e *Engine) outside(s *State, matching *filter.Bitmap) bitset {
	set := e.newBitset(len(s.chunks) * chunkSize)
	if matching == nil {
		return set
	}
	matching.WriteDenseTo(set)
	for i := range set {
		set[i] = ^set[i]
	}
	return set
}
