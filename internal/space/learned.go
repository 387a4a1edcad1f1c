package space

import (
	"math"

	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

// learned is the coder of the picture with a linear map beside it that was learned from a label of
// the shop:
//
//	y = [√(1−w)·u, √w·v]    u = (x − centre)/|x − centre|    v = (Wu + b)/|Wu + b|
//
// x is the code of image. What the map has not learned to see stays visible in u. y is a unit
// vector where both parts exist.
type learned struct {
	image
	centre  []float32 // mean of image's codes
	label   string    // the attribute it was learned from
	weight  float64   // w
	outputs int       // rows of W
	head    []float32 // W, outputs × kept
	offset  []float32 // b
}

func (c *learned) dims() int { return c.kept + c.outputs }

func (c *learned) code(in *Input, out []float32) bool {
	u, v := out[:c.kept], out[c.kept:]
	if !c.image.code(in, u) {
		return false
	}
	before := length(u)
	vecmath.Axpy(-1, c.centre, u)
	const nothing = 1e-5 // as block.embed
	if !(length(u) > nothing*before) || !vecmath.Normalize(u) {
		return false
	}
	c.apply(u, v)
	scale(u, math.Sqrt(1-c.weight))
	scale(v, math.Sqrt(c.weight))
	return true
}

// apply writes the unit vector v of u; zeros where the map says nothing.
func (c *learned) apply(u, v []float32) {
	vecmath.DotRows(u, c.head, v)
	vecmath.Axpy(1, c.offset, v)
	if !vecmath.Normalize(v) {
		clear(v)
	}
}

// Learned names the attribute that the picture's block was learned from; "" if it was not.
func (s *Space) Learned() string {
	for _, b := range s.blocks {
		if c, ok := b.coder.(*learned); ok {
			return c.label
		}
	}
	return ""
}
