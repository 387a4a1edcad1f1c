package engine

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// ModelVersion is a stored factor model: what it was trained on and how it did.
type ModelVersion struct {
	recsys.ModelInfo
	Training Training
}

// Models lists the stored factor models, newest first.
func (e *Engine) Models(ctx context.Context) ([]ModelVersion, error) {
	infos, err := e.store.Models(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]ModelVersion, len(infos))
	for i, info := range infos {
		out[i].ModelInfo = info
		if err := json.Unmarshal(info.Parameters, &out[i].Training); err != nil {
			return nil, fmt.Errorf("parameters of %v: %w: %w", info.ID, recsys.ErrCorrupt, err)
		}
	}
	return out, nil
}

// LiveRecipe is how the live factor model was trained; false if there is none.
func (e *Engine) LiveRecipe() (Recipe, bool) {
	s := e.state.Load()
	if s.model == nil {
		return Recipe{}, false
	}
	return s.model.recipe, true
}

// ActivateModel makes a stored factor model the live one; requests go on meanwhile, each
// answered by one model. It ends the pause that a roll-back began. recsys.ErrNotFound if there is
// no such model.
func (e *Engine) ActivateModel(ctx context.Context, id recsys.ModelID) error {
	if err := e.store.ActivateModel(ctx, id, false); err != nil {
		return fmt.Errorf("activate %v: %w", id, err)
	}
	return e.Sync(ctx)
}

// RollBack makes the factor model that was live before the present one live again and pauses
// automatic training, which would bring the present one's like back, until somebody trains or
// activates a model. recsys.ErrNotFound if none was live before.
func (e *Engine) RollBack(ctx context.Context) (recsys.ModelID, error) {
	infos, err := e.store.Models(ctx)
	if err != nil {
		return 0, err
	}
	var before *recsys.ModelInfo
	for i, info := range infos {
		if !info.Live && !info.ActivateTime.IsZero() && (before == nil || info.ActivateTime.After(before.ActivateTime)) {
			before = &infos[i]
		}
	}
	if before == nil {
		return 0, fmt.Errorf("roll back: no other factor model was live before: %w", recsys.ErrNotFound)
	}
	if err := e.store.ActivateModel(ctx, before.ID, true); err != nil {
		return 0, fmt.Errorf("roll back to %v: %w", before.ID, err)
	}
	return before.ID, e.Sync(ctx)
}
