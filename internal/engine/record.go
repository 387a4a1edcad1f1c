package engine

import (
	"context"

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
		e.history.forget(writes[i].Interaction.Actor)
	}
	e.wakeSync()
	return results
}

// DeleteUser removes every interaction of an actor and returns how many. What aggregates hold
// of them, item counts and the factor model, goes with the next load and the next training.
func (e *Engine) DeleteUser(ctx context.Context, actor recsys.Actor, request recsys.RequestID) (int64, error) {
	n, err := e.store.DeleteUser(ctx, actor, request)
	e.history.forget(actor)
	return n, err
}

// MergeUsers gives a visitor's interactions to a user and returns how many.
func (e *Engine) MergeUsers(ctx context.Context, visitorID, userID string, request recsys.RequestID) (int64, error) {
	n, err := e.store.MergeUsers(ctx, visitorID, userID, request)
	e.history.forget(recsys.Visitor(visitorID))
	e.history.forget(recsys.User(userID))
	return n, err
}

// preferences returns what an actor's history amounts to, newest first: from memory, else
// from the store.
func (e *Engine) preferences(ctx context.Context, actor recsys.Actor) ([]preference, error) {
	if actor.IsZero() {
		return nil, nil
	}
	prefs, token, ok := e.history.get(actor)
	if ok {
		return prefs, nil
	}
	events, err := e.store.History(ctx, actor, e.config.HistoryLimit)
	if err != nil {
		return nil, err
	}
	prefs = summarize(events, e.config.Weights, e.numbers.number)
	e.history.put(actor, prefs, token)
	return prefs, nil
}
