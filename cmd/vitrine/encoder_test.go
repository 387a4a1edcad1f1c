package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-473295a7/vitrine/internal/onnx"
	"github.com/seed-473295a7/vitrine/internal/pgtest"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// stockModel is one of package onnx's tiny models with their heads and decoders on.
func stockModel(name string) string {
	return filepath.Join("..", "..", "internal", "onnx", "testdata", "stock", name+".onnx")
}

// invoke runs the command in this process and returns what it prints.
func invoke(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	c := command()
	c.Writer = &out
	err := c.Run(t.Context(), append([]string{"vitrine"}, args...))
	return out.String(), err
}

func invokeJSON(t *testing.T, into any, args ...string) {
	t.Helper()
	out, err := invoke(t, append([]string{"--json"}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(out), into); err != nil {
		t.Fatalf("%v in\n%s", err, out)
	}
}

func TestModelInspect(t *testing.T) {
	t.Parallel()
	var found onnx.Inspection
	invokeJSON(t, &found, "model", "inspect", stockModel("vitmae"))
	first := found.Candidates[0]
	if found.Family != "vit-mae" || first.Pooling != "class-token" || first.Dims != 16 || !strings.Contains(first.Why, "decoder") {
		t.Errorf("got %+v, want what feeds the decoder, its class token first", found)
	}
	text, err := invoke(t, "model", "inspect", stockModel("vgg"), "--output", "/features/features.8/MaxPool_output_0")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"vgg.onnx: vgg", "input   pixel_values float [-1 3 32 32]", "MaxPool_output_0 [1 16 4 4], map-mean: 16 values", "(24 → 10)", "--input-rule"} {
		if !strings.Contains(text, want) {
			t.Errorf("the text lacks %q:\n%s", want, text)
		}
	}
}

// A stock classifier becomes an encoder that serves a catalogue, until vitrine embed changes to another.
func TestModelAddAndUse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var added struct {
		Manifest onnx.Manifest
		Proof    onnx.Proof
		Created  bool
	}
	args := []string{"--data-dir", dir, "model", "add", stockModel("resnet"), "--name", "tiny", "--licence", "none", "--input-rule", "imagenet,short_side=32"}
	invokeJSON(t, &added, args...)
	if m := added.Manifest; !added.Created || m.Name != "tiny" || m.Output.Dims != 16 || m.Licence != "none" || m.Input.Resize.ShortSide != 32 || added.Proof.Norm <= 0 {
		t.Errorf("got %+v", added)
	}
	if invokeJSON(t, &added, args...); added.Created {
		t.Error("added again: it was made anew")
	}
	text, err := invoke(t, args...)
	if err != nil || !strings.Contains(text, "was already in") || !strings.Contains(text, "--encoder tiny") {
		t.Errorf("%v, %s", err, text)
	}
	_, err = invoke(t, "--data-dir", dir, "model", "add", stockModel("vgg"), "--name", "tiny")
	if !errors.Is(err, recsys.ErrConflict) {
		t.Errorf("another model of that name: %v, want ErrConflict", err)
	}
	useEncoder(t, dir, "tiny@"+added.Manifest.Version)
}

// useEncoder imports a picture with the encoder tiny, then changes to the built-in one.
func useEncoder(t *testing.T, dir, full string) {
	t.Helper()
	dsn := pgtest.New(t)
	items := filepath.Join(dir, "items.csv")
	write(t, items, "item_id,image\nred,red.png\nblue,blue.png\n")
	write(t, filepath.Join(dir, "red.png"), string(stripes(red, 16)))
	write(t, filepath.Join(dir, "blue.png"), string(stripes(blue, 16)))
	base := []string{"--data-dir", dir, "--database-url", dsn}
	out, status := run(t, append(base, "--encoder", "tiny", "import", "--items", items)...)
	if status != 0 || !strings.Contains(out, "2 loaded") {
		t.Fatalf("import ended with %d:\n%s", status, out)
	}
	out, status = run(t, append(base, "import", "--items", items)...)
	if status != 0 || !strings.Contains(out, "2 loaded") {
		t.Errorf("import without --encoder, where the encoder of the live space serves, ended with %d:\n%s", status, out)
	}
	out, status = run(t, append(base, "--encoder", "effnet-lite0", "import", "--items", items)...)
	if status != 0 || !strings.Contains(out, full) || !strings.Contains(out, "vitrine embed") {
		t.Errorf("import with another encoder ended with %d, want a hint that %s is live:\n%s", status, full, out)
	}
	out, status = run(t, append(base, "--json", "--encoder", "effnet-lite0", "embed")...)
	if status != 0 || !strings.Contains(out, `"encoder": "effnet-lite0@1"`) && !strings.Contains(out, `"encoder":"effnet-lite0@1"`) {
		t.Errorf("embed with another encoder ended with %d:\n%s", status, out)
	}
	out, status = run(t, append(base, "model", "spaces")...)
	if status != 0 || !strings.Contains(out, "space-5  live") || !strings.Contains(out, "vitrine embed") || !strings.Contains(out, "vitrine import") {
		t.Errorf("model spaces ended with %d:\n%s", status, out)
	}
	out, status = run(t, append(base, "model", "activate", "space-4")...)
	if status != 0 || !strings.Contains(out, "space-4 is live") {
		t.Errorf("model activate ended with %d:\n%s", status, out)
	}
	out, status = run(t, append(base, "--encoder", "large", "import", "--items", items)...)
	if status == 0 || !strings.Contains(out, `has [\"tiny\"]`) && !strings.Contains(out, `has ["tiny"]`) {
		t.Errorf("import with a missing encoder ended with %d, want it refused naming what there is:\n%s", status, out)
	}
}

func TestModelRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := filepath.Join(dir, "notes.onnx")
	write(t, text, "not a model")
	for name, c := range map[string]struct {
		args []string
		want error
	}{
		"no file":        {[]string{"inspect"}, recsys.ErrInvalid},
		"two files":      {[]string{"inspect", "a.onnx", "b.onnx"}, recsys.ErrInvalid},
		"a missing file": {[]string{"add", filepath.Join(dir, "gone.onnx")}, recsys.ErrNotFound},
		"no model":       {[]string{"add", text}, recsys.ErrCorrupt},
		"too large":      {[]string{"inspect", "--max-bytes", "100", stockModel("vgg")}, recsys.ErrExhausted},
		"a wrong rule":   {[]string{"add", "--input-rule", "colourful", stockModel("vgg")}, recsys.ErrInvalid},
		"a wrong tensor": {[]string{"add", "--output", "fc9", stockModel("vgg")}, recsys.ErrNotFound},
		"no picture":     {[]string{"add", "--picture", filepath.Join(dir, "gone.png"), stockModel("vgg")}, os.ErrNotExist},
		"no tokenizer":   {[]string{"add", stockModel("bert")}, recsys.ErrInvalid},
	} {
		if _, err := invoke(t, append([]string{"--data-dir", dir, "model"}, c.args...)...); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "encoders")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the encoders' folder: %v; want none made", err)
	}
}
