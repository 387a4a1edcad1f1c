package space

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"

	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

const (
	formatMagic = "vtrspace"
	// A space that has nothing to do with texts is written in the first version, so that an
	// earlier release reads it too.
	formatPlain   = 1
	formatText    = 2
	formatLearned = 3
)

// The coders as FORMAT.md numbers them.
const (
	coderImage = iota + 1
	coderOneHot
	coderHash
	coderNumber
	coderLabels
	coderText
	coderLearned
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// MarshalBinary writes the space as FORMAT.md says; Unmarshal reads it back. Equal spaces give
// equal bytes. The error is always nil.
func (s *Space) MarshalBinary() ([]byte, error) {
	w := writer{version: s.version()}
	w.b = append([]byte(formatMagic), w.version, 0, 0, 0)
	w.bool(s.bootstrap)
	w.count(s.fittedOn)
	w.schema(s.schema)
	w.count(len(s.blocks))
	for _, b := range s.blocks {
		w.block(b)
	}
	return binary.LittleEndian.AppendUint32(w.b, crc32.Checksum(w.b, castagnoli)), nil
}

// version is the first that can say what the space says.
func (s *Space) version() byte {
	switch {
	case s.Learned() != "":
		return formatLearned
	case s.textual():
		return formatText
	}
	return formatPlain
}

// textual reports whether schema or blocks say anything of texts.
func (s *Space) textual() bool { return s.schema.Text != (TextRule{}) || s.TextEncoder() != "" }

type writer struct {
	b       []byte
	version byte
}

func (w *writer) byte(v byte)       { w.b = append(w.b, v) }
func (w *writer) count(v int)       { w.b = binary.LittleEndian.AppendUint32(w.b, uint32(v)) }
func (w *writer) real(v float64)    { w.b = binary.LittleEndian.AppendUint64(w.b, math.Float64bits(v)) }
func (w *writer) reals(v []float32) { w.b = vecmath.AppendBytes(w.b, v) }

func (w *writer) bool(v bool) {
	if v {
		w.byte(1)
	} else {
		w.byte(0)
	}
}

func (w *writer) text(v string) {
	w.count(len(v))
	w.b = append(w.b, v...)
}

func (w *writer) schema(s Schema) {
	w.text(string(s.Image.Use))
	w.real(s.Image.Weight)
	w.text(s.Image.Reason)
	if w.version >= formatText {
		w.text(string(s.Text.Use))
		w.real(s.Text.Weight)
		w.text(s.Text.Reason)
	}
	w.count(len(s.Attributes))
	for _, r := range s.Attributes {
		w.text(r.Name)
		w.byte(byte(r.Kind))
		w.text(string(r.Use))
		w.text(string(r.Encoding))
		w.real(r.Weight)
		w.text(r.Reason)
	}
}

func (w *writer) block(b block) {
	head := func(coder byte) {
		w.byte(coder)
		w.text(b.name)
		w.real(b.weight)
	}
	switch c := b.coder.(type) {
	case *image:
		head(coderImage)
		w.image(c)
	case *text:
		head(coderText)
		w.text(c.encoder)
		w.image(&c.image)
	case *learned:
		head(coderLearned)
		w.image(&c.image)
		w.reals(c.centre)
		w.text(c.label)
		w.real(c.weight)
		w.count(c.outputs)
		w.reals(c.head)
		w.reals(c.offset)
	case *oneHot:
		head(coderOneHot)
		w.count(len(c.values))
		for _, v := range c.values {
			w.text(v)
		}
	case *hashed:
		head(coderHash)
		w.count(c.width)
	case *number:
		head(coderNumber)
		w.bool(c.log)
		w.real(c.floor)
		w.real(c.median)
		w.real(c.spread)
	case *allLabels:
		head(coderLabels)
		w.count(c.width)
	}
	w.bool(b.mean != nil)
	w.reals(b.mean)
}

func (w *writer) image(c *image) {
	w.count(c.raw)
	w.count(len(c.projection) / c.raw)
	w.reals(c.projection)
}

// Unmarshal reads what MarshalBinary wrote; b is not kept. recsys.ErrCorrupt on any fault; recsys.ErrIncompatible
// if the bytes are whole but of a version this program does not know.
func Unmarshal(b []byte) (*Space, error) {
	const head, tail = len(formatMagic) + 4, 4
	if len(b) < head+tail || string(b[:len(formatMagic)]) != formatMagic {
		return nil, fmt.Errorf("embedding space: not one: %w", recsys.ErrCorrupt)
	}
	body := b[:len(b)-tail]
	if crc32.Checksum(body, castagnoli) != binary.LittleEndian.Uint32(b[len(body):]) {
		return nil, fmt.Errorf("embedding space: checksum does not match: %w", recsys.ErrCorrupt)
	}
	version := binary.LittleEndian.Uint32(b[len(formatMagic):])
	if version < formatPlain || version > formatLearned {
		return nil, fmt.Errorf("embedding space: version %d, want %d to %d: %w", version, formatPlain, formatLearned, recsys.ErrIncompatible)
	}
	r := reader{b: body[head:], textual: version >= formatText}
	s := r.space()
	if r.err == nil && uint32(s.version()) != version {
		r.fail("version %d does not fit what it says of texts and of what was learned", version)
	}
	if r.err == nil && len(r.b) > 0 {
		r.fail("%d bytes too many", len(r.b))
	}
	if r.err != nil {
		return nil, fmt.Errorf("embedding space: %w: %w", r.err, recsys.ErrCorrupt)
	}
	return s, nil
}
