package imageprep

import "math"

// Tensor applies the rule: rule.Len() values, channels one after another (red, green,
// blue), each row by row. The result is owned by the caller. The rule must be valid.
//
// Only the pixels that the centre crop needs are converted and scaled.
func (p *Picture) Tensor(rule Rule) []float32 {
	across, down := p.axes()
	outW, outH := scaled(across.length, down.length, rule.ShortSide)
	s := newScaler(p.rows,
		rule.Filter.newTaps(across, outW, (outW-rule.Crop)/2, rule.Crop),
		rule.Filter.newTaps(down, outH, (outH-rule.Crop)/2, rule.Crop))

	levels := [3][256]float32{rule.levels(0), rule.levels(1), rule.levels(2)}
	tensor := make([]float32, rule.Len())
	plane := rule.Crop * rule.Crop
	row := make([]uint64, s.words)
	for y := range rule.Crop {
		s.row(row, y)
		at := y * rule.Crop
		red, green, blue := tensor[at:at+rule.Crop], tensor[plane+at:][:rule.Crop], tensor[2*plane+at:][:rule.Crop]
		for x := range red {
			rgb := row[x/2] >> (x % 2 * 32)
			red[x], green[x], blue[x] = levels[0][rgb&255], levels[1][rgb>>8&255], levels[2][rgb>>16&255]
		}
	}
	return tensor
}

// scaled is the size with the short side at side, the long one in proportion, rounded half
// to even as Python's round.
func scaled(w, h float64, side int) (width, height int) {
	s := float64(side) / min(w, h)
	if w <= h {
		return side, int(math.RoundToEven(h * s))
	}
	return int(math.RoundToEven(w * s)), side
}

// axis is one side of a picture.
type axis struct {
	samples int
	length  float64 // in samples; less than their number where the last one shows less
}

func whole(samples int) axis { return axis{samples, float64(samples)} }

func (p *Picture) axes() (across, down axis) {
	across, down = whole(p.Width()), whole(p.Height())
	if p.across > 0 {
		across.length, down.length = p.across, p.down
	}
	return across, down
}
