package engine

import (
	"time"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// InteractionQuery asks for a page of stored interactions, newest first by event time, then by
// ID. Actor zero means everybody's, ItemID empty any item's; not both.
type InteractionQuery struct {
	Actor  recsys.Actor
	ItemID string
	After  InteractionCursor // zero: from the newest on
	Limit  int
}

// InteractionCursor is the place of an interaction in that order; a page starts behind it.
type InteractionCursor struct {
	EventTime time.Time
	ID        int64
}

// IsZero reports whether the cursor names no place: the first page.
func (c InteractionCursor) IsZero() bool { return c.ID == 0 }

// ListedInteraction is a stored interaction with the number the store gave it, which is positive
// and breaks ties of event time.
type ListedInteraction struct {
	recsys.Interaction
	ID int64
}
