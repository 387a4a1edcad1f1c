package imageprep

// orient undoes an orientation (EXIF 2.32, tag 0x0112).
func orient(r raster, orientation int) raster {
	if orientation == 1 {
		return r
	}
	w, h := r.size()
	o := &packedRaster{width: w, height: h}
	if orientation >= 5 {
		o.width, o.height = h, w
	}
	o.pix = make([]uint32, w*h)
	// Where pixel (0, 0) goes, and how far one step in x and in y moves.
	start, dx, dy := o.steps(w, h, orientation)
	// Sixteen rows at a time: where rows become columns, memory is then written in runs
	// instead of one pixel in every row of a large picture.
	const block = 16
	buf := make([]uint32, block*w)
	for y := 0; y < h; y += block {
		n := min(block, h-y)
		for k := range n {
			r.row(buf[w*k:w*(k+1)], y+k, 0, w)
		}
		for x := range w {
			to := start + y*dy + x*dx
			for k := range n {
				o.pix[to] = buf[w*k+x]
				to += dy
			}
		}
	}
	return o
}

// packedRaster holds the pixels as they are given.
type packedRaster struct {
	pix           []uint32
	width, height int
}

func (r *packedRaster) size() (width, height int) { return r.width, r.height }

func (r *packedRaster) row(dst []uint32, y, x0, x1 int) {
	copy(dst[:x1-x0], r.pix[y*r.width+x0:])
}

// steps answers the index where pixel (0, 0) of a w × h picture goes and the pixels to move
// for one step in x and in y.
func (r *packedRaster) steps(w, h, orientation int) (start, dx, dy int) {
	right, down := 1, r.width
	switch orientation {
	case 2: // mirrored
		return w - 1, -right, down
	case 3: // upside down
		return w*h - 1, -right, -down
	case 4: // mirrored and upside down
		return w * (h - 1), right, -down
	case 5: // transposed
		return 0, down, right
	case 6: // lies on its left side
		return h - 1, down, -right
	case 7: // transposed the other way
		return w*h - 1, -down, -right
	case 8: // lies on its right side
		return h * (w - 1), -down, right
	}
	return 0, right, down
}
