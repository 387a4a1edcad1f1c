package engine

import (
	"context"
	"time"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// RecordInteractions appends interactions. A result without Err is durable and counts in that
// actor's next Recommend; item counts and factors follow within a moment. Results are in the
// order of writes. An interaction without EventTime happens now.
func (e *Engine) RecordInteractions(ctx context.Context, writes []InteractionWrite) []InteractionResult {
	now := e.now().UTC()
	for i := range writes {
		if writes[i].Interaction.EventTime.IsZero() {
			writes[i].Interaction.EventTime = now
		}
	}
	results, err := e.store.PutInteractions(ctx, writes)
	if err != nil {
		results = make([]InteractionResult, len(writes))
		for i := range results {
			results[i].Err = err
		}
	}
	for i := range writes {
		// Also after an error: the outcome of a lost commit is unknown.
		e.noteHistory(writes[i].Interaction)
	}
	e.wakeSync()
	return results
}

// DeleteUser removes every interaction of an actor and returns how many. What aggregates hold
// of them, item counts and the factor model, goes with the next load and the next training.
func (e *Engine) DeleteUser(ctx context.Context, actor recsys.Actor, request recsys.RequestID) (int64, error) {
	n, err := e.store.DeleteUser(ctx, actor, request)
	e.history.drop(actor)
	return n, err
}

// MergeUsers gives a visitor's interactions to a user and returns how many.
func (e *Engine) MergeUsers(ctx context.Context, visitorID, userID string, request recsys.RequestID) (int64, error) {
	n, err := e.store.MergeUsers(ctx, visitorID, userID, request)
	e.history.drop(recsys.Visitor(visitorID))
	e.history.drop(recsys.User(userID))
	return n, err
}

// summarize is what interactions, newest first, amount to now.
func (e *Engine) summarize(newestFirst []recsys.Interaction) []preference {
	events := e.config.Recipe.Events
	return events.summarize(newestFirst, events.cutoff(e.now()), e.numbers.number)
}

func (e *Engine) noteHistory(in recsys.Interaction) {
	for _, p := range e.config.Recipe.Events.summarize([]recsys.Interaction{in}, time.Time{}, e.numbers.number) {
		e.history.note(in.Actor, p)
	}
}

// preferences returns what an actor's history amounts to, newest first: from memory, else from
// the store. Beside an error comes what memory still knows.
func (e *Engine) preferences(ctx context.Context, actor recsys.Actor) ([]preference, error) {
	if actor.IsZero() {
		return nil, nil
	}
	known, read := e.history.get(actor)
	if read == nil {
		return known, nil
	}
	events, err := e.store.History(ctx, actor, e.config.HistoryLimit)
	if err != nil {
		e.history.abandon(read)
		return known, err
	}
	prefs := e.summarize(events)
	e.history.put(read, prefs)
	return prefs, nil
}
