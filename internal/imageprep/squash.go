package imageprep

// Squash scales the picture to width × height pixels whatever its shape and returns them as
// triples of red, green, blue, row by row. Every source pixel counts by the area it covers, so
// that sizes which divide evenly give plain means. width and height must be positive.
func (p *Picture) Squash(width, height int) []byte {
	w, h := p.rows.size()
	columns, lines := newShares(w, width), newShares(h, height)
	sums := make([]float64, 3*width*height)
	row, across := make([]uint32, w), make([]float64, 3*width)
	for y := range h {
		p.rows.row(row, y, 0, w)
		columns.add(row, across)
		for _, share := range lines[y] {
			line := sums[3*width*share.to : 3*width*(share.to+1)]
			for i, v := range across {
				line[i] += share.weight * v
			}
		}
	}
	out := make([]byte, len(sums))
	for i, v := range sums {
		out[i] = byte(min(v+.5, 255))
	}
	return out
}

// shares says, for every pixel of an axis, which output pixels it is part of and by how much.
type shares [][]share

type share struct {
	to     int
	weight float64 // of the output pixel; those of one output sum to 1
}

// newShares scales an axis of in pixels to out.
func newShares(in, out int) shares {
	all := make(shares, in)
	length := float64(in) / float64(out) // of an output pixel in input pixels
	for to := range out {
		from, until := float64(to)*length, float64(to+1)*length
		for i := int(from); i < in && float64(i) < until; i++ {
			covered := min(until, float64(i+1)) - max(from, float64(i))
			if covered > 1e-9 { // not what rounding leaves at an edge
				all[i] = append(all[i], share{to, covered / length})
			}
		}
	}
	return all
}

// add scales one row of pixels into across, three sums an output pixel.
func (s shares) add(row []uint32, across []float64) {
	clear(across)
	for x, rgb := range row {
		for _, share := range s[x] {
			at := across[3*share.to : 3*share.to+3]
			at[0] += share.weight * float64(rgb&255)
			at[1] += share.weight * float64(rgb>>8&255)
			at[2] += share.weight * float64(rgb>>16&255)
		}
	}
}
