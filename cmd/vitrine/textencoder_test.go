package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-473295a7/vitrine/internal/onnx"
	"github.com/seed-473295a7/vitrine/internal/pgtest"
	"github.com/seed-473295a7/vitrine/internal/recsys"
	vitrinev1 "github.com/seed-473295a7/vitrine/proto/vitrine/v1"
)

// letters is a vocabulary that fits the tiny BERT, which has 200 rows.
func letters() string {
	tokens := []string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}
	for c := 'a'; c <= 'z'; c++ {
		tokens = append(tokens, string(c), "##"+string(c))
	}
	for i := len(tokens); i < 200; i++ {
		tokens = append(tokens, fmt.Sprintf("unused%d", i))
	}
	return strings.Join(tokens, "\n") + "\n"
}

// titles has a catalogue without pictures, of two kinds that only title and description tell apart.
func titles() string {
	var b strings.Builder
	b.WriteString("item_id,title,description,year\n")
	for i := range 30 {
		fmt.Fprintf(&b, "%d-%d,%s,study %d,%d\n", i%2, i, []string{"aaaa bbbb aabb", "xyzzy zyx zzz"}[i%2], i, 1900+i%5)
	}
	return b.String()
}

// A stock model of texts becomes an encoder of titles, is optional from then on, and shows as a
// block of its own.
func TestTextEncoder(t *testing.T) {
	t.Parallel()
	dir, dsn := t.TempDir(), pgtest.New(t)
	vocabulary, items := filepath.Join(dir, "vocab.txt"), filepath.Join(dir, "items.csv")
	write(t, vocabulary, letters())
	write(t, items, titles())
	text, err := invoke(t, "--data-dir", dir, "model", "add", stockModel("bert"), "--name", "words", "--tokenizer", vocabulary)
	if err != nil || !strings.Contains(text, "--text-encoder words") {
		t.Fatalf("%v, %s", err, text)
	}
	base := []string{"--data-dir", dir, "--database-url", dsn}
	command := func(args ...string) string {
		t.Helper()
		out, status := run(t, append(base, args...)...)
		if status != 0 {
			t.Fatalf("%v ended with %d:\n%s", args, status, out)
		}
		return out
	}
	command("import", "--items", items)
	if out := command("embed", "--print-schema"); strings.Contains(out, "\ntext:") {
		t.Errorf("without a text encoder the schema has texts:\n%s", out)
	}
	manifest := filepath.Join(dir, "encoders", "words.json")
	if out := command("--text-encoder", manifest, "embed"); !strings.Contains(out, "is live") {
		t.Errorf("embed: %s", out)
	}
	if out := command("--text-encoder", "words", "embed", "--print-schema"); !strings.Contains(out, "title and description of 30 of 30 items") {
		t.Errorf("the schema lacks the texts:\n%s", out)
	}
	serveTitles(t, dsn, "--data-dir", dir, "--text-encoder", "words")
}

func serveTitles(t *testing.T, dsn string, flags ...string) {
	t.Helper()
	_, s := startServe(t, dsn, flags...)
	s.register(t, &vitrinev1.Item{ItemId: "new", Title: "zzz xyzzy"})
	found, err := s.recommender.FindSimilarItems(t.Context(), &vitrinev1.FindSimilarItemsRequest{ItemId: "new", PageSize: 5})
	if err != nil {
		t.Fatal(err)
	}
	for _, hit := range found.SimilarItems {
		if _, ok := hit.Blocks["text"]; !ok || len(hit.Blocks) != 1 || hit.ItemId[0] != '1' {
			t.Errorf("%s has blocks %v; want an item with the same words, for its text alone", hit.ItemId, hit.Blocks)
		}
	}
	if len(found.SimilarItems) != 5 {
		t.Errorf("%d items are similar to a title, want 5", len(found.SimilarItems))
	}
}

func TestTextEncoderRefuses(t *testing.T) {
	library, err := onnx.FindLibrary("", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	dir := t.TempDir()
	items, interactions := filepath.Join(dir, "items.csv"), filepath.Join(dir, "interactions.csv")
	write(t, items, titles())
	write(t, interactions, "user,item,timestamp\n")
	base := []string{"--data-dir", dir, "--onnxruntime-lib", library}
	if _, err := invoke(t, append(base, "model", "add", stockModel("vgg"), "--name", "pictures")...); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		want error
		text string
	}{
		"minilm":                             {recsys.ErrNotFound, "make minilm"},
		"words":                              {recsys.ErrNotFound, `has ["pictures"]`},
		"pictures":                           {recsys.ErrIncompatible, "takes pictures"},
		filepath.Join(dir, "gone", "x.json"): {recsys.ErrNotFound, "gone"},
	} {
		_, err := invoke(t, append(base, "--text-encoder", name, "evaluate", "recommendations", "--items", items, "--interactions", interactions)...)
		if !errors.Is(err, c.want) || !strings.Contains(fmt.Sprint(err), c.text) {
			t.Errorf("--text-encoder %s: %v, want %v and %q", name, err, c.want, c.text)
		}
	}
}
