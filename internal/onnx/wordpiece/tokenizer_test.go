package wordpiece

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// golden is what the reference tokenizer makes; testdata/make_golden.py made it.
type golden struct {
	Limit int `json:"limit"`
	Texts []struct {
		Text string  `json:"text"`
		IDs  []int64 `json:"ids"`
	} `json:"texts"`
	Assigned string            `json:"assigned"`
	Blocks   map[string]string `json:"blocks"`
}

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func readGolden(t testing.TB) golden {
	t.Helper()
	var g golden
	if err := json.Unmarshal(readFile(t, "golden.json"), &g); err != nil {
		t.Fatal(err)
	}
	if len(g.Texts) < 60 || len(g.Blocks) < 300 {
		t.Fatalf("golden.json has %d texts and %d blocks, want at least 60 and 300", len(g.Texts), len(g.Blocks))
	}
	return g
}

func open(t testing.TB) *Tokenizer {
	t.Helper()
	tokenizer, err := New(readFile(t, "vocab.txt"))
	if err != nil {
		t.Fatal(err)
	}
	return tokenizer
}

func TestGolden(t *testing.T) {
	t.Parallel()
	g, tokenizer := readGolden(t), open(t)
	for _, want := range g.Texts {
		if diff := cmp.Diff(want.IDs, tokenizer.Encode(want.Text, g.Limit)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", want.Text, diff)
		}
	}
}

// Every character that the reference's Unicode knows, between two letters.
func TestGoldenCharacters(t *testing.T) {
	t.Parallel()
	g, tokenizer := readGolden(t), open(t)
	rows := map[int]*strings.Builder{}
	for span := range strings.FieldsSeq(g.Assigned) {
		first, last, _ := strings.Cut(span, "-")
		from, err := strconv.ParseInt(first, 16, 32)
		if err != nil {
			t.Fatal(err)
		}
		to, err := strconv.ParseInt(last, 16, 32)
		if err != nil {
			t.Fatal(err)
		}
		for c := int(from); c <= int(to); c++ {
			block := c &^ 255
			if rows[block] == nil {
				rows[block] = new(strings.Builder)
			}
			ids := fmt.Sprint(tokenizer.Encode("a"+string(rune(c))+"b", 100))
			fmt.Fprintf(rows[block], "%x:%s;", c, strings.ReplaceAll(strings.Trim(ids, "[]"), " ", ","))
		}
	}
	for block, want := range g.Blocks {
		start, err := strconv.Atoi(block)
		if err != nil {
			t.Fatal(err)
		}
		digest := sha256.Sum256([]byte(rows[start].String()))
		if got := hex.EncodeToString(digest[:])[:12]; got != want {
			t.Errorf("characters from U+%04X on: digest %s, want %s", start, got, want)
		}
	}
}

// small is a tokenizer.json of the shape that the library writes.
func small(t *testing.T, change func(map[string]any)) []byte {
	t.Helper()
	vocab := map[string]any{"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "blue": 4, "vas": 5, "##e": 6, "É": 7, "é": 8, "x": 9}
	f := map[string]any{
		"added_tokens":  []any{map[string]any{"id": 3, "content": "[SEP]", "special": true}},
		"normalizer":    map[string]any{"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": nil, "lowercase": true},
		"pre_tokenizer": map[string]any{"type": "BertPreTokenizer"},
		"model": map[string]any{"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
			"max_input_chars_per_word": 100, "vocab": vocab},
	}
	if change != nil {
		change(f)
	}
	data, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestJSON(t *testing.T) {
	t.Parallel()
	tokenizer, err := New(small(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := tokenizer.Encode("BLUE vase [SEP] vases", 20), []int64{2, 4, 5, 6, 3, 1, 3}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	cased, err := New(small(t, func(f map[string]any) { f["normalizer"].(map[string]any)["lowercase"] = false }))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := cased.Encode("É é BLUE", 20), []int64{2, 7, 8, 1, 3}; !slices.Equal(got, want) {
		t.Errorf("cased: got %v, want %v: accents stay where case does", got, want)
	}
	if tokenizer.Pad() != 0 || tokenizer.Size() != 10 {
		t.Errorf("pad %d, size %d; want 0, 10", tokenizer.Pad(), tokenizer.Size())
	}
}

func TestLimit(t *testing.T) {
	t.Parallel()
	tokenizer := open(t)
	long := strings.Repeat("vase ", 1<<20)
	for limit := range 20 {
		if got, want := len(tokenizer.Encode(long, limit)), max(limit, 2); got != want {
			t.Errorf("limit %d: %d ids, want %d", limit, got, want)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	model := func(key string, value any) []byte {
		return small(t, func(f map[string]any) { f["model"].(map[string]any)[key] = value })
	}
	for name, c := range map[string]struct {
		data []byte
		want error
	}{
		"nothing":           {nil, recsys.ErrCorrupt},
		"some text":         {[]byte("one\ntwo\n"), recsys.ErrCorrupt},
		"broken JSON":       {[]byte(`{"model": `), recsys.ErrCorrupt},
		"BPE":               {model("type", "BPE"), recsys.ErrUnimplemented},
		"another splitter":  {small(t, func(f map[string]any) { f["pre_tokenizer"] = map[string]any{"type": "Metaspace"} }), recsys.ErrUnimplemented},
		"no normaliser":     {small(t, func(f map[string]any) { f["normalizer"] = nil }), recsys.ErrUnimplemented},
		"no unknown token":  {model("unk_token", "?"), recsys.ErrCorrupt},
		"negative id":       {model("vocab", map[string]any{"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "a": -1}), recsys.ErrCorrupt},
		"no word length":    {model("max_input_chars_per_word", 0), recsys.ErrCorrupt},
		"misplaced special": {small(t, func(f map[string]any) { f["added_tokens"] = []any{map[string]any{"id": 9, "content": "[SEP]"}} }), recsys.ErrCorrupt},
	} {
		if _, err := New(c.data); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func FuzzEncode(f *testing.F) {
	for _, text := range readGolden(f).Texts {
		f.Add(text.Text, 16)
	}
	tokenizer := open(f)
	size := tokenizer.Size()
	f.Fuzz(func(t *testing.T, text string, limit int) {
		limit %= 1000
		ids := tokenizer.Encode(text, limit)
		if len(ids) < 2 || len(ids) > max(limit, 2) {
			t.Fatalf("%d ids, want 2 to %d", len(ids), max(limit, 2))
		}
		for _, id := range ids {
			if id < 0 || id >= size {
				t.Fatalf("id %d, want below %d", id, size)
			}
		}
	})
}

func FuzzNew(f *testing.F) {
	f.Add([]byte(`{"model":{"type":"WordPiece","vocab":{"[UNK]":0}}}`))
	f.Add([]byte("[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n##b\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		tokenizer, err := New(data)
		if err != nil {
			if !errors.Is(err, recsys.ErrCorrupt) && !errors.Is(err, recsys.ErrUnimplemented) {
				t.Fatalf("got %v, want ErrCorrupt or ErrUnimplemented", err)
			}
			return
		}
		tokenizer.Encode("ab [SEP] é", 10)
	})
}

func BenchmarkEncode(b *testing.B) {
	tokenizer := open(b)
	b.ReportAllocs()
	for b.Loop() {
		tokenizer.Encode("Signed lower right: P. Cézanne; oil on canvas, 65 × 81 cm, antidisestablishmentarianism", 128)
	}
}
