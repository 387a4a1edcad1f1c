package wordpiece

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// Tokenizer is immutable and safe for concurrent use.
type Tokenizer struct {
	vocab        map[string]int64
	special      []string // tokens that stand for themselves wherever they are in a text
	unknown      int64
	begin, end   int64 // [CLS] and [SEP]
	pad          int64
	lower        bool
	stripAccents bool
	clean        bool
	splitChinese bool
	continuing   string              // what a piece that is not a word's first begins with
	maxWord      int                 // longer words, in characters, are unknown
	newer        *unicode.RangeTable // see afterUnicode8
	longestPiece int                 // of the vocabulary, bytes
	json         bool
}

// maxVocabulary bounds the words of a file; BERT's have 30,000 to 120,000.
const maxVocabulary = 1 << 20

// New reads a tokenizer.json or a vocab.txt. A vocab.txt is taken for that of an uncased model.
//
// Errors: recsys.ErrCorrupt for what is neither, recsys.ErrUnimplemented for another scheme
// than BERT's.
func New(data []byte) (*Tokenizer, error) {
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) {
		return fromJSON(data)
	}
	return fromVocab(data)
}

// fromVocab reads one token a line; the line's number is the id.
func fromVocab(data []byte) (*Tokenizer, error) {
	t := &Tokenizer{vocab: map[string]int64{}, lower: true, stripAccents: true, clean: true, splitChinese: true, continuing: "##", maxWord: 100}
	lines := bufio.NewScanner(bytes.NewReader(data))
	for n := int64(0); lines.Scan(); n++ {
		if n >= maxVocabulary {
			return nil, corrupt("more than %d lines", maxVocabulary)
		}
		t.vocab[strings.TrimSuffix(lines.Text(), "\r")] = n
	}
	if err := lines.Err(); err != nil {
		return nil, corrupt("%v", err)
	}
	return t, t.finish("[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]")
}

func corrupt(format string, args ...any) error {
	return fmt.Errorf("tokenizer: "+format+": %w", append(args, recsys.ErrCorrupt)...)
}

// finish looks up the special tokens; mask may be missing.
func (t *Tokenizer) finish(unknown, begin, end, pad, mask string) error {
	for token, id := range map[string]*int64{unknown: &t.unknown, begin: &t.begin, end: &t.end, pad: &t.pad} {
		v, ok := t.vocab[token]
		if !ok {
			return corrupt("the vocabulary has no %q", token)
		}
		*id = v
	}
	t.newer = afterUnicode8()
	if t.special == nil {
		t.special = []string{unknown, begin, end, pad, mask}
	}
	for token := range t.vocab {
		t.longestPiece = max(t.longestPiece, len(token))
	}
	return nil
}

// file is the part of a tokenizer.json that decides ids. Truncation and padding are the
// caller's.
type file struct {
	AddedTokens []struct {
		ID      int64  `json:"id"`
		Content string `json:"content"`
		Special bool   `json:"special"`
	} `json:"added_tokens"`
	Normalizer *struct {
		Type         string `json:"type"`
		CleanText    bool   `json:"clean_text"`
		Chinese      bool   `json:"handle_chinese_chars"`
		StripAccents *bool  `json:"strip_accents"`
		Lowercase    bool   `json:"lowercase"`
	} `json:"normalizer"`
	PreTokenizer *struct {
		Type string `json:"type"`
	} `json:"pre_tokenizer"`
	Model struct {
		Type       string           `json:"type"`
		Unknown    string           `json:"unk_token"`
		Continuing string           `json:"continuing_subword_prefix"`
		MaxWord    int              `json:"max_input_chars_per_word"`
		Vocab      map[string]int64 `json:"vocab"`
	} `json:"model"`
}

func fromJSON(data []byte) (*Tokenizer, error) {
	var f file
	if err := json.Unmarshal(data, &f); err != nil {
		// Other schemes keep their vocabulary in another shape.
		return nil, corrupt("%v", err)
	}
	switch {
	case f.Model.Type != "WordPiece":
		return nil, fmt.Errorf("tokenizer: the model is %q, only WordPiece is known: %w", f.Model.Type, recsys.ErrUnimplemented)
	case f.Normalizer == nil || f.Normalizer.Type != "BertNormalizer":
		return nil, fmt.Errorf("tokenizer: only BertNormalizer is known: %w", recsys.ErrUnimplemented)
	case f.PreTokenizer == nil || f.PreTokenizer.Type != "BertPreTokenizer":
		return nil, fmt.Errorf("tokenizer: only BertPreTokenizer is known: %w", recsys.ErrUnimplemented)
	case len(f.Model.Vocab) > maxVocabulary || f.Model.MaxWord < 1:
		return nil, corrupt("%d words, words of at most %d characters", len(f.Model.Vocab), f.Model.MaxWord)
	}
	for token, id := range f.Model.Vocab {
		if id < 0 || id >= maxVocabulary {
			return nil, corrupt("the token %q has the id %d", token, id)
		}
	}
	n := f.Normalizer
	t := &Tokenizer{vocab: f.Model.Vocab, lower: n.Lowercase, stripAccents: n.Lowercase, clean: n.CleanText, splitChinese: n.Chinese,
		continuing: f.Model.Continuing, maxWord: f.Model.MaxWord, special: []string{}}
	if n.StripAccents != nil {
		t.stripAccents = *n.StripAccents
	}
	for _, added := range f.AddedTokens {
		if id, ok := t.vocab[added.Content]; !ok || id != added.ID {
			return nil, corrupt("the added token %q is not in the vocabulary as %d", added.Content, added.ID)
		}
		if added.Content != "" {
			t.special = append(t.special, added.Content)
		}
	}
	t.json = true
	return t, t.finish(f.Model.Unknown, "[CLS]", "[SEP]", "[PAD]", "[MASK]")
}

// FromJSON reports whether the tokenizer was read out of a tokenizer.json.
func (t *Tokenizer) FromJSON() bool { return t.json }

// Pad is the id that fills up short rows of a batch.
func (t *Tokenizer) Pad() int64 { return t.pad }

// Size is one more than the largest id.
func (t *Tokenizer) Size() int64 {
	var size int64
	for _, id := range t.vocab {
		size = max(size, id+1)
	}
	return size
}
