package ingest

import (
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden reports: go test ./internal/ingest -run Broken -update")

// golden compares a value's JSON with a file under testdata.
func golden(t *testing.T, name string, value any) {
	t.Helper()
	got, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Error(diff)
	}
}

func TestBrokenItems(t *testing.T) {
	t.Parallel()
	sink := newFakeSink()
	source := ItemSource{Table: File("testdata/broken_items.csv"), Images: "testdata/pictures"}
	report, err := Items(t.Context(), source, sink, testConfig())
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "broken_items.json", report)
	if diff := cmp.Diff([]string{"m1", "m12", "m13", "m3"}, slices.Sorted(maps.Keys(sink.items))); diff != "" {
		t.Error(diff)
	}
}

func TestBrokenInteractions(t *testing.T) {
	t.Parallel()
	sink := newFakeSink()
	report, err := Interactions(t.Context(), File("testdata/broken_interactions.csv"), sink, testConfig())
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "broken_interactions.json", report)
	if len(sink.interactions) != 4 {
		t.Errorf("%d stored, want 4", len(sink.interactions))
	}
}
