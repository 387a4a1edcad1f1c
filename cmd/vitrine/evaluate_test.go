package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-473295a7/vitrine/internal/evaluate"
	"github.com/seed-473295a7/vitrine/internal/pgtest"
	"github.com/seed-473295a7/vitrine/internal/trial"
)

// printedJSON parses what a command printed among its log lines.
func printedJSON(t *testing.T, out string, into any) {
	t.Helper()
	for at := range out {
		if at != 0 && out[at-1] != '\n' {
			continue
		}
		from := json.NewDecoder(strings.NewReader(out[at:]))
		from.DisallowUnknownFields() // a log line is JSON too
		if from.Decode(into) == nil {
			return
		}
	}
	t.Fatalf("no JSON in:\n%s", out)
}

// figure returns a metric of a model in a report's first stage.
func figure(t *testing.T, r *evaluate.Report, model, metric string) float64 {
	t.Helper()
	f, ok := r.Metric(r.Stages[0].Name, model, metric)
	if !ok {
		t.Fatalf("%s: no %s of %q", r.Protocol, metric, model)
	}
	return f.Mean
}

// The same figures come from files and from a database that the files were imported to; models of
// other recipes are compared once they are stored; an operator rolls back.
func TestEvaluateAndModels(t *testing.T) {
	t.Parallel()
	shop := newPlantedShop(80, 240)
	items, interactions := shop.write(t, shop.log)
	html := filepath.Join(t.TempDir(), "report.html")
	out, status := run(t, "--json", "evaluate", "recommendations", "--items", items, "--interactions", interactions,
		"--protocol", trial.NewUsers, "--protocol", trial.TimeSplit, "--html", html)
	if status != 0 {
		t.Fatalf("status %d\n%s", status, out)
	}
	var files []*evaluate.Report
	printedJSON(t, out, &files)
	for _, r := range files {
		served, popular := figure(t, r, trial.Served, evaluate.MetricNDCG100), figure(t, r, trial.Popularity, evaluate.MetricNDCG100)
		if served < popular+.05 {
			t.Errorf("%s: served %.3f, popularity %.3f", r.Protocol, served, popular)
		}
	}
	if page, err := os.ReadFile(html); err != nil || strings.Count(string(page), "<svg") < 2 || strings.Contains(string(page), "NaN") {
		t.Errorf("HTML report of %d bytes, %v", len(page), err)
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
	vitrine(0, "import", "--items", items, "--interactions", interactions)
	var stored []*evaluate.Report
	printedJSON(t, vitrine(0, "evaluate", "recommendations", "--protocol", trial.NewUsers), &stored)
	if a, b := figure(t, files[0], trial.Served, evaluate.MetricNDCG100), figure(t, stored[0], trial.Served, evaluate.MetricNDCG100); a != b {
		t.Errorf("NDCG@100 %v from files, %v from the database", a, b)
	}

	bad := filepath.Join(t.TempDir(), "bad.yaml")
	write(t, bad, "training:\n  als: {factors: 1, epochs: 1, prior_ridge: 0}\n  corrector_weight: 0\n")
	var refused trained
	printedJSON(t, vitrine(notLive, "--config", bad, "train"), &refused)
	if v := refused.Training.Verdict; refused.FactorModel != "model-2" || refused.Live || v == nil || v.Passed || v.Difference.Mean >= 0 {
		t.Errorf("a bad recipe: %+v, verdict %+v", refused, v)
	}
	printedJSON(t, vitrine(0, "evaluate", "recommendations", "--protocol", trial.NewUsers, "--model", "model-2", "--model", trial.Served), &stored)
	if a, b := figure(t, stored[0], "model-2", evaluate.MetricNDCG100), figure(t, stored[0], trial.Served, evaluate.MetricNDCG100); a >= b {
		t.Errorf("NDCG@100: %v by the bad recipe, %v by the good one", a, b)
	}

	live := func() (name string) {
		t.Helper()
		var list []listedModel
		printedJSON(t, vitrine(0, "model", "list"), &list)
		for _, m := range list {
			if m.Live {
				name += m.FactorModel
			}
		}
		return name
	}
	if got := live(); got != "model-1" {
		t.Errorf("%q is live after a refusal", got)
	}
	vitrine(0, "model", "activate", "model-2")
	if got := live(); got != "model-2" {
		t.Errorf("%q is live after activate model-2", got)
	}
	vitrine(0, "model", "rollback")
	if got := live(); got != "model-1" {
		t.Errorf("%q is live after rollback", got)
	}
	vitrine(0, "--config", bad, "train", "--force")
	if got := live(); got != "model-3" {
		t.Errorf("%q is live after train --force", got)
	}
	for _, args := range [][]string{{"model", "activate", "model-99"}, {"model", "activate", "best"}, {"model", "activate"},
		{"evaluate", "recommendations", "--protocol", "magic"}, {"evaluate", "recommendations", "--model", "magic"}, {"evaluate", "recommendations", "--items", items}} {
		if out := vitrine(1, args...); !strings.Contains(out, "vitrine: ") {
			t.Errorf("vitrine %v says %q", args, out)
		}
	}
}

// Too little data gives a message and no figure.
func TestEvaluateTooLittle(t *testing.T) {
	t.Parallel()
	shop := newPlantedShop(80, 240)
	items, interactions := shop.write(t, shop.log[:30])
	for _, protocol := range trial.Protocols() {
		out, status := run(t, "evaluate", "recommendations", "--items", items, "--interactions", interactions, "--protocol", protocol)
		if status != 1 || !strings.Contains(out, "no figure would mean anything") && !strings.Contains(out, "nothing to train on") {
			t.Errorf("%s on 30 likes: status %d\n%s", protocol, status, out)
		}
	}
}
