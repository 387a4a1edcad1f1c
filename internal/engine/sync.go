package engine

import (
	"context"
	"fmt"
)

// Sync applies what the change log holds beyond State: writes of other processes, interaction
// counts of all, and what a crash between commit and apply left out. It loads everything anew
// when another space or model went live. Calls queue up; each finds less to do.
func (e *Engine) Sync(ctx context.Context) error {
	e.syncing.Lock()
	defer e.syncing.Unlock()
	s := e.state.Load()
	changes, err := e.store.Changes(ctx, s.spaceID, s.modelID, s.catalogSeq, s.interactionSeq)
	if err != nil {
		return fmt.Errorf("read the change log: %w", err)
	}
	if changes.Reload {
		return e.load(ctx)
	}
	if changes.CatalogSeq == s.catalogSeq && changes.InteractionSeq == s.interactionSeq {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.state.Store(e.age(e.state.Load()))
		return nil
	}
	if err := e.syncItems(ctx, s, changes); err != nil {
		return err
	}
	e.syncInteractions(s, changes)
	e.mu.Lock()
	defer e.mu.Unlock()
	next := *e.age(e.state.Load())
	next.catalogSeq, next.interactionSeq = changes.CatalogSeq, changes.InteractionSeq
	e.state.Store(&next)
	return nil
}

func (e *Engine) syncItems(ctx context.Context, s *State, changes Changes) error {
	var news []ItemRow
	for _, row := range changes.Items {
		if number, ok := e.numbers.find(row.Item.ItemID); !ok || e.state.Load().seqOf(number) < row.Seq {
			news = append(news, row)
		}
	}
	arrivals, err := e.arrivals(ctx, news, s)
	if err != nil {
		return err
	}
	if len(arrivals) > 0 {
		// None can be late: the live space changes in Sync and Load alone, one at a time.
		if _, err := e.apply(arrivals); err != nil {
			return err
		}
	}
	if len(changes.DeletedItemIDs) > 0 {
		return e.withdraw(changes.DeletedItemIDs, changes.CatalogSeq)
	}
	return nil
}

func (e *Engine) syncInteractions(s *State, changes Changes) {
	for _, in := range changes.Interactions {
		e.noteHistory(in)
		e.numbers.add(e.numbers.number(in.ItemID), in.EventTime, e.positive(in.Type, in.Value))
		if s.model != nil {
			e.touched.add(in.ItemID)
		}
	}
	for _, actor := range changes.Actors {
		e.history.drop(actor)
	}
}
