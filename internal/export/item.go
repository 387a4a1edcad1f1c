package export

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// ItemRow is one row of a file of items. Lists are null where there is nothing.
type ItemRow struct {
	ItemID         string    `parquet:"item_id"`
	Title          string    `parquet:"title"`
	AsOfTime       time.Time `parquet:"as_of_time,timestamp(microsecond)"`
	ValueTime      time.Time `parquet:"value_time,timestamp(microsecond)"` // from when the item was so
	CreateTime     time.Time `parquet:"create_time,timestamp(microsecond)"`
	EmbeddingSpace string    `parquet:"embedding_space,dict"`
	Encoder        string    `parquet:"encoder,dict"`
	FactorModel    string    `parquet:"factor_model,dict"` // empty: none was live
	Attributes     string    `parquet:"attributes,json"`   // {"artist": ["Monet"], "price": 450, "note": "…"}
	RawOutput      []float32 `parquet:"raw_output,optional,list"`
	Vector         []float32 `parquet:"vector,optional,list"`
	Factor         []float32 `parquet:"factor,optional,list"`
	FactorTrained  bool      `parquet:"factor_trained"`
}

// Items writes the features of all items to a file, ascending by item_id. q.AsOf must be set;
// progress is told the rows written so far.
func Items(ctx context.Context, from Features, q engine.FeatureQuery, name string, progress func(rows int64)) (Summary, error) {
	return create(name, func(add func(ItemRow) error) (done Summary, err error) {
		if done.Unknown, err = from.Unknown(ctx, q.AsOf); err != nil {
			return done, err
		}
		done.Versions, err = from.Items(ctx, q, nil, func(v engine.FeatureVersions, item engine.ItemFeatures) error {
			attributes, err := plainJSON(item.Attributes)
			if err != nil {
				return fmt.Errorf("item %q: %w", item.ItemID, err)
			}
			done.Rows++
			progress(done.Rows)
			return add(ItemRow{ItemID: item.ItemID, Title: item.Title, AsOfTime: v.AsOf, ValueTime: item.ValueTime, CreateTime: item.CreateTime,
				EmbeddingSpace: v.Space.String(), Encoder: v.Encoder, FactorModel: v.Model.String(), Attributes: attributes,
				RawOutput: item.Raw, Vector: item.Vector, Factor: item.Factor, FactorTrained: item.Trained})
		})
		return done, err
	})
}

// plainJSON writes attributes as whoever reads them expects: labels as a list, a number as a
// number and a text as a string.
func plainJSON(attributes map[string]recsys.Attribute) (string, error) {
	plain := make(map[string]any, len(attributes))
	for name, a := range attributes {
		switch a.Kind {
		case recsys.KindNumber:
			plain[name] = a.Number
		case recsys.KindText:
			plain[name] = a.Text
		default:
			plain[name] = a.Labels
		}
	}
	b, err := json.Marshal(plain)
	return string(b), err
}
