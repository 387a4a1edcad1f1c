//go:build minilm

// The real text encoder, which make minilm fetches; .ci/run does.

package onnx

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"
)

// all-MiniLM-L6-v2, made an encoder and run here, gives the vectors that Python's tokenizers and
// onnxruntime give: testdata/make_minilm.py.
func TestMiniLMEqualsReference(t *testing.T) {
	t.Parallel()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(cache, "vitrine", "all-minilm-l6-v2")
	tokenizer, err := os.ReadFile(filepath.Join(dir, "all-minilm-l6-v2-tokenizer.json"))
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join("testdata", "minilm.json"))
	if err != nil {
		t.Fatal(err)
	}
	var golden []struct {
		Text   string
		Tokens int
		Vector []float32
	}
	if err := json.Unmarshal(data, &golden); err != nil {
		t.Fatal(err)
	}
	s := strip(t, StripConfig{SourceConfig: sourceConfig(os.DirFS(dir), "all-minilm-l6-v2.onnx"), Tokenizer: tokenizer})
	if m := s.Manifest; m.Name != "all-minilm-l6-v2" || m.Licence != "Apache-2.0" || m.Output.Dims != 384 {
		t.Errorf("manifest %+v", m)
	}
	e := openText(t, s)
	for _, g := range golden {
		tokens := e.Tokens(g.Text)
		if len(tokens) != g.Tokens {
			t.Errorf("%.30q: %d tokens, want %d", g.Text, len(tokens), g.Tokens)
		}
		got, err := e.Encode(t.Context(), tokens)
		if err != nil {
			t.Fatal(err)
		}
		var dot float64
		for i := range got {
			dot += float64(got[i]) * float64(g.Vector[i])
		}
		if cosine := dot / (length(got) * length(g.Vector)); math.Abs(1-cosine) > 1e-6 {
			t.Errorf("%.30q: cosine %.8f to the reference", g.Text, cosine)
		}
	}
}
