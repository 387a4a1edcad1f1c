package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/parquet-go/parquet-go"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/seed-473295a7/vitrine/internal/export"
	"github.com/seed-473295a7/vitrine/internal/pgtest"
	vitrinev1 "github.com/seed-473295a7/vitrine/proto/vitrine/v1"
)

// exportItems runs the command and returns what it wrote, by item.
func exportItems(t *testing.T, dsn string, flags ...string) map[string]export.ItemRow {
	t.Helper()
	name := filepath.Join(t.TempDir(), "items.parquet")
	out, status := run(t, append([]string{"--database-url", dsn, "--json", "export", "features", "--out", name}, flags...)...)
	var result exported
	if printedJSON(t, out, &result); status != 0 {
		t.Fatalf("status %d\n%s", status, out)
	}
	rows, err := parquet.ReadFile[export.ItemRow](name)
	if err != nil || int64(len(rows)) != result.Rows {
		t.Fatalf("%d rows, want %d, %v", len(rows), result.Rows, err)
	}
	byItem := make(map[string]export.ItemRow, len(rows))
	for _, row := range rows {
		row.AsOfTime = time.Time{}
		byItem[row.ItemID] = row
	}
	return byItem
}

// Online features and exported ones are the same, and an export as of a time does not see what
// came later.
func TestExportFeatures(t *testing.T) {
	t.Parallel()
	dsn := pgtest.New(t)
	_, s := startServe(t, dsn)
	gallery(t, s)
	s.record(t, "ann", "red-0", vitrinev1.InteractionType_INTERACTION_TYPE_LIKE)
	s.record(t, "bob", "red-1", vitrinev1.InteractionType_INTERACTION_TYPE_LIKE)
	if out, status := run(t, "--database-url", dsn, "train"); status != 0 {
		t.Fatalf("train: status %d\n%s", status, out)
	}
	before := exportItems(t, dsn)
	then := time.Now().UTC()
	online, err := vitrinev1.NewFeatureServiceClient(s.conn).GetItemFeatures(t.Context(), &vitrinev1.GetItemFeaturesRequest{
		ItemIds: []string{"red-0", "sculpture"}, FactorModel: before["red-0"].FactorModel})
	if err != nil || len(online.GetItems()) != 2 || len(before) != 7 {
		t.Fatalf("online %v, %v; %d exported", online, err, len(before))
	}
	for _, item := range online.GetItems() {
		row := before[item.GetItemId()]
		for name, pair := range map[string][2][]float32{"raw_output": {item.GetRawOutput(), row.RawOutput},
			"vector": {item.GetVector(), row.Vector}, "factor": {item.GetFactor(), row.Factor}} {
			if diff := cmp.Diff(pair[0], pair[1], cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s of %s (-online +exported):\n%s", name, item.GetItemId(), diff)
			}
		}
		if item.GetItemId() == "red-0" && (len(row.RawOutput) == 0 || len(row.Vector) == 0 || !row.FactorTrained) {
			t.Errorf("red-0: %+v", row)
		}
	}

	if _, err := s.catalog.UpdateItem(t.Context(), &vitrinev1.UpdateItemRequest{UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"image", "title"}},
		Item: &vitrinev1.Item{ItemId: "red-0", Title: "repainted", Picture: &vitrinev1.Item_Image{Image: stripes(blue, 5)}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.catalog.DeleteItem(t.Context(), &vitrinev1.DeleteItemRequest{ItemId: "blue-0"}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, exportItems(t, dsn, "--as-of", then.Format(time.RFC3339Nano))); diff != "" {
		t.Errorf("as of then (-then +now):\n%s", diff)
	}
	after := exportItems(t, dsn)
	if _, there := after["blue-0"]; there || after["red-0"].Title != "repainted" || cmp.Equal(before["red-0"].RawOutput, after["red-0"].RawOutput) {
		t.Errorf("now: %d items, red-0 %q", len(after), after["red-0"].Title)
	}
}

func TestExportUsersAndFaults(t *testing.T) {
	t.Parallel()
	dsn := pgtest.New(t)
	_, s := startServe(t, dsn)
	gallery(t, s)
	s.record(t, "ann", "red-0", vitrinev1.InteractionType_INTERACTION_TYPE_LIKE)
	s.record(t, "ann", "red-0", vitrinev1.InteractionType_INTERACTION_TYPE_VIEW)
	name := filepath.Join(t.TempDir(), "users.parquet")
	if out, status := run(t, "--database-url", dsn, "export", "features", "--of", "users", "--out", name); status != 0 {
		t.Fatalf("status %d\n%s", status, out)
	}
	rows, err := parquet.ReadFile[export.UserRow](name)
	if err != nil || len(rows) != 1 || *rows[0].UserID != "ann" || rows[0].LikeCount != 1 || rows[0].ViewCount != 1 || rows[0].Factor != nil {
		t.Errorf("%+v, %v", rows, err)
	}
	for _, flags := range [][]string{{"--of", "shops"}, {"--as-of", "yesterday"}, {"--as-of", "1990-01-01T00:00:00Z"}, {"--as-of", "2990-01-01T00:00:00Z"},
		{"--embedding-space", "7"}, {"--embedding-space", "space-7"}, {"--factor-model", "model-7"}} {
		none := filepath.Join(t.TempDir(), "none.parquet")
		out, status := run(t, append([]string{"--database-url", dsn, "export", "features", "--out", none}, flags...)...)
		if _, err := os.Stat(none); status != 1 || err == nil {
			t.Errorf("%v: status %d, file %v\n%s", flags, status, err, out)
		}
	}
}
