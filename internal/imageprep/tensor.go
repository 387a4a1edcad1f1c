package imageprep

import "math"

// Tensor applies the rule: rule.Len() values, channels one after another (red, green,
// blue), each row by row. The result is owned by the caller. The rule must be valid.
//
// Only the pixels that the centre crop needs are converted and scaled.
func (p *Picture) Tensor(rule Rule) []float32 {
	w, h := p.rows.size()
	outW, outH := scaled(w, h, rule.ShortSide)
	s := newScaler(p.rows,
		rule.Filter.newTaps(w, outW, (outW-rule.Crop)/2, rule.Crop),
		rule.Filter.newTaps(h, outH, (outH-rule.Crop)/2, rule.Crop))

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
func scaled(w, h, side int) (width, height int) {
	s := float64(side) / float64(min(w, h))
	if w <= h {
		return side, int(math.RoundToEven(float64(h) * s))
	}
	return int(math.RoundToEven(float64(w) * s)), side
}
