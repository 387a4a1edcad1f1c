package engine

import (
	"context"
	"time"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// Latest is the time as of which everything that is stored counts.
var Latest = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)

// FeatureStore reads what was stored at a time: values that were written later are not seen, and
// those that were replaced or deleted later are. It answers as Store does.
type FeatureStore interface {
	// LiveAt returns the embedding space and the factor model that were live at a time, 0 where
	// none is known.
	LiveAt(ctx context.Context, asOf time.Time) (recsys.SpaceID, recsys.ModelID, error)
	// Space returns an embedding space; ErrNotFound if there is none (any more).
	Space(ctx context.Context, id recsys.SpaceID) (recsys.SpaceRecord, error)
	// Model returns a factor model; ErrNotFound if there is none (any more).
	Model(ctx context.Context, id recsys.ModelID) (*recsys.ModelRecord, error)
	// ItemsAt returns items as they were, ascending by id.
	ItemsAt(ctx context.Context, q ItemsAtQuery) ([]FeatureRow, error)
	// TextOutputs is that of Store.
	TextOutputs(ctx context.Context, encoder string, itemIDs []string, each func(TextOutput) error) error
	// UnknownAt counts the items that were registered at a time but are known only as they
	// became later, because they were changed before the store kept a history.
	UnknownAt(ctx context.Context, asOf time.Time) (int64, error)
	// ActorsAt lists at most limit actors with interactions at a time, users before visitors,
	// ascending by id, that come after the given one; the zero Actor comes before all.
	ActorsAt(ctx context.Context, asOf time.Time, after recsys.Actor, limit int) ([]recsys.Actor, error)
	// HistoriesAt returns all interactions of the actors that were stored, and had happened, at
	// a time, oldest first.
	HistoriesAt(ctx context.Context, asOf time.Time, actors []recsys.Actor) ([]recsys.Interaction, error)
}

// ItemsAtQuery asks for items as of a time: those of ItemIDs, or if it is nil at most Limit that
// come after the id After. Encoder names the raw outputs to read; empty: none.
type ItemsAtQuery struct {
	AsOf    time.Time
	Encoder string
	ItemIDs []string
	After   string
	Limit   int
}

// FeatureRow is an item as it was. Of the item only what features are made of is set: ids, texts,
// attributes, digest and CreateTime.
type FeatureRow struct {
	Item      recsys.Item
	ValueTime time.Time // from when it was so
	Raw       []float32 // nil: no picture, or no output of that encoder
}
