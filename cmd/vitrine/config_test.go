package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/seed-473295a7/vitrine/internal/ann"
	"github.com/seed-473295a7/vitrine/internal/engine"
)

// The documented file states every setting, at its default.
func TestDocumentedSettingsAreTheDefaults(t *testing.T) {
	t.Parallel()
	file := filepath.Join("..", "..", "docs", "vitrine.yaml")
	empty := engine.Config{DecodeWorkers: 1, HistoryLimit: 1, HistoryCache: 1, FilterCache: 1, FitSample: 1, Index: engine.DefaultConfig().Index}
	got, err := readSettings(file, empty)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(settingsOf(engine.DefaultConfig()), settingsOf(got)); diff != "" {
		t.Errorf("docs/vitrine.yaml (-defaults +file):\n%s", diff)
	}
}

var unexported = cmpopts.IgnoreUnexported(ann.Config{})

func TestReadSettings(t *testing.T) {
	t.Parallel()
	read := func(text string) (engine.Config, error) {
		name := filepath.Join(t.TempDir(), "vitrine.yaml")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return readSettings(name, engine.DefaultConfig())
	}
	got, err := read("events: {weights: {view: 0.1}, expire: 8760h}\ntraining: {retrain: {every: 24h}}\nplacements:\n  home: {cold_share: 0.1}\n")
	want := engine.DefaultConfig()
	want.Recipe.Events.Weights.View, want.Recipe.Events.Expire, want.Retrain.Every = .1, 365*24*time.Hour, 24*time.Hour
	want.Placements["home"] = engine.Placement{ColdShare: .1, ContextWeight: .5}
	if diff := cmp.Diff(want, got, unexported); diff != "" || err != nil {
		t.Errorf("a file that changes some (-want +got):\n%s%v", diff, err)
	}
	for _, text := range []string{"", "# nothing\n", "events:\n"} {
		if got, err := read(text); err != nil || !cmp.Equal(engine.DefaultConfig(), got, unexported) {
			t.Errorf("%q changes something: %v", text, err)
		}
	}
	for name, test := range map[string][2]string{
		"unknown name":    {"event: {}", `unknown field "event"`},
		"unknown dial":    {"placements: {home: {speed: 1}}", `unknown field "speed"`},
		"wrong kind":      {"events: {repeat: often}", "cannot unmarshal"},
		"out of range":    {"events: {weights: {like: -1}, position_floor: 2}", "like: is -1, want 0 to 1000"},
		"and all of them": {"events: {weights: {like: -1}, position_floor: 2}", "position_floor: is 2, want 0 to 1"},
		"not a number":    {"training: {corrector_weight: .nan}", "corrector_weight: is NaN, want 0 to 1"},
		"no YAML":         {"a: b: c", "mapping value is not allowed"},
	} {
		if _, err := read(test[0]); err == nil || !strings.Contains(err.Error(), test[1]) {
			t.Errorf("%s: error %v, want one that says %q", name, err, test[1])
		}
	}
}

func TestConfigPrintHidesSecrets(t *testing.T) {
	t.Parallel()
	for dsn, want := range map[string]string{
		"postgres://shop:s3cret@db/vitrine?sslpassword=s3cret": "postgres://shop:xxxxx@db/vitrine?sslpassword=xxxxx",
		"host=db password=s3cret":                              "(hidden)",
		"":                                                     `""`,
	} {
		var out bytes.Buffer
		cmd := command()
		cmd.Writer = &out
		if err := cmd.Run(t.Context(), []string{"vitrine", "--database-url", dsn, "--placement", "home:cold_share=.1", "config", "print"}); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(out.String(), "s3cret") || !strings.Contains(out.String(), "database-url: "+want+"\n") || !strings.Contains(out.String(), "cold_share: 0.1") {
			t.Errorf("%q is printed as\n%s", dsn, out.String())
		}
	}
}
