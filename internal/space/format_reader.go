package space

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

// reader takes the stored form apart. After the first fault err is set and everything it
// returns is zero; no count it returns exceeds what is left to read.
type reader struct {
	b       []byte
	textual bool // of the version that knows texts
	err     error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
}

func (r *reader) take(n int) []byte {
	if r.err == nil && (n < 0 || n > len(r.b)) {
		r.fail("cut short")
	}
	if r.err != nil {
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) bool() bool {
	v := r.byte()
	if v > 1 {
		r.fail("%d where 0 or 1 belongs", v)
	}
	return v == 1
}

func (r *reader) number() int {
	if b := r.take(4); b != nil {
		return int(binary.LittleEndian.Uint32(b))
	}
	return 0
}

// count reads how many things of at least size bytes each follow.
func (r *reader) count(size int) int {
	n := r.number()
	if n > len(r.b)/size {
		r.fail("%d entries do not fit into %d bytes", n, len(r.b))
		return 0
	}
	return n
}

// within reads a length.
func (r *reader) within(low, high int) int {
	n := r.number()
	if r.err == nil && (n < low || n > high) {
		r.fail("length %d, want %d to %d", n, low, high)
	}
	if r.err != nil {
		return 0
	}
	return n
}

func (r *reader) real() float64 {
	b := r.take(8)
	if b == nil {
		return 0
	}
	v := math.Float64frombits(binary.LittleEndian.Uint64(b))
	if !finite(v) {
		r.fail("a number is not finite")
		return 0
	}
	return v
}

func (r *reader) positive() float64 {
	v := r.real()
	if !(v > 0) {
		r.fail("%v where a positive number belongs", v)
		return 1
	}
	return v
}

// reals reads n float32; n is at most maxImageDims².
func (r *reader) reals(n int) []float32 {
	b := r.take(4 * n)
	if b == nil {
		return nil
	}
	v, err := vecmath.FromBytes(b)
	if err != nil || !vecmath.Finite(v) {
		r.fail("a number is not finite")
		return nil
	}
	return v
}

func (r *reader) text() string { return string(r.take(r.count(1))) }

func (r *reader) space() *Space {
	bootstrap := r.bool()
	fittedOn := r.number()
	schema := r.schema()
	blocks := make([]block, r.within(1, maxEmbedded+2))
	names := make(map[string]bool, len(blocks))
	for i := range blocks {
		if blocks[i] = r.block(); r.err != nil {
			return nil
		}
		if names[blocks[i].name] {
			r.fail("block %q occurs twice", blocks[i].name)
		}
		names[blocks[i].name] = true
	}
	if r.err != nil {
		return nil
	}
	s := newSpace(blocks, schema, fittedOn)
	s.bootstrap = bootstrap
	return s
}

func (r *reader) schema() Schema {
	s := Schema{Image: ImageRule{Use: Use(r.text()), Weight: r.real(), Reason: r.text()}}
	if r.textual {
		s.Text = TextRule{Use: Use(r.text()), Weight: r.real(), Reason: r.text()}
	}
	const smallest = 4*4 + 1 + 8
	if n := r.count(smallest); n > 0 {
		s.Attributes = make([]AttributeRule, n)
	}
	for i := range s.Attributes {
		s.Attributes[i] = AttributeRule{Name: r.text(), Kind: recsys.AttributeKind(r.byte()), Use: Use(r.text()),
			Encoding: Encoding(r.text()), Weight: r.real(), Reason: r.text()}
	}
	if r.err == nil {
		if err := s.Validate(); err != nil {
			r.fail("schema: %w", err)
		}
	}
	return s
}

func (r *reader) block() block {
	coder := r.byte()
	b := block{name: r.text(), weight: r.positive()}
	if b.weight < minWeight || b.weight > maxWeight*maxAttributes {
		r.fail("weight %v is out of range", b.weight)
	}
	switch coder {
	case coderImage:
		b.coder = r.image()
	case coderText:
		b.coder = r.encodedText()
	case coderLearned:
		b.coder = r.learned()
	case coderOneHot:
		b.coder = r.oneHot(b.name)
	case coderHash:
		b.coder = &hashed{name: b.name, width: r.within(1, 4096)}
	case coderNumber:
		b.coder = &number{name: b.name, log: r.bool(), floor: r.positive(), median: r.real(), spread: r.positive()}
	case coderLabels:
		b.coder = &allLabels{width: r.within(1, 4096)}
	default:
		r.fail("coder %d is not known", coder)
		return b
	}
	if r.bool() {
		b.mean = r.reals(b.coder.dims())
	}
	return b
}

func (r *reader) image() *image {
	c := &image{raw: r.within(1, maxImageDims)}
	components := r.within(0, 4096)
	if c.kept = components; components == 0 {
		c.kept = c.raw
		return c
	}
	c.projection = r.reals(components * c.raw)
	return c
}

func (r *reader) encodedText() *text {
	c := &text{encoder: r.text()}
	if n := len(c.encoder); n < 1 || n > maxNameBytes {
		r.fail("text encoder of %d bytes", n)
	}
	c.image = *r.image()
	return c
}

func (r *reader) learned() *learned {
	c := &learned{image: *r.image()}
	c.centre = r.reals(c.kept)
	c.label = r.text()
	if n := len(c.label); n < 1 || n > maxNameBytes {
		r.fail("learned from an attribute of %d bytes", n)
	}
	if c.weight = r.real(); !(c.weight > 0 && c.weight < 1) {
		r.fail("learned share %v, want above 0 and below 1", c.weight)
	}
	c.outputs = r.within(1, mostLearned)
	c.head = r.reals(c.outputs * c.kept)
	c.offset = r.reals(c.outputs)
	return c
}

func (r *reader) oneHot(name string) *oneHot {
	values := make([]string, r.count(4))
	for i := range values {
		values[i] = r.text()
	}
	c := newOneHot(name, values)
	if len(c.places) != len(values) || len(values) == 0 || len(values) > 4096 {
		r.fail("%d values, %d of them different, want 1 to 4096 different ones", len(values), len(c.places))
	}
	return c
}
