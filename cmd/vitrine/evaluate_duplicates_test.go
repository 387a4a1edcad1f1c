package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-473295a7/vitrine/internal/pgtest"
	"github.com/seed-473295a7/vitrine/internal/trial"
)

// Copies of drawings are recognised by hash and cosine together better than by either, from a folder
// as from a database.
func TestEvaluateDuplicates(t *testing.T) {
	t.Parallel()
	gallery := filepath.Join("..", "..", "internal", "demo", "gallery", "images")
	out, status := run(t, "--json", "evaluate", "duplicates", "--images", gallery, "--sample", "60", "--copies", "12")
	if status != 0 {
		t.Fatalf("status %d\n%s", status, out)
	}
	var report trial.DuplicateReport
	printedJSON(t, out, &report)
	if report.Pictures != 60 || report.Copied != 12 || len(report.Rules) != 3 {
		t.Fatalf("%+v", report)
	}
	for _, m := range report.Rules[0].Recall {
		if want := .8; m.Mean < want && !strings.HasPrefix(m.Name, "cropped") {
			t.Errorf("%s: recall %.2f, want at least %.2f", m.Name, m.Mean, want)
		}
	}
	if alarms := report.Rules[0].FalseAlarms.Mean; alarms > .1 {
		t.Errorf("%.2f of the pictures are taken for copies: %v", alarms, report.Groups)
	}

	dir := t.TempDir()
	items := filepath.Join(dir, "items.csv")
	names, err := filepath.Glob(filepath.Join(gallery, "*.jpg"))
	if err != nil || len(names) < 10 {
		t.Fatalf("%d pictures: %v", len(names), err)
	}
	rows := [][]string{{"item_id", "image"}, {"twin", filepath.Base(names[0])}}
	for _, name := range names[:10] {
		rows = append(rows, []string{"item " + filepath.Base(name), filepath.Base(name)})
	}
	writeCSV(t, items, rows)
	dsn := pgtest.New(t)
	if out, status := run(t, "--database-url", dsn, "import", "--no-train", "--items", items, "--images", gallery); status != 0 {
		t.Fatalf("status %d\n%s", status, out)
	}
	out, status = run(t, "--database-url", dsn, "evaluate", "duplicates", "--copies", "1")
	if want := "2: [item " + filepath.Base(names[0]) + " twin]"; status != 0 || !strings.Contains(out, want) {
		t.Errorf("status %d, want %q in\n%s", status, want, out)
	}
	for _, args := range [][]string{{"--images", dir}, {"--images", filepath.Join(dir, "nowhere")}, {"--copies", "0"}, {"--cosine", "2"}} {
		if out, status := run(t, append([]string{"--database-url", dsn, "evaluate", "duplicates"}, args...)...); status != 1 || !strings.Contains(out, "vitrine: ") {
			t.Errorf("%v: status %d, %q", args, status, out)
		}
	}
}
