package export

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/parquet-go/parquet-go"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC)

// shelf is a feature store of a few rows.
type shelf struct {
	items []engine.ItemFeatures
	users []engine.UserFeatures
	fails error // after the rows
}

func (s shelf) versions(q engine.FeatureQuery) engine.FeatureVersions {
	return engine.FeatureVersions{AsOf: q.AsOf, Space: 2, Encoder: "enc@1", Model: 3}
}

func (s shelf) Items(_ context.Context, q engine.FeatureQuery, _ []string, each func(engine.FeatureVersions, engine.ItemFeatures) error) (engine.FeatureVersions, error) {
	for _, item := range s.items {
		if err := each(s.versions(q), item); err != nil {
			return engine.FeatureVersions{}, err
		}
	}
	return s.versions(q), s.fails
}

func (s shelf) Users(_ context.Context, q engine.FeatureQuery, _ []recsys.Actor, each func(engine.FeatureVersions, engine.UserFeatures) error) (engine.FeatureVersions, error) {
	for _, user := range s.users {
		if err := each(s.versions(q), user); err != nil {
			return engine.FeatureVersions{}, err
		}
	}
	return s.versions(q), s.fails
}

func (s shelf) Unknown(context.Context, time.Time) (int64, error) { return 5, nil }

func silent(int64) {}

func read[Row any](t *testing.T, name string) []Row {
	t.Helper()
	rows, err := parquet.ReadFile[Row](name)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func TestItemsRoundTrip(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "items.parquet")
	s := shelf{items: []engine.ItemFeatures{
		{ItemID: "a", Title: "Häuser", CreateTime: noon.Add(-time.Hour), ValueTime: noon.Add(-time.Minute), Raw: []float32{1.5, -3e-38}, Vector: []float32{.6, .8},
			Factor: []float32{0, 1e-20}, Trained: true, Attributes: map[string]recsys.Attribute{
				"price": recsys.Number(4.5), "artist": recsys.Labels("Monet", "Manet"), "note": recsys.Text(`"q"`)}},
		{ItemID: "b", CreateTime: noon, ValueTime: noon},
	}}
	done, err := Items(t.Context(), s, engine.FeatureQuery{AsOf: noon}, name, silent)
	if err != nil || done.Rows != 2 || done.Unknown != 5 || done.Versions.Space != 2 {
		t.Fatalf("%+v, %v", done, err)
	}
	common := ItemRow{AsOfTime: noon, EmbeddingSpace: "space-2", Encoder: "enc@1", FactorModel: "model-3"}
	a, b := common, common
	a.ItemID, a.Title, a.CreateTime, a.ValueTime = "a", "Häuser", noon.Add(-time.Hour), noon.Add(-time.Minute)
	a.Attributes = `{"artist":["Monet","Manet"],"note":"\"q\"","price":4.5}`
	a.RawOutput, a.Vector, a.Factor, a.FactorTrained = []float32{1.5, -3e-38}, []float32{.6, .8}, []float32{0, 1e-20}, true
	b.ItemID, b.CreateTime, b.ValueTime, b.Attributes = "b", noon, noon, "{}"
	if diff := cmp.Diff([]ItemRow{a, b}, read[ItemRow](t, name), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestUsersRoundTrip(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "users.parquet")
	s := shelf{users: []engine.UserFeatures{
		{Actor: recsys.User("ann"), Counts: map[recsys.InteractionType]int64{recsys.View: 1, recsys.Like: 2, recsys.AddToCart: 3, recsys.Purchase: 4,
			recsys.Rating: 5, recsys.Dislike: 6, recsys.Hide: 7}, LastTime: noon, Factor: []float32{1}},
		{Actor: recsys.Visitor("eve")},
	}}
	if done, err := Users(t.Context(), s, engine.FeatureQuery{AsOf: noon}, name, silent); err != nil || done.Rows != 2 {
		t.Fatalf("%+v, %v", done, err)
	}
	ann, eve, last := "ann", "eve", noon
	want := []UserRow{
		{UserID: &ann, AsOfTime: noon, LastTime: &last, FactorModel: "model-3", Factor: []float32{1}, ViewCount: 1, LikeCount: 2, AddToCartCount: 3,
			PurchaseCount: 4, RatingCount: 5, DislikeCount: 6, HideCount: 7},
		{VisitorID: &eve, AsOfTime: noon, FactorModel: "model-3"},
	}
	if diff := cmp.Diff(want, read[UserRow](t, name), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A file that could not be finished is not there, and the one before stays.
func TestBrokenOffExport(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := filepath.Join(dir, "items.parquet")
	if err := os.WriteFile(name, []byte("before"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := shelf{items: []engine.ItemFeatures{{ItemID: "a"}}, fails: recsys.ErrUnavailable}
	if _, err := Items(t.Context(), s, engine.FeatureQuery{AsOf: noon}, name, silent); !errors.Is(err, recsys.ErrUnavailable) {
		t.Errorf("error %v", err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 {
		t.Errorf("files %v, %v", files, err)
	}
	if b, err := os.ReadFile(name); string(b) != "before" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := Items(t.Context(), s, engine.FeatureQuery{AsOf: noon}, filepath.Join(dir, "no folder", "f"), silent); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
}
