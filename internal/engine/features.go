package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/space"
)

// Features is the feature store: what models read of items and users, by version and as of a
// time. Every feature is a function of four things: what was stored at the time, an embedding
// space, a factor model, and nothing else, so that the same question has the same answer online,
// in an export and next year. All methods are safe for concurrent use.
//
// A vector is what the space makes of the item, the same that the index holds. An item's factor is
// the one it was trained to, or if the model has not seen it, the one its content promises;
// what Recommend adds between two trainings, the fold-ins of items, is no feature, because it
// belongs to no version. A user's factor is folded in from their history over these.
type Features struct {
	engine *Engine
	store  FeatureStore

	mu    sync.Mutex // guards what was decoded last
	space pinned[recsys.SpaceID, *space.Space]
	model pinned[recsys.ModelID, *factorModel]
}

// pinned is a version that was decoded because somebody asked for it, with what its record says.
type pinned[ID comparable, T any] struct {
	id         ID
	value      T
	encoder    string
	createTime time.Time
}

// NewFeatures returns the feature store over what an engine serves and what its store keeps.
func NewFeatures(e *Engine, store FeatureStore) *Features { return &Features{engine: e, store: store} }

// FeatureQuery chooses versions and a time. AsOf zero: as it is now. Space and Model 0: those that
// were live then; others must have been there then, or they would know of what came later.
type FeatureQuery struct {
	AsOf  time.Time
	Space recsys.SpaceID
	Model recsys.ModelID
}

// FeatureVersions tells what features were made with.
type FeatureVersions struct {
	AsOf      time.Time // zero: now
	Space     recsys.SpaceID
	Encoder   string         // name@version of the raw outputs
	Model     recsys.ModelID // 0: none was live
	ModelGone bool           // Model was live but is not stored any more: there are no factors
}

// versions are FeatureVersions with what they name.
type versions struct {
	FeatureVersions
	space *space.Space
	model *factorModel // nil: no factors
}

// asOf is the time to ask the store for.
func (v *versions) asOf() time.Time {
	if v.AsOf.IsZero() {
		return Latest
	}
	return v.AsOf
}

// ahead is how far AsOf may lie before the clock of this process.
const ahead = 5 * time.Minute

// versions finds what a query asks for. Errors: recsys.ErrNotFound if a version is not stored,
// recsys.ErrInvalid if it is younger than AsOf or AsOf lies in the future, recsys.ErrIncompatible
// if no space is known to have been live; all as *recsys.FieldError.
func (f *Features) versions(ctx context.Context, q FeatureQuery) (*versions, error) {
	if q.AsOf.After(f.engine.now().Add(ahead)) {
		return nil, recsys.Invalid("as_of_time", "lies in the future: what will be stored then is not known")
	}
	live := f.engine.state.Load()
	v := &versions{FeatureVersions: FeatureVersions{AsOf: q.AsOf, Space: q.Space, Model: q.Model}}
	liveSpace, liveModel := live.spaceID, live.modelID
	if !q.AsOf.IsZero() && (q.Space == 0 || q.Model == 0) {
		var err error
		if liveSpace, liveModel, err = f.store.LiveAt(ctx, q.AsOf); err != nil {
			return nil, err
		}
	}
	if v.Space == 0 {
		v.Space = liveSpace
	}
	if v.Model == 0 {
		v.Model = liveModel
	}
	if err := f.findSpace(ctx, v, live, q.Space != 0); err != nil {
		return nil, err
	}
	return v, f.findModel(ctx, v, live, q.Model != 0)
}

func (f *Features) findSpace(ctx context.Context, v *versions, live *State, asked bool) error {
	const field = "embedding_space"
	switch {
	case v.Space == 0:
		return &recsys.FieldError{Field: "as_of_time", Err: recsys.ErrIncompatible,
			Reason: "lies before the first embedding space that is known to have been live; name one as embedding_space or a later time"}
	case v.Space == live.spaceID && v.AsOf.IsZero():
		v.space, v.Encoder = live.space, live.encoder.Name()
		return nil
	}
	p, err := f.pinSpace(ctx, v.Space)
	if errors.Is(err, recsys.ErrNotFound) && !asked {
		return &recsys.FieldError{Field: "as_of_time", Err: recsys.ErrIncompatible,
			Reason: v.Space.String() + ", which was live then, is not stored any more; name another one as embedding_space"}
	}
	if err != nil {
		return unknownVersion(err, field, v.Space)
	}
	v.space, v.Encoder = p.value, p.encoder
	return youngerThan(v.AsOf, p.createTime, field, v.Space)
}

func (f *Features) findModel(ctx context.Context, v *versions, live *State, asked bool) error {
	const field = "factor_model"
	switch {
	case v.Model == 0:
		return nil
	case v.Model == live.modelID && v.AsOf.IsZero():
		v.model = live.model
		return nil
	}
	p, err := f.pinModel(ctx, v.Model)
	if errors.Is(err, recsys.ErrNotFound) && !asked {
		v.ModelGone = true
		return nil
	}
	if err != nil {
		return unknownVersion(err, field, v.Model)
	}
	model := *p.value
	model.blind = model.encoder != "" && model.encoder != v.Encoder // raw outputs are those that the space reads
	v.model = &model
	return youngerThan(v.AsOf, p.createTime, field, v.Model)
}

func unknownVersion(err error, field string, id fmt.Stringer) error {
	if !errors.Is(err, recsys.ErrNotFound) {
		return err
	}
	return &recsys.FieldError{Field: field, Reason: id.String() + " is not stored", Err: recsys.ErrNotFound}
}

// youngerThan refuses a version that was made after the time features are asked for.
func youngerThan(asOf, createTime time.Time, field string, id fmt.Stringer) error {
	if asOf.IsZero() || !createTime.After(asOf) {
		return nil
	}
	return recsys.Invalid(field, "%v was made at %s, after the time asked for", id, createTime.Format(time.RFC3339Nano))
}

func (f *Features) pinSpace(ctx context.Context, id recsys.SpaceID) (pinned[recsys.SpaceID, *space.Space], error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.space.id == id {
		return f.space, nil
	}
	record, err := f.store.Space(ctx, id)
	if err != nil {
		return f.space, err
	}
	recipe, err := decodeRecipe(record.Recipe)
	if err != nil {
		return f.space, fmt.Errorf("read %v: %w", id, err)
	}
	f.space = pinned[recsys.SpaceID, *space.Space]{id, recipe.space, record.Encoder, record.CreateTime}
	return f.space, nil
}

func (f *Features) pinModel(ctx context.Context, id recsys.ModelID) (pinned[recsys.ModelID, *factorModel], error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.model.id == id {
		return f.model, nil
	}
	record, err := f.store.Model(ctx, id)
	if err != nil {
		return f.model, err
	}
	model, err := decodeModel(record.Model)
	if err != nil {
		return f.model, fmt.Errorf("read %v: %w", id, err)
	}
	f.model = pinned[recsys.ModelID, *factorModel]{id: id, value: model, createTime: record.CreateTime}
	return f.model, nil
}
