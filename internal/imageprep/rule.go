package imageprep

import (
	"errors"
	"fmt"
	"math"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// Filter is how a picture is scaled.
type Filter int

const (
	// Bicubic is Keys' cubic convolution over two pixels to each side.
	Bicubic Filter = iota
	// Bilinear is a triangle over one pixel to each side.
	Bilinear
)

// Rule says how a picture becomes an encoder's input: the short side is scaled with Filter,
// which is stretched when it shrinks (antialiasing), to ShortSide pixels, a square of Crop pixels is cut from the centre, and a channel value v
// of 0…255 becomes (v − Mean[c]) / Std[c], channels in the order red, green, blue.
type Rule struct {
	ShortSide int
	Crop      int
	Filter    Filter
	Mean      [3]float32
	Std       [3]float32
}

// maxSide bounds both sides of a Rule; the encoders in use want 224 to 518.
const maxSide = 4096

// Validate reports every setting that is out of range.
func (r Rule) Validate() error {
	var faults []error
	if r.ShortSide < 1 || r.ShortSide > maxSide {
		faults = append(faults, fmt.Errorf("short side %d: want 1 to %d: %w", r.ShortSide, maxSide, recsys.ErrInvalid))
	}
	if r.Crop < 1 || r.Crop > r.ShortSide {
		faults = append(faults, fmt.Errorf("crop %d: want 1 to the short side, %d: %w", r.Crop, r.ShortSide, recsys.ErrInvalid))
	}
	if r.Filter != Bicubic && r.Filter != Bilinear {
		faults = append(faults, fmt.Errorf("filter %d: want bicubic or bilinear: %w", r.Filter, recsys.ErrInvalid))
	}
	for c := range r.Mean {
		if !finite(r.Mean[c]) || !finite(r.Std[c]) || r.Std[c] <= 0 {
			faults = append(faults, fmt.Errorf("channel %d: mean %v, std %v: want finite values, std above 0: %w", c, r.Mean[c], r.Std[c], recsys.ErrInvalid))
		}
	}
	return errors.Join(faults...)
}

// Len is the number of values of a tensor: 3 · Crop · Crop.
func (r Rule) Len() int { return 3 * r.Crop * r.Crop }

// levels tabulates the normalisation of the 256 channel values.
func (r Rule) levels(c int) (table [256]float32) {
	for v := range table {
		table[v] = (float32(v) - r.Mean[c]) / r.Std[c]
	}
	return table
}

func finite(v float32) bool { return !math.IsNaN(float64(v)) && !math.IsInf(float64(v), 0) }
