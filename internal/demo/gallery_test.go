package demo

import (
	"bytes"
	"context"
	"encoding/csv"
	"image"
	_ "image/jpeg" // the gallery's only format
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/ingest"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

const withoutPicture = 12

// fakeSink keeps what it is given, as the engine does.
type fakeSink struct {
	items        map[string]engine.Registration
	interactions map[recsys.RequestID]recsys.Interaction
}

func newFakeSink() *fakeSink {
	return &fakeSink{items: map[string]engine.Registration{}, interactions: map[recsys.RequestID]recsys.Interaction{}}
}

func (s *fakeSink) RegisterItems(_ context.Context, writes []engine.Registration) []engine.Registered {
	answers := make([]engine.Registered, len(writes))
	for i, w := range writes {
		_, there := s.items[w.Item.ItemID]
		s.items[w.Item.ItemID] = w
		answers[i].Created = !there
	}
	return answers
}

func (s *fakeSink) RecordInteractions(_ context.Context, writes []engine.InteractionWrite) []engine.InteractionResult {
	answers := make([]engine.InteractionResult, len(writes))
	for i, w := range writes {
		_, answers[i].Replayed = s.interactions[w.Request]
		s.interactions[w.Request] = w.Interaction
	}
	return answers
}

func TestGalleryIsSmallAndWhole(t *testing.T) {
	t.Parallel()
	rows := galleryRows(t)
	named := map[string]bool{"items.csv": true, "ATTRIBUTION.md": true, "COPYRIGHT-DEBIAN": true}
	for _, row := range rows {
		if row["image"] != "" {
			named[row["image"]] = true
		}
	}
	var size int64
	found := map[string]bool{}
	err := fs.WalkDir(os.DirFS("gallery"), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		size += info.Size()
		found[path] = true
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if size > 4_000_000 {
		t.Errorf("the gallery has %d bytes, want at most 4 MB", size)
	}
	if diff := cmp.Diff(named, found); diff != "" {
		t.Errorf("files named (-) and there (+):\n%s", diff)
	}
}

func galleryRows(t *testing.T) []map[string]string {
	t.Helper()
	table, err := os.ReadFile("gallery/items.csv")
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(table)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var all []map[string]string
	for _, row := range rows[1:] {
		named := map[string]string{}
		for i, name := range rows[0] {
			named[name] = row[i]
		}
		all = append(all, named)
	}
	return all
}

func TestGalleryCreditsEveryWork(t *testing.T) {
	t.Parallel()
	credits, err := os.ReadFile("gallery/ATTRIBUTION.md")
	if err != nil {
		t.Fatal(err)
	}
	dedication, err := os.ReadFile("gallery/COPYRIGHT-DEBIAN")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(dedication, []byte("Public Domain Dedication")) || !bytes.Contains(credits, []byte("COPYRIGHT-DEBIAN")) {
		t.Error("the dedication is missing")
	}
	for _, row := range galleryRows(t) {
		line := "| " + row["artist"] + " |"
		if row["artist"] == "" {
			line = "| artist not recorded |"
		}
		_, works, found := strings.Cut(string(credits), line)
		works, _, _ = strings.Cut(works, "\n")
		if !found || !strings.Contains(works, row["item_id"]) {
			t.Errorf("%s by %q is not credited", row["item_id"], row["artist"])
		}
		for name, value := range row {
			if strings.Contains(value, "@") {
				t.Errorf("%s: %s holds an address: %q", row["item_id"], name, value)
			}
		}
	}
}

func TestGalleryIsVaried(t *testing.T) {
	t.Parallel()
	rows := galleryRows(t)
	categories, artists, bare := map[string]int{}, map[string]int{}, 0
	for _, row := range rows {
		categories[row["category"]]++
		artists[row["artist"]]++
		if row["image"] == "" {
			bare++
		}
	}
	if len(rows) != 400 || bare != withoutPicture || len(categories) < 10 {
		t.Errorf("%d items, %d without a picture, %d categories", len(rows), bare, len(categories))
	}
	for name, n := range categories {
		if n < 8 || n > 45 || name == "" {
			t.Errorf("category %q has %d items, want 8 to 45", name, n)
		}
	}
	several := 0
	for name, n := range artists {
		if name != "" && n >= 3 {
			several += n
		}
	}
	if several < 250 {
		t.Errorf("%d works by artists with three or more, want 250", several)
	}
}

func TestEveryPictureDecodes(t *testing.T) {
	t.Parallel()
	source := Gallery()
	for _, row := range galleryRows(t) {
		if row["image"] == "" {
			continue
		}
		data, err := fs.ReadFile(source.ImageFS, row["image"])
		if err != nil {
			t.Error(err)
			continue
		}
		picture, _, err := image.Decode(bytes.NewReader(data))
		if err != nil {
			t.Errorf("%s: %v", row["image"], err)
			continue
		}
		if b := picture.Bounds(); min(b.Dx(), b.Dy()) < 90 || max(b.Dx(), b.Dy()) > 256 {
			t.Errorf("%s is %v large", row["image"], b.Size())
		}
	}
}

func TestLoadTwice(t *testing.T) {
	t.Parallel()
	sink := newFakeSink()
	for _, first := range []bool{true, false} {
		var stages []string
		report, err := Load(t.Context(), sink, ingest.DefaultConfig(), func(stage string, done, total int64) {
			if done == total {
				stages = append(stages, stage)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"demo gallery", "simulated shoppers"}, stages); diff != "" {
			t.Error(diff)
		}
		items, events := report.Items, report.Interactions
		if items.Skipped != 0 || items.Loaded != 400 || items.WithoutImage != withoutPicture || (items.Created == 400) != first {
			t.Errorf("items %+v", items)
		}
		if events.Skipped != 0 || events.Loaded != int64(len(sink.interactions)) {
			t.Errorf("interactions %+v", events)
		}
		if want := map[bool]int64{true: 0, false: events.Loaded}[first]; events.Replayed != want {
			t.Errorf("replayed %d interactions, want %d", events.Replayed, want)
		}
	}
	for _, in := range sink.interactions {
		if _, there := sink.items[in.ItemID]; !there {
			t.Fatalf("%+v is about no item of the gallery", in)
		}
	}
}

func TestExamplesAreThere(t *testing.T) {
	t.Parallel()
	sink := newFakeSink()
	if _, err := Load(t.Context(), sink, ingest.DefaultConfig(), nil); err != nil {
		t.Fatal(err)
	}
	if len(sink.items[ExampleItem].Image) == 0 {
		t.Errorf("%s has no picture", ExampleItem)
	}
	for id := range sink.items {
		if !strings.HasPrefix(id, ItemPrefix) {
			t.Errorf("item %s", id)
		}
	}
	done, met := 0, 0
	for _, in := range sink.interactions {
		if in.Actor == recsys.User(ExampleShopper) {
			done++
		}
		if in.ItemID == ExampleItem {
			met++
		}
	}
	if done < 10 || met < 10 {
		t.Errorf("%s has done %d things, %s was met %d times", ExampleShopper, done, ExampleItem, met)
	}
}

func TestItemsAgreesWithIngest(t *testing.T) {
	t.Parallel()
	sink := newFakeSink()
	if _, err := ingest.Items(t.Context(), Gallery(), sink, ingest.DefaultConfig()); err != nil {
		t.Fatal(err)
	}
	items, err := Items()
	if err != nil {
		t.Fatal(err)
	}
	if len(items) != len(sink.items) {
		t.Fatalf("%d items, ingest has %d", len(items), len(sink.items))
	}
	for _, item := range items {
		if diff := cmp.Diff(sink.items[item.ItemID].Item.Attributes, item.Attributes); diff != "" {
			t.Errorf("%s: %s", item.ItemID, diff)
		}
	}
}
