package trial

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// PutInteractions appends interactions.
func (s *Store) PutInteractions(_ context.Context, writes []engine.InteractionWrite) ([]engine.InteractionResult, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.interactionSeq++
	out := make([]engine.InteractionResult, len(writes))
	for i, w := range writes {
		s.interactions = append(s.interactions, w.Interaction)
		out[i] = engine.InteractionResult{Interaction: w.Interaction, Seq: s.interactionSeq}
	}
	return out, nil
}

// History returns an actor's interactions, newest first; of equal times the later stored first.
func (s *Store) History(_ context.Context, actor recsys.Actor, limit int) ([]recsys.Interaction, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []recsys.Interaction
	for _, in := range s.interactions {
		if in.Actor == actor {
			out = append(out, in)
		}
	}
	slices.Reverse(out)
	slices.SortStableFunc(out, func(a, b recsys.Interaction) int { return b.EventTime.Compare(a.EventTime) })
	return out[:min(limit, len(out))], nil
}

// Interactions hands out interactions, oldest first.
func (s *Store) Interactions(ctx context.Context, of engine.InteractionFilter, each func(recsys.Interaction) error) (int64, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	items, actors := setOf(of.ItemIDs), setOf(of.Actors)
	ordered, byTime := s.interactions, func(a, b recsys.Interaction) int { return a.EventTime.Compare(b.EventTime) }
	if !slices.IsSortedFunc(ordered, byTime) {
		ordered = slices.Clone(ordered)
		slices.SortStableFunc(ordered, byTime)
	}
	for _, in := range ordered {
		if items != nil && !items[in.ItemID] || actors != nil && !actors[in.Actor] {
			continue
		}
		if err := each(in); err != nil {
			return 0, err
		}
	}
	return s.interactionSeq, ctx.Err()
}

func setOf[T comparable](list []T) map[T]bool {
	if list == nil {
		return nil
	}
	out := make(map[T]bool, len(list))
	for _, v := range list {
		out[v] = true
	}
	return out
}

// ItemIDsSince names the items of all interactions if there were any after seq.
func (s *Store) ItemIDsSince(_ context.Context, seq int64) ([]string, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if seq >= s.interactionSeq {
		return nil, nil
	}
	seen := make(map[string]bool)
	var out []string
	for _, in := range s.interactions {
		if !seen[in.ItemID] {
			seen[in.ItemID] = true
			out = append(out, in.ItemID)
		}
	}
	return out, nil
}

// DeleteUser removes an actor's interactions.
func (s *Store) DeleteUser(_ context.Context, actor recsys.Actor, _ recsys.RequestID) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := len(s.interactions)
	s.interactions = slices.DeleteFunc(s.interactions, func(in recsys.Interaction) bool { return in.Actor == actor })
	s.interactionSeq++
	return int64(before - len(s.interactions)), nil
}

// MergeUsers renames a visitor.
func (s *Store) MergeUsers(_ context.Context, visitorID, userID string, _ recsys.RequestID) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := int64(0)
	for i := range s.interactions {
		if s.interactions[i].Actor == recsys.Visitor(visitorID) {
			s.interactions[i].Actor = recsys.User(userID)
			n++
		}
	}
	s.interactionSeq++
	return n, nil
}

// CreateSpace stores a recipe.
func (s *Store) CreateSpace(_ context.Context, record recsys.SpaceRecord) (recsys.SpaceID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	record.ID = recsys.SpaceID(len(s.spaces) + 1)
	s.spaces = append(s.spaces, record)
	return record.ID, nil
}

// PutVectors stores vectors of a space.
func (s *Store) PutVectors(_ context.Context, space recsys.SpaceID, itemIDs []string, vectors [][]float32) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.putVectors(space, itemIDs, vectors)
	return nil
}

func (s *Store) putVectors(space recsys.SpaceID, itemIDs []string, vectors [][]float32) {
	for i, id := range itemIDs {
		if it, ok := s.items[id]; ok && vectors[i] != nil {
			it.vectors[space] = vectors[i]
		}
	}
}

// ActivateSpace makes a space the live one.
func (s *Store) ActivateSpace(_ context.Context, space recsys.SpaceID, seen int64, fill func(rows []engine.ItemRow) ([][]float32, error)) error {
	s.mu.Lock()
	var changed []engine.ItemRow
	for _, it := range s.items {
		if it.seq > seen {
			changed = append(changed, engine.ItemRow{Item: it.item, Seq: it.seq})
		}
	}
	s.mu.Unlock() // fill reads from the store
	vectors, err := fill(changed)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := make([]string, len(changed))
	for i, row := range changed {
		ids[i] = row.Item.ItemID
	}
	s.putVectors(space, ids, vectors)
	s.space = space
	s.catalogSeq++
	return nil
}

// Space returns a stored space.
func (s *Store) Space(_ context.Context, id recsys.SpaceID) (recsys.SpaceRecord, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if id < 1 || int(id) > len(s.spaces) {
		return recsys.SpaceRecord{}, fmt.Errorf("%v: %w", id, recsys.ErrNotFound)
	}
	return s.spaces[id-1], nil
}

// Spaces lists all spaces, newest first.
func (s *Store) Spaces(context.Context) ([]recsys.SpaceInfo, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []recsys.SpaceInfo
	for _, r := range slices.Backward(s.spaces) {
		out = append(out, recsys.SpaceInfo{ID: r.ID, Encoder: r.Encoder, Dims: r.Dims, Lineage: r.Lineage, CreateTime: r.CreateTime, Live: r.ID == s.space})
	}
	return out, nil
}

// PruneSpaces deletes nothing: a trial is short.
func (s *Store) PruneSpaces(context.Context, int) (int64, error) { return 0, nil }

// Images hands out nothing: no pictures are kept.
func (s *Store) Images(context.Context, []string, func(string, []byte) error) error { return nil }

// EncodeImages finds nothing to encode: no pictures are kept.
func (s *Store) EncodeImages(context.Context, string, []byte, int, func([]engine.Image) ([][]float32, error)) ([]byte, error) {
	return nil, nil
}

// CountImages counts none: no pictures are kept.
func (s *Store) CountImages(context.Context, string) (lacking, all int, err error) { return 0, 0, nil }

// CreateModel stores a model.
func (s *Store) CreateModel(_ context.Context, record recsys.ModelRecord) (recsys.ModelID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	record.ID = recsys.ModelID(len(s.models) + 1)
	s.models = append(s.models, record)
	return record.ID, nil
}

// ActivateModel makes a model the live one.
func (s *Store) ActivateModel(_ context.Context, model recsys.ModelID, _ bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if model < 1 || int(model) > len(s.models) {
		return fmt.Errorf("%v: %w", model, recsys.ErrNotFound)
	}
	s.model = model
	s.catalogSeq++
	s.activated[model] = time.Unix(s.catalogSeq, 0) // a later one went live later, that is all it says
	return nil
}

// Models lists the models, newest first.
func (s *Store) Models(context.Context) ([]recsys.ModelInfo, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []recsys.ModelInfo
	for _, m := range slices.Backward(s.models) {
		out = append(out, recsys.ModelInfo{ID: m.ID, Parameters: m.Parameters, CatalogSeq: m.CatalogSeq, InteractionSeq: m.InteractionSeq,
			Bytes: int64(len(m.Model)), ActivateTime: s.activated[m.ID], Live: m.ID == s.model})
	}
	return out, nil
}

// PruneModels keeps all: a trial trains few.
func (s *Store) PruneModels(context.Context, int) (int64, error) { return 0, nil }

// Lock takes a name without waiting.
func (s *Store) Lock(_ context.Context, name string) (release func(), ok bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.locked[name] {
		return nil, false, nil
	}
	s.locked[name] = true
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.locked, name)
	}, true, nil
}

// Changes asks for a load wherever something has changed.
func (s *Store) Changes(_ context.Context, space recsys.SpaceID, model recsys.ModelID, catalogSeq, interactionSeq int64) (engine.Changes, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	same := space == s.space && model == s.model && catalogSeq == s.catalogSeq && interactionSeq == s.interactionSeq
	return engine.Changes{CatalogSeq: s.catalogSeq, InteractionSeq: s.interactionSeq, Reload: !same}, nil
}

// Heads returns the change numbers.
func (s *Store) Heads(context.Context) (catalogSeq, interactionSeq int64, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.catalogSeq, s.interactionSeq, nil
}

// Wait waits.
func (s *Store) Wait(ctx context.Context, timeout time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(timeout):
		return nil
	}
}
