package trial

import (
	"context"
	"fmt"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// All returns the interactions in the order of arrival.
func (s *Store) All() []recsys.Interaction {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.interactions
}

// FromStore copies what trials need out of a shop's store.
func FromStore(ctx context.Context, from engine.Store, encoder engine.Encoder) (Catalog, []recsys.Interaction, error) {
	store, err := Copy(ctx, from, encoder.Name())
	if err != nil {
		return Catalog{}, nil, err
	}
	var log []recsys.Interaction
	_, err = from.Interactions(ctx, engine.InteractionFilter{}, func(in recsys.Interaction) error {
		log = append(log, in)
		return ctx.Err()
	})
	if err != nil {
		return Catalog{}, nil, fmt.Errorf("copy interactions: %w", err)
	}
	return Catalog{Store: store, EncoderName: encoder.Name(), EncoderDims: encoder.Dims()}, log, nil
}
