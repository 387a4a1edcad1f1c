package peers

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/trial"
)

// Shop is public data in memory, read as vitrine import reads it.
type Shop struct {
	Name    string
	Catalog trial.Catalog
	Log     []recsys.Interaction
	words   map[string][]string
}

// OpenShop imports files.
func OpenShop(ctx context.Context, name string, files trial.Files, encoder engine.Encoder) (Shop, error) {
	catalog, reports, err := trial.FromFiles(ctx, files, engine.DefaultConfig(), engine.Deps{Encoder: encoder}, func(string, int, int) {})
	if err != nil {
		return Shop{}, fmt.Errorf("%s: %w", name, err)
	}
	for _, r := range reports {
		if r.FaultCount > 0 {
			return Shop{}, fmt.Errorf("%s: %d faults, first %v: %w", name, r.FaultCount, r.Faults[0], recsys.ErrInvalid)
		}
	}
	s := Shop{Name: name, Catalog: catalog, Log: catalog.Store.All(), words: make(map[string][]string)}
	_, err = catalog.Store.Load(ctx, 0, nil, func(row engine.ItemRow) error {
		s.words[row.Item.ItemID] = wordsOf(row.Item)
		return nil
	})
	return s, err
}

// Posters are the files of the poster pack in a directory; an error if there are none.
func Posters(dir string) (trial.Files, error) {
	files := trial.Files{Items: filepath.Join(dir, "items.csv"), Interactions: filepath.Join(dir, "interactions.csv"), Images: dir}
	_, err := os.Stat(files.Items)
	return files, err
}

// GenresAndYears is the poster pack cut down, in a directory of its own, to the items with a poster
// and of what is written about them to genres and year: what cold-item figures are published for.
func GenresAndYears(posters, cache string) (files trial.Files, err error) {
	if files, err = Posters(posters); err != nil {
		return files, err
	}
	in, err := os.Open(files.Items)
	if err != nil {
		return files, err
	}
	defer in.Close()
	rows, err := csv.NewReader(in).ReadAll()
	if err != nil {
		return files, fmt.Errorf("read %s: %w", files.Items, err)
	}
	var kept [][]string
	columns := []string{"item_id", "title", "year", "genres", "image"}
	for n, row := range rows {
		cut := make([]string, len(columns))
		for k, name := range columns {
			cut[k] = row[slices.Index(rows[0], name)]
		}
		if image := cut[4]; n > 0 && (image == "" || !exists(filepath.Join(posters, image))) {
			continue
		}
		kept = append(kept, cut)
	}
	files.Items = filepath.Join(cache, "posters-genres-years.csv")
	out, err := os.Create(files.Items)
	if err != nil {
		return files, err
	}
	return files, errors.Join(csv.NewWriter(out).WriteAll(kept), out.Close())
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// Items lists the catalogue.
func (s Shop) Items() []string { return s.Catalog.Store.ItemIDs() }

// Words are what an item is known by to methods that take words: genres and the five-year period.
func (s Shop) Words(itemID string) []string { return s.words[itemID] }

const period = 5 // years

func wordsOf(item recsys.Item) []string {
	var out []string
	for _, genre := range item.Attributes["genres"].Labels {
		out = append(out, "genre "+genre)
	}
	if year, ok := item.Attributes["year"]; ok {
		out = append(out, fmt.Sprint("period ", int(year.Number)/period))
	}
	return out
}
