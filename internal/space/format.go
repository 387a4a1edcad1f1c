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
	formatMagic   = "vtrspace"
	formatVersion = 1
)

// The coders as FORMAT.md numbers them.
const (
	coderImage = iota + 1
	coderOneHot
	coderHash
	coderNumber
	coderLabels
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// MarshalBinary writes the space as FORMAT.md says; Unmarshal reads it back. Equal spaces give
// equal bytes. The error is always nil.
func (s *Space) MarshalBinary() ([]byte, error) {
	w := writer{append([]byte(formatMagic), formatVersion, 0, 0, 0)}
	w.bool(s.bootstrap)
	w.count(s.fittedOn)
	w.schema(s.schema)
	w.count(len(s.blocks))
	for _, b := range s.blocks {
		w.block(b)
	}
	return binary.LittleEndian.AppendUint32(w.b, crc32.Checksum(w.b, castagnoli)), nil
}

type writer struct{ b []byte }

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
		w.count(c.raw)
		w.count(len(c.projection) / c.raw)
		w.reals(c.projection)
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
	if v := binary.LittleEndian.Uint32(b[len(formatMagic):]); v != formatVersion {
		return nil, fmt.Errorf("embedding space: version %d, want %d: %w", v, formatVersion, recsys.ErrIncompatible)
	}
	r := reader{b: body[head:]}
	s := r.space()
	if r.err == nil && len(r.b) > 0 {
		r.fail("%d bytes too many", len(r.b))
	}
	if r.err != nil {
		return nil, fmt.Errorf("embedding space: %w: %w", r.err, recsys.ErrCorrupt)
	}
	return s, nil
}
