package onnx

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// bertVocabulary fits the tiny BERT, which has 200 rows: specials, letters and some words.
func bertVocabulary() string {
	tokens := []string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "blue", "vase", "old", "man", "oil", "on", "##s", ",", "a"}
	for c := 'b'; c <= 'z'; c++ {
		tokens = append(tokens, string(c), "##"+string(c))
	}
	for i := len(tokens); i < 200; i++ {
		tokens = append(tokens, fmt.Sprintf("unused%d", i))
	}
	return strings.Join(tokens, "\n") + "\n"
}

// textFiles hold the tiny BERT.
func textFiles(t testing.TB) fstest.MapFS {
	t.Helper()
	model, err := os.ReadFile("testdata/stock/bert.onnx")
	if err != nil {
		t.Fatal(err)
	}
	return fstest.MapFS{"bert.onnx": {Data: model}}
}

func stripBERT(t testing.TB) *Stripped {
	return strip(t, StripConfig{SourceConfig: sourceConfig(textFiles(t), "bert.onnx"), Tokenizer: []byte(bertVocabulary())})
}

// textConfig opens a stripped encoder of texts out of memory.
func textConfig(t testing.TB, s *Stripped, change func(*Manifest)) Config {
	t.Helper()
	m := s.Manifest
	if change != nil {
		change(&m)
	}
	manifest, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	config := DefaultConfig()
	config.Library = os.Getenv("VITRINE_ONNXRUNTIME_LIB")
	config.Manifest = "m.json"
	config.Files = fstest.MapFS{"m.json": {Data: manifest}, s.Manifest.File: {Data: s.model}, s.Manifest.Text.Tokenizer: {Data: s.tokenizer}}
	return config
}

func openText(t *testing.T, s *Stripped) *TextEncoder {
	t.Helper()
	e, err := OpenText(t.Context(), textConfig(t, s, nil))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// Mean over the tokens that are no padding, length 1, as PyTorch computes it.
func TestTextEncoderEqualsPyTorch(t *testing.T) {
	t.Parallel()
	s := stripBERT(t)
	if s.Manifest.Output.Pooling != "masked-mean" || s.Manifest.Text.MaxTokens != 32 {
		t.Errorf("pooling %s, at most %d tokens; want masked-mean, the model's 32", s.Manifest.Output.Pooling, s.Manifest.Text.MaxTokens)
	}
	e := openText(t, s)
	want := expectations(t)["bert"]
	for i, ids := range want.IDs {
		for len(ids) > 0 && ids[len(ids)-1] == 0 { // padding is the encoder's own affair
			ids = ids[:len(ids)-1]
		}
		got, err := e.Encode(t.Context(), ids)
		if err != nil {
			t.Fatal(err)
		}
		if d := largestShare(want.Vectors[i], got); d > 1e-4 || len(got) != e.Dims() {
			t.Errorf("text %d: %.2g of the largest value away from PyTorch's", i, d)
		}
	}
}

// Many callers with texts of many lengths: each gets the vector it gets alone.
func TestTextVectorsDoNotDependOnTheBatch(t *testing.T) {
	t.Parallel()
	e := openText(t, stripBERT(t))
	texts := []string{"", "blue vase", "an old man, oil on canvas", strings.Repeat("blue ", 100), "zzz", "a, b, c"}
	var alone [][]float32
	for _, text := range texts {
		v, err := e.Encode(t.Context(), e.Tokens(text))
		if err != nil {
			t.Fatal(err)
		}
		if n := length(v); math.Abs(n-1) > 1e-6 {
			t.Errorf("%q: length %v, want 1", text, n)
		}
		alone = append(alone, v)
	}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for k := range 12 {
				i := (5*g + k) % len(texts)
				got, err := e.Encode(t.Context(), e.Tokens(texts[i]))
				if err != nil {
					t.Error(err)
					return
				}
				if d := largestShare(alone[i], got); d > 1e-5 {
					t.Errorf("%q: %.2g away from its vector alone", texts[i], d)
				}
			}
		})
	}
	wg.Wait()
}

func TestTextEncoderRefuses(t *testing.T) {
	t.Parallel()
	e := openText(t, stripBERT(t))
	for name, ids := range map[string][]int64{"none": nil, "too many": make([]int64, 33), "unknown": {2, 200, 3}, "negative": {-1}} {
		if _, err := e.Encode(t.Context(), ids); !errors.Is(err, recsys.ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", name, err)
		}
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := e.Encode(canceled, []int64{2, 3}); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Encode(t.Context(), []int64{2, 3}); !errors.Is(err, recsys.ErrUnavailable) {
		t.Errorf("closed: %v, want ErrUnavailable", err)
	}
}

func TestOpenTextRefuses(t *testing.T) {
	t.Parallel()
	s := stripBERT(t)
	for name, c := range map[string]struct {
		change func(*Manifest)
		want   error
	}{
		"another tokenizer": {func(m *Manifest) { m.Text.SHA256 = strings.Repeat("0", 64) }, recsys.ErrCorrupt},
		"missing tokenizer": {func(m *Manifest) { m.Text.Tokenizer = "gone.json" }, recsys.ErrNotFound},
		"another model":     {func(m *Manifest) { m.SHA256 = strings.Repeat("0", 64) }, recsys.ErrCorrupt},
		"no mask":           {func(m *Manifest) { m.Text.Mask = "" }, recsys.ErrInvalid},
		"other names":       {func(m *Manifest) { m.Text.Mask = "mask" }, recsys.ErrIncompatible},
		"other dims":        {func(m *Manifest) { m.Output.Dims = 17 }, recsys.ErrIncompatible},
		"pictures": {func(m *Manifest) {
			m.Text, m.Input = Text{}, Input{Tensor: "x", Layout: "NCHW", Channels: "RGB", Size: 8, Resize: Resize{8, bicubic, "centre"}, Std: [3]float32{1, 1, 1}}
		}, recsys.ErrIncompatible},
	} {
		if e, err := OpenText(t.Context(), textConfig(t, s, c.change)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
			if err == nil {
				_ = e.Close()
			}
		}
	}
	if _, err := Open(t.Context(), textConfig(t, s, nil)); !errors.Is(err, recsys.ErrIncompatible) {
		t.Errorf("opened for pictures: %v, want ErrIncompatible", err)
	}
}

func TestStripTextRefuses(t *testing.T) {
	t.Parallel()
	files := textFiles(t)
	for name, c := range map[string]struct {
		tokenizer string
		want      error
	}{"none": {"", recsys.ErrInvalid}, "no tokenizer": {"some words\n", recsys.ErrCorrupt}, "another scheme": {`{"model": {"type": "BPE"}}`, recsys.ErrUnimplemented},
		"too large": {bertVocabulary() + "one more\n", recsys.ErrIncompatible}} {
		if _, err := Strip(t.Context(), StripConfig{SourceConfig: sourceConfig(files, "bert.onnx"), Tokenizer: []byte(c.tokenizer)}); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}
