package atlas

import (
	"slices"
	"strconv"

	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/space"
)

// Item is what an evaluation knows of an item.
type Item struct {
	ID, Title string
	Input     space.Input // attributes and raw encoder output
	Picture   *Picture    // nil: none
}

// side is that of the square that a Picture is squashed to, in pixels.
const side = 64

// Picture is a small copy of an item's picture.
type Picture struct {
	Pixels        []byte // 64 × 64 triples of red, green, blue
	Width, Height int    // of the original
}

// Squashed is a decoded picture that can be made small, as *imageprep.Picture.
type Squashed interface {
	Width() int
	Height() int
	Squash(width, height int) []byte
}

// Small makes the small copy.
func Small(p Squashed) *Picture {
	return &Picture{Pixels: p.Squash(side, side), Width: p.Width(), Height: p.Height()}
}

// raw32 is the picture at 32 × 32 pixels: 3,072 values.
func (p *Picture) raw32() []float32 {
	const half = side / 2
	out := make([]float32, 3*half*half)
	for y := range side {
		for x := range side {
			for c := range 3 {
				out[3*((y/2)*half+x/2)+c] += float32(p.Pixels[3*(y*side+x)+c]) / 4
			}
		}
	}
	return out
}

// histogram is the root of the joint histogram of 8 × 8 × 8 colours, a unit vector.
func (p *Picture) histogram() []float32 {
	counts := make([]float64, 512)
	for i := 0; i < len(p.Pixels); i += 3 {
		counts[int(p.Pixels[i])>>5<<6|int(p.Pixels[i+1])>>5<<3|int(p.Pixels[i+2])>>5]++
	}
	out := make([]float32, len(counts))
	for i, n := range counts {
		out[i] = root(n / (side * side))
	}
	return out
}

// labelsOf lists an item's values of an attribute; a number as its decimal form.
func (it *Item) labelsOf(name string) []string {
	switch a := it.Input.Attributes[name]; a.Kind {
	case recsys.KindLabels:
		return slices.Compact(slices.Sorted(slices.Values(a.Labels)))
	case recsys.KindNumber:
		return []string{strconv.FormatFloat(a.Number, 'g', -1, 64)}
	}
	return nil
}
