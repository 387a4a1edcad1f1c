package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/seed-473295a7/vitrine/internal/als"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// UserFeatures is what models read of one user or visitor.
type UserFeatures struct {
	Actor    recsys.Actor
	Counts   map[recsys.InteractionType]int64 // interactions by type
	LastTime time.Time                        // of the newest; zero: there is none
	Factor   []float32                        // nil: no model, or nothing that says something about taste
}

// Users calls each for the actors in the order given, nil for all that have interactions, users
// before visitors, with what was stored and had happened at the time asked for. An actor of whom
// nothing is known has no counts. Errors: as Items.
func (f *Features) Users(ctx context.Context, q FeatureQuery, actors []recsys.Actor, each func(FeatureVersions, UserFeatures) error) (FeatureVersions, error) {
	v, err := f.versions(ctx, q)
	if err != nil {
		return FeatureVersions{}, err
	}
	run := &userRun{f: f, v: v, factors: make(map[string][]float32)}
	if actors != nil {
		return v.FeatureVersions, run.page(ctx, actors, each)
	}
	var after recsys.Actor
	for {
		actors, err := f.store.ActorsAt(ctx, v.asOf(), after, featurePage)
		if err != nil {
			return v.FeatureVersions, err
		}
		if err := run.page(ctx, actors, each); err != nil || len(actors) < featurePage {
			return v.FeatureVersions, err
		}
		after = actors[len(actors)-1]
	}
}

// userRun is one Users under way.
type userRun struct {
	f       *Features
	v       *versions
	factors map[string][]float32 // of the items met so far; nil: not registered then
}

func (r *userRun) page(ctx context.Context, actors []recsys.Actor, each func(FeatureVersions, UserFeatures) error) error {
	events, err := r.f.store.HistoriesAt(ctx, r.v.asOf(), actors)
	if err != nil {
		return err
	}
	histories := make(map[recsys.Actor][]recsys.Interaction, len(actors))
	for _, in := range events {
		histories[in.Actor] = append(histories[in.Actor], in)
	}
	if err := r.meet(ctx, events); err != nil {
		return err
	}
	for _, actor := range actors {
		user, err := r.user(actor, histories[actor])
		if err != nil {
			return err
		}
		if err := each(r.v.FeatureVersions, user); err != nil {
			return err
		}
	}
	return nil
}

// meet finds the factors of items that were not met before. The raw outputs, most of what there
// is to read, are read only for those that the model has not seen.
func (r *userRun) meet(ctx context.Context, events []recsys.Interaction) error {
	if r.v.model == nil {
		return nil
	}
	var trained, others []string
	for _, in := range events {
		if _, met := r.factors[in.ItemID]; met {
			continue
		}
		r.factors[in.ItemID] = nil
		if _, ok := r.v.model.trained(in.ItemID); ok {
			trained = append(trained, in.ItemID)
		} else {
			others = append(others, in.ItemID)
		}
	}
	if err := r.read(ctx, trained, ""); err != nil {
		return err
	}
	return r.read(ctx, others, r.v.Encoder)
}

func (r *userRun) read(ctx context.Context, itemIDs []string, encoder string) error {
	for len(itemIDs) > 0 {
		n := min(featurePage, len(itemIDs))
		rows, err := r.f.store.ItemsAt(ctx, ItemsAtQuery{AsOf: r.v.asOf(), Encoder: encoder, ItemIDs: itemIDs[:n]})
		if err != nil {
			return err
		}
		inputs, err := r.f.inputs(ctx, r.v, rows)
		if err != nil {
			return err
		}
		for i := range rows {
			itemID := rows[i].Item.ItemID
			r.factors[itemID], _ = r.v.model.itemFactor(itemID, inputs[i])
		}
		itemIDs = itemIDs[n:]
	}
	return nil
}

// user counts a history, oldest first, and folds it in.
func (r *userRun) user(actor recsys.Actor, history []recsys.Interaction) (UserFeatures, error) {
	out := UserFeatures{Actor: actor, Counts: make(map[recsys.InteractionType]int64)}
	for _, in := range history {
		out.Counts[in.Type]++
		out.LastTime = in.EventTime
	}
	if r.v.model == nil {
		return out, nil
	}
	newest := newestFirst(history)
	weighted := r.weighted(newest[:min(len(newest), r.f.engine.config.HistoryLimit)])
	if len(weighted) == 0 {
		return out, nil
	}
	var err error
	if out.Factor, err = r.v.model.als.FoldInUser(weighted); err != nil {
		return out, fmt.Errorf("fold in a user: %w", err)
	}
	return out, nil
}

// weighted is a history as the fold-in reads it, by the events recipe of the model.
func (r *userRun) weighted(newestFirst []recsys.Interaction) []als.Weighted {
	numbers, recipe := r.f.engine.numbers, r.v.model.recipe.Events
	now := r.v.AsOf
	if now.IsZero() {
		now = r.f.engine.now()
	}
	var out []als.Weighted
	for _, p := range recipe.summarize(newestFirst, recipe.cutoff(now), numbers.number) {
		if factor := r.factors[numbers.id(p.item)]; factor != nil && p.confidence > 0 {
			out = append(out, als.Weighted{Factor: factor, Confidence: float32(p.confidence), Target: float32(p.target),
				Decay: float32(recipe.decay(len(out)))})
		}
	}
	return out
}
