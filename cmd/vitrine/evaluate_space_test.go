package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-473295a7/vitrine/internal/atlas"
	"github.com/seed-473295a7/vitrine/internal/pgtest"
)

// purity is P@10 of a view for the first label.
func purity(t *testing.T, r atlas.Report, view string) float64 {
	t.Helper()
	for _, v := range r.Labels[0].Views {
		for _, m := range v.Metrics {
			if v.Name == view && m.Name == atlas.MetricP10 {
				return m.Mean
			}
		}
	}
	t.Fatalf("no purity of %q in %+v", view, r.Labels[0].Views)
	return 0
}

// A space comes out the same from files and from a database that they were imported to, beside
// other spaces and with items that nobody has seen; what cannot be measured is said.
func TestEvaluateSpace(t *testing.T) {
	t.Parallel()
	shop := newPlantedShop(80, 240)
	_, interactions := shop.write(t, shop.log)
	dir := t.TempDir()
	items := filepath.Join(dir, "items.csv")
	rows := [][]string{{"item_id", "title", "kind", "maker", "price"}}
	for i, id := range shop.items { // makers keep to a kind but for every fifth item
		rows = append(rows, []string{id, "item " + id, shop.kind[id], fmt.Sprint("maker ", (i+i%5/4)%plantedKinds), fmt.Sprint(float64(i%37) + .5)})
	}
	writeCSV(t, items, rows)
	astray := filepath.Join(dir, "astray.yaml")
	write(t, astray, "image: {use: store}\nattributes:\n  - {name: price, kind: number}\n")
	html := filepath.Join(dir, "space.html")
	out, status := run(t, "--json", "evaluate", "space", "--items", items, "--interactions", interactions, "--label", "kind", "--against", astray,
		"--html", html, "--png", filepath.Join(dir, "png"))
	if status != 0 {
		t.Fatalf("status %d\n%s", status, out)
	}
	var files atlas.Report
	printedJSON(t, out, &files)
	if files.Cold == nil || len(files.Cold.Stages) != 2 {
		t.Errorf("no cold items where there are interactions: %+v", files.Cold)
	}
	if page, err := os.ReadFile(html); err != nil || !strings.Contains(string(page), "astray") || strings.Contains(string(page), "NaN") {
		t.Errorf("HTML report of %d bytes, %v", len(page), err)
	}
	if pictures, err := filepath.Glob(filepath.Join(dir, "png", "*.png")); err != nil || len(pictures) != 5 {
		t.Errorf("pictures %v, %v", pictures, err)
	}

	dsn := pgtest.New(t)
	vitrine := func(want int, args ...string) string {
		t.Helper()
		out, status := run(t, append([]string{"--database-url", dsn, "--json"}, args...)...)
		if status != want {
			t.Fatalf("vitrine %v: status %d, want %d\n%s", args, status, want, out)
		}
		return out
	}
	vitrine(0, "import", "--no-train", "--items", items)
	vitrine(0, "embed")
	var stored atlas.Report
	printedJSON(t, vitrine(0, "evaluate", "space", "--label", "kind", "--against", "space-1", "--against", "refit"), &stored)
	want := purity(t, files, "fitted space")
	for _, view := range []string{"space-2", "refit"} {
		if got := purity(t, stored, view); got != want {
			t.Errorf("purity %v of %s from the database, %v from files", got, view, want)
		}
	}
	if stored.Cold != nil || len(stored.Spaces) != 3 {
		t.Errorf("spaces %+v; cold items %+v where nobody did anything", stored.Spaces, stored.Cold)
	}
	for _, args := range [][]string{{"--against", "space-99"}, {"--against", "space-x"}, {"--against", "nothing.yaml"}, {"--label", "colour"}, {"--sample", "3"}, {"--seed", "-1"}} {
		if out := vitrine(1, append([]string{"evaluate", "space"}, args...)...); !strings.Contains(out, "vitrine: ") {
			t.Errorf("vitrine %v says %q", args, out)
		}
	}
}
