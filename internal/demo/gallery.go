package demo

import (
	"bytes"
	"context"
	"embed"
	"encoding/csv"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"

	"github.com/seed-473295a7/vitrine/internal/ingest"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

//go:embed gallery/items.csv gallery/images
var embedded embed.FS

// Names that calls to try can rely on.
const (
	ItemPrefix     = "clipart-"       // every item_id of the gallery begins with it
	ExampleItem    = "clipart-00749"  // a pineapple, with a picture, among other fruit
	ExampleShopper = "simulated-0002" // a simulated shopper with a taste for food
)

// Gallery returns the demo's items with their pictures, as ingest.Items takes them.
func Gallery() ingest.ItemSource {
	gallery, err := fs.Sub(embedded, "gallery")
	if err != nil {
		panic(err) // a constant path that embed has checked
	}
	return ingest.ItemSource{Table: ingest.FSFile(gallery, "items.csv"), ImageFS: gallery}
}

// Report tells what a Load did.
type Report struct {
	Items        ingest.Report `json:"items"`
	Interactions ingest.Report `json:"interactions"`
}

// Load puts the gallery and its simulated shoppers into the sink. Doing so again replaces the
// items and adds no interaction. progress, if not nil, is told the rows of each stage; it takes
// the place of cfg.Progress. The report is valid beside an error; errors are those of ingest.
func Load(ctx context.Context, sink ingest.Sink, cfg ingest.Config, progress func(stage string, done, total int64)) (Report, error) {
	var report Report
	stage := func(name string) func(done, total int64) {
		if progress == nil {
			return nil
		}
		return func(done, total int64) { progress(name, done, total) }
	}
	interactions, err := Interactions()
	if err != nil {
		return report, err
	}
	cfg.Progress = stage("demo gallery")
	if report.Items, err = ingest.Items(ctx, Gallery(), sink, cfg); err != nil {
		return report, err
	}
	cfg.Progress = stage("simulated shoppers")
	report.Interactions, err = ingest.Interactions(ctx, interactions, sink, cfg)
	return report, err
}

// Items returns what the table of Gallery says about each item, in its order and without
// titles and pictures: category, subcategory, artist and keywords as labels.
func Items() ([]recsys.Item, error) {
	file, err := Gallery().Table.Open()
	if err != nil {
		return nil, fmt.Errorf("demo gallery: %w", err)
	}
	defer file.Close()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil || len(rows) == 0 {
		return nil, fmt.Errorf("demo gallery: %w: %w", recsys.ErrCorrupt, err)
	}
	items := make([]recsys.Item, 0, len(rows)-1)
	for _, row := range rows[1:] {
		item := recsys.Item{Attributes: make(map[string]recsys.Attribute)}
		for column, name := range rows[0] {
			switch value := row[column]; {
			case name == "item_id":
				item.ItemID = value
			case name != "title" && name != "image" && value != "":
				item.Attributes[name] = recsys.Labels(strings.Split(value, "|")...)
			}
		}
		items = append(items, item)
	}
	return items, nil
}

// Interactions simulates the shoppers of Seed over the gallery and returns what they did as a
// table for ingest.Interactions; the same bytes each time.
func Interactions() (ingest.Source, error) {
	items, err := Items()
	if err != nil {
		return ingest.Source{}, err
	}
	var table bytes.Buffer
	w := csv.NewWriter(&table)
	rows := [][]string{{"user", "item", "type", "timestamp"}}
	for _, in := range Shoppers(Seed, items) {
		rows = append(rows, []string{in.Actor.ID, in.ItemID, in.Type.String(), strconv.FormatInt(in.EventTime.Unix(), 10)})
	}
	if err := w.WriteAll(rows); err != nil {
		return ingest.Source{}, fmt.Errorf("demo interactions: %w", err)
	}
	return ingest.Source{Name: "simulated shoppers", Open: func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(table.Bytes())), nil
	}}, nil
}
