package engine

import (
	"context"
	"time"

	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/space"
)

// featurePage is how many items, or users, an export reads at once: items with raw outputs are
// some 7 KB each.
const featurePage = 500

// ItemFeatures is what models read of one item. Its slices must not be written to.
type ItemFeatures struct {
	ItemID, Title string
	Attributes    map[string]recsys.Attribute
	CreateTime    time.Time
	ValueTime     time.Time // from when title, attributes and picture are as they are
	Raw           []float32 // the encoder's output for the picture; nil: none
	Vector        []float32 // unit length; nil: the item has nothing that the space embeds
	Factor        []float32 // nil: no model
	Trained       bool      // Factor was trained rather than promised by the content
}

// Items calls each for the items, nil for all, ascending by id, as they were at the time asked
// for, with the versions they were made with. Items that were not registered then are passed
// over. Errors: those of FeatureQuery, of the store, and of each, which end the reading.
func (f *Features) Items(ctx context.Context, q FeatureQuery, itemIDs []string, each func(FeatureVersions, ItemFeatures) error) (FeatureVersions, error) {
	v, err := f.versions(ctx, q)
	if err != nil {
		return FeatureVersions{}, err
	}
	page := ItemsAtQuery{AsOf: v.asOf(), Encoder: v.Encoder, ItemIDs: itemIDs, Limit: featurePage}
	for {
		rows, err := f.store.ItemsAt(ctx, page)
		if err != nil {
			return v.FeatureVersions, err
		}
		for i := range rows {
			if err := each(v.FeatureVersions, v.item(&rows[i])); err != nil {
				return v.FeatureVersions, err
			}
		}
		if itemIDs != nil || len(rows) < featurePage {
			return v.FeatureVersions, nil
		}
		page.After = rows[len(rows)-1].Item.ItemID
	}
}

// Unknown counts the items that Items passes over as of a time although they were registered:
// they were changed before a history was kept, and only what they became is known.
func (f *Features) Unknown(ctx context.Context, asOf time.Time) (int64, error) {
	return f.store.UnknownAt(ctx, asOf)
}

func (v *versions) item(row *FeatureRow) ItemFeatures {
	it := &row.Item
	in := space.Input{Image: row.Raw, Attributes: it.Attributes}
	out := ItemFeatures{ItemID: it.ItemID, Title: it.Title, Attributes: it.Attributes, CreateTime: it.CreateTime, ValueTime: row.ValueTime,
		Raw: row.Raw, Vector: v.space.Embed(in)}
	if v.model != nil {
		out.Factor, out.Trained = v.model.itemFactor(it.ItemID, in)
	}
	return out
}

// itemFactor is an item's factor in the model: trained, else promised by its content. Read only.
func (f *factorModel) itemFactor(itemID string, in space.Input) (factor []float32, trained bool) {
	if row, ok := f.trained(itemID); ok {
		return f.als.ItemFactor(int(row)), true
	}
	return f.prior(in), false
}
