package wordpiece

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Encode answers [CLS], the ids of the text, [SEP]: at most limit ids, 2 or more; what is too long
// is cut off at the end. Bytes that are no UTF-8 count as U+FFFD, which is dropped.
func (t *Tokenizer) Encode(text string, limit int) []int64 {
	e := encoding{t: t, ids: []int64{t.begin}, limit: max(limit, 2) - 1}
	for text != "" && !e.full() {
		at, token := t.nextSpecial(text)
		e.plain(text[:at])
		if token != "" {
			e.add(t.vocab[token])
		}
		text = text[at+len(token):]
	}
	return append(e.ids, t.end)
}

// nextSpecial finds the first special token that a text spells out; its end if there is none.
func (t *Tokenizer) nextSpecial(text string) (at int, token string) {
	at = len(text)
	for _, s := range t.special {
		if i := strings.Index(text, s); i >= 0 && (i < at || i == at && len(s) > len(token)) {
			at, token = i, s
		}
	}
	return at, token
}

// encoding gathers the ids of one text.
type encoding struct {
	t     *Tokenizer
	ids   []int64
	limit int // ids before [SEP]
	chunk []rune
}

func (e *encoding) full() bool { return len(e.ids) >= e.limit }

func (e *encoding) add(id int64) {
	if !e.full() {
		e.ids = append(e.ids, id)
	}
}

// plain cleans a text without special tokens and takes it apart at spaces, chunk by chunk, so
// that no more is worked on than the limit needs.
func (e *encoding) plain(text string) {
	for _, r := range text {
		switch {
		case e.full():
			return
		case e.t.clean && e.t.drops(r):
		case unicode.IsSpace(r):
			e.flush()
		case e.t.splitChinese && isChinese(r):
			e.flush()
			e.chunk = append(e.chunk, r)
			e.flush()
		default:
			e.chunk = append(e.chunk, r)
		}
	}
	e.flush()
}

// flush normalises the chunk and takes it apart at punctuation. Canonical decomposition never
// reaches over a space, so that chunk by chunk is as good as all at once.
func (e *encoding) flush() {
	chunk := string(e.chunk)
	e.chunk = e.chunk[:0]
	if e.t.stripAccents {
		chunk = norm.NFD.String(chunk)
	}
	var word strings.Builder
	for _, r := range chunk {
		if e.t.stripAccents && e.t.isMark(r) {
			continue
		}
		if e.t.lower {
			r = unicode.ToLower(r)
		}
		switch {
		case unicode.IsSpace(r):
			e.word(&word)
		case e.t.isPunctuation(r):
			e.word(&word)
			word.WriteRune(r)
			e.word(&word)
		default:
			word.WriteRune(r)
		}
	}
	e.word(&word)
}

// word adds the pieces of a word: from the front, the longest that the vocabulary has. A word
// with a part that is in no piece is unknown as a whole.
func (e *encoding) word(b *strings.Builder) {
	word := b.String()
	b.Reset()
	if word == "" || e.full() {
		return
	}
	if utf8.RuneCountInString(word) > e.t.maxWord {
		e.add(e.t.unknown)
		return
	}
	var pieces []int64
	prefix := ""
	for rest := word; rest != ""; prefix = e.t.continuing {
		id, n := e.t.longest(prefix, rest)
		if n == 0 {
			e.add(e.t.unknown)
			return
		}
		pieces = append(pieces, id)
		rest = rest[n:]
	}
	for _, id := range pieces {
		e.add(id)
	}
}

// longest finds the longest beginning of text that, after prefix, is a piece; its length in
// bytes is 0 if there is none.
func (t *Tokenizer) longest(prefix, text string) (id int64, n int) {
	for n = min(len(text), t.longestPiece); n > 0; n-- {
		if n < len(text) && !utf8.RuneStart(text[n]) {
			continue
		}
		if id, ok := t.vocab[prefix+text[:n]]; ok {
			return id, n
		}
	}
	return 0, 0
}

// drops: what cleaning takes out before spaces are looked at.
func (t *Tokenizer) drops(r rune) bool {
	switch r {
	case '\t', '\n', '\r':
		return false
	case 0, utf8.RuneError:
		return true
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co) && !unicode.Is(t.newer, r)
}

func (t *Tokenizer) isMark(r rune) bool {
	if r < utf8.RuneSelf {
		return false
	}
	former, punctuation := beforeUnicode9(r)
	return former || !punctuation && unicode.Is(unicode.Mn, r) && !unicode.Is(t.newer, r)
}

// isPunctuation: ASCII's signs, letters and digits apart, and what Unicode calls punctuation.
func (t *Tokenizer) isPunctuation(r rune) bool {
	if r < utf8.RuneSelf {
		return r > ' ' && r < 0x7f && !('0' <= r && r <= '9' || 'A' <= r && r <= 'Z' || 'a' <= r && r <= 'z')
	}
	_, former := beforeUnicode9(r)
	return former || unicode.IsPunct(r) && !unicode.Is(t.newer, r)
}

// isChinese: the blocks of CJK ideographs, as BERT's original tokenizer lists them.
func isChinese(r rune) bool {
	for _, block := range [...][2]rune{
		{0x4E00, 0x9FFF}, {0x3400, 0x4DBF}, {0x20000, 0x2A6DF}, {0x2A700, 0x2B73F},
		{0x2B740, 0x2B81F}, {0x2B920, 0x2CEAF}, {0xF900, 0xFAFF}, {0x2F800, 0x2FA1F},
	} {
		if r >= block[0] && r <= block[1] {
			return true
		}
	}
	return false
}
