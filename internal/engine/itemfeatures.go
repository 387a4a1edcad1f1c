package engine

import (
	"context"
	"fmt"
	"slices"
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
		inputs, err := f.inputs(ctx, v, rows)
		if err != nil {
			return v.FeatureVersions, err
		}
		for i := range rows {
			if err := each(v.FeatureVersions, v.item(&rows[i], inputs[i])); err != nil {
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

// inputs are what space and model read of items. A text counts if its output is stored, which it is of the
// newest text of each item alone.
func (f *Features) inputs(ctx context.Context, v *versions, rows []FeatureRow) ([]space.Input, error) {
	inputs := make([]space.Input, len(rows))
	at := make(map[string]int, len(rows))
	ids := make([]string, len(rows))
	for i := range rows {
		it := &rows[i].Item
		inputs[i] = space.Input{Image: rows[i].Raw, Attributes: it.Attributes}
		at[it.ItemID], ids[i] = i, it.ItemID
	}
	encoder := v.textEncoder()
	if encoder == "" || len(rows) == 0 {
		return inputs, nil
	}
	err := f.store.TextOutputs(ctx, encoder, ids, func(t TextOutput) error {
		if i := at[t.ItemID]; t.Of(&rows[i].Item) {
			inputs[i].Text, inputs[i].TextEncoder = slices.Clone(t.Raw), encoder
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read text encoder outputs: %w", err)
	}
	return inputs, nil
}

// textEncoder names the encoder of texts that the versions read; "" if they read none.
func (v *versions) textEncoder() string {
	if v.space != nil && v.space.TextEncoder() != "" {
		return v.space.TextEncoder()
	}
	if v.model != nil && v.model.content != nil {
		return v.model.content.TextEncoder()
	}
	return ""
}

func (v *versions) item(row *FeatureRow, in space.Input) ItemFeatures {
	it := &row.Item
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
