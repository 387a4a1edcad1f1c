package space

import (
	"math"

	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

// Input is what a vector is made of.
type Input struct {
	Image       []float32 // raw encoder output; nil: no picture
	Text        []float32 // raw output of a text encoder; nil: no text
	TextEncoder string    // whose output Text is, name@version
	Attributes  map[string]recsys.Attribute
}

// Space is an embedding space. It is immutable and safe for concurrent use.
type Space struct {
	blocks    []block
	dims      int
	schema    Schema
	fittedOn  int
	bootstrap bool
}

// Block is a stretch of every vector of a space.
type Block struct {
	Name         string  // "image", "text", or the attribute's
	Weight       float64 // its share is this over the sum of those present
	Offset, Dims int
}

type block struct {
	name   string
	weight float64
	offset int
	coder  coder
	mean   []float32 // subtracted from codes, coder.dims() long; nil: nothing is
}

// coder makes numbers of one aspect of an item.
type coder interface {
	dims() int
	// code writes the aspect into out, which is dims() zeros; false, whatever is then in out,
	// if the item lacks it. It must not keep in or out and be safe for concurrent use.
	code(in *Input, out []float32) bool
}

// newSpace lays the blocks out one after another.
func newSpace(blocks []block, schema Schema, fittedOn int) *Space {
	s := &Space{blocks: blocks, schema: schema, fittedOn: fittedOn}
	for i := range s.blocks {
		s.blocks[i].offset = s.dims
		s.dims += s.blocks[i].coder.dims()
	}
	return s
}

// Dims is the length of a vector.
func (s *Space) Dims() int { return s.dims }

// Bootstrapped reports whether the space comes from Bootstrap and knows nothing of the catalogue.
func (s *Space) Bootstrapped() bool { return s.bootstrap }

// FittedOn is how many items the space was fitted on.
func (s *Space) FittedOn() int { return s.fittedOn }

// Schema is what the space was fitted with; the caller may change the copy's fields but not its
// Attributes.
func (s *Space) Schema() Schema { return s.schema }

// TextEncoder names the encoder that texts must come from; "" if the space has no text block.
func (s *Space) TextEncoder() string {
	for _, b := range s.blocks {
		if c, ok := b.coder.(*text); ok {
			return c.encoder
		}
	}
	return ""
}

// Layout lists the blocks in the order they have in a vector.
func (s *Space) Layout() []Block {
	out := make([]Block, len(s.blocks))
	for i, b := range s.blocks {
		out[i] = Block{Name: b.name, Weight: b.weight, Offset: b.offset, Dims: b.coder.dims()}
	}
	return out
}

// Embed returns the unit vector of an item, Dims long and owned by the caller; nil if the item
// has none of the blocks. What Check refuses counts as absent.
func (s *Space) Embed(in Input) []float32 {
	out := make([]float32, s.dims)
	var present float64
	for i := range s.blocks {
		b := &s.blocks[i]
		part := out[b.offset : b.offset+b.coder.dims()]
		if !b.embed(&in, part) {
			clear(part)
			continue
		}
		present += b.weight
		scale(part, math.Sqrt(b.weight))
	}
	if present == 0 {
		return nil
	}
	scale(out, 1/math.Sqrt(present))
	return out
}

// embed writes the centred unit vector of a block; false if the item lacks the block, or is so
// near the mean that only rounding would be left.
func (b *block) embed(in *Input, out []float32) bool {
	if !b.coder.code(in, out) {
		return false
	}
	if b.mean != nil {
		const nothing = 1e-5
		before := length(out)
		vecmath.Axpy(-1, b.mean, out)
		if !(length(out) > nothing*before) {
			return false
		}
	}
	return vecmath.Normalize(out)
}

func scale(x []float32, by float64) {
	for i := range x {
		x[i] = float32(float64(x[i]) * by)
	}
}

// Blocks returns the cosine, -1 to 1, of every block that both vectors have. Vectors of another
// length have none.
func (s *Space) Blocks(a, b []float32) map[string]float32 {
	out := make(map[string]float32, len(s.blocks))
	if len(a) != s.dims || len(b) != s.dims {
		return out
	}
	for i := range s.blocks {
		from := s.blocks[i].offset
		to := from + s.blocks[i].coder.dims()
		if cosine, ok := cosine(a[from:to], b[from:to]); ok {
			out[s.blocks[i].name] = cosine
		}
	}
	return out
}

func cosine(a, b []float32) (float32, bool) {
	var ab, aa, bb float64
	for i := range a {
		x, y := float64(a[i]), float64(b[i])
		ab += x * y
		aa += x * x
		bb += y * y
	}
	c := ab / (math.Sqrt(aa) * math.Sqrt(bb))
	if !finite(c) {
		return 0, false
	}
	return float32(min(max(c, -1), 1)), true
}

// Check reports all that Embed would pass over in silence because it is not what the space was
// fitted on: a picture of another length or not finite ("image"), the same of a text, or one of
// another encoder ("text"), an attribute of another kind than the schema says, or not finite
// ("attributes.NAME"). Values never seen are no fault.
func (s *Space) Check(in Input) error {
	var f faults
	for _, b := range s.blocks {
		switch c := b.coder.(type) {
		case *image:
			c.check(&in, f.add)
		case *learned:
			c.check(&in, f.add)
		case *text:
			if fault := c.fault(&in); fault != "" {
				f.add(textBlock, "%s", fault)
			}
		}
	}
	for _, rule := range s.schema.Attributes {
		a, ok := in.Attributes[rule.Name]
		if !ok || !rule.Embedded() {
			continue
		}
		labelled := a.Kind == recsys.KindNumber && rule.Kind == recsys.KindLabels
		if a.Kind != rule.Kind && !labelled {
			f.add("attributes."+rule.Name, "is %v, want %v", a.Kind, rule.Kind)
		}
	}
	checkFinite(in.Attributes, "", f.add)
	return f.err()
}
