package export

import (
	"context"
	"time"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// UserRow is one row of a file of users and visitors, of whom one of the two ids is null.
type UserRow struct {
	UserID         *string    `parquet:"user_id,optional"`
	VisitorID      *string    `parquet:"visitor_id,optional"`
	AsOfTime       time.Time  `parquet:"as_of_time,timestamp(microsecond)"`
	LastTime       *time.Time `parquet:"last_time,optional,timestamp(microsecond)"` // of the newest interaction
	ViewCount      int64      `parquet:"view_count"`
	LikeCount      int64      `parquet:"like_count"`
	AddToCartCount int64      `parquet:"add_to_cart_count"`
	PurchaseCount  int64      `parquet:"purchase_count"`
	RatingCount    int64      `parquet:"rating_count"`
	DislikeCount   int64      `parquet:"dislike_count"`
	HideCount      int64      `parquet:"hide_count"`
	FactorModel    string     `parquet:"factor_model,dict"`    // empty: none was live
	Factor         []float32  `parquet:"factor,optional,list"` // null without a model or usable history
}

// Users writes the features of everybody with interactions to a file, users before visitors,
// ascending by id. q.AsOf must be set; progress is told the rows written so far.
func Users(ctx context.Context, from Features, q engine.FeatureQuery, name string, progress func(rows int64)) (Summary, error) {
	return create(name, func(add func(UserRow) error) (done Summary, err error) {
		done.Versions, err = from.Users(ctx, q, nil, func(v engine.FeatureVersions, user engine.UserFeatures) error {
			row := UserRow{AsOfTime: v.AsOf, LastTime: optional(user.LastTime), FactorModel: v.Model.String(), Factor: user.Factor,
				ViewCount: user.Counts[recsys.View], LikeCount: user.Counts[recsys.Like], AddToCartCount: user.Counts[recsys.AddToCart],
				PurchaseCount: user.Counts[recsys.Purchase], RatingCount: user.Counts[recsys.Rating],
				DislikeCount: user.Counts[recsys.Dislike], HideCount: user.Counts[recsys.Hide]}
			if user.Actor.Visitor {
				row.VisitorID = &user.Actor.ID
			} else {
				row.UserID = &user.Actor.ID
			}
			done.Rows++
			progress(done.Rows)
			return add(row)
		})
		return done, err
	})
}
