package imageprep

import "image"

// Chroma is brought to full size with the triangle filter ("fancy upsampling") of libjpeg,
// which Pillow uses: of the two samples around a pixel the nearer counts 3/4. Repeating
// samples instead, as image.YCbCr.At does, moves embeddings (see the tests of onnx).

// chroma writes len(cb) = len(cr) ≤ span samples of row y from column x on.
func (r *ycbcrRaster) chroma(cb, cr []byte, y, x int) {
	half := (r.width + 1) / 2
	switch ratio := r.m.SubsampleRatio; {
	case ratio == image.YCbCrSubsampleRatio444:
		row := r.plane(y, r.width)
		copy(cb, row.cb[x:])
		copy(cr, row.cr[x:])
	case ratio == image.YCbCrSubsampleRatio440:
		near, far := r.rows(y, r.width)
		mixRows(cb, near.cb[x:], far.cb[x:], 1+y%2)
		mixRows(cr, near.cr[x:], far.cr[x:], 1+y%2)
	// As libjpeg, which leaves planes of one or two columns to the plain way.
	case ratio == image.YCbCrSubsampleRatio422 && half > 2:
		widen422(r.plane(y, half)).pixels(cb, cr, x)
	case ratio == image.YCbCrSubsampleRatio420 && half > 2:
		near, far := r.rows(y, half)
		widen420(near, far).pixels(cb, cr, x)
	default:
		for i := range cb {
			at := r.m.COffset(r.m.Rect.Min.X+x+i, r.m.Rect.Min.Y+y)
			cb[i], cr[i] = r.m.Cb[at], r.m.Cr[at]
		}
	}
}

// chromaRow is one row of both planes.
type chromaRow struct{ cb, cr []byte }

// plane is chroma row y, of the given length.
func (r *ycbcrRaster) plane(y, length int) chromaRow {
	at := y * r.m.CStride
	return chromaRow{r.m.Cb[at : at+length], r.m.Cr[at : at+length]}
}

// rows is the chroma row that covers picture row y and the next nearest, where rows are halved.
func (r *ycbcrRaster) rows(y, length int) (near, far chromaRow) {
	other := min(y/2+1, (r.height+1)/2-1)
	if y%2 == 0 {
		other = max(y/2-1, 0)
	}
	return r.plane(y/2, length), r.plane(other, length)
}

// mixRows: (3·near + far + rounding) / 4, for halved rows alone.
func mixRows(dst, near, far []byte, rounding int) {
	for i := range dst {
		dst[i] = byte((3*int(near[i]) + int(far[i]) + rounding) >> 2)
	}
}

// widener doubles the columns of chroma. Both planes go through it in one word, cb in the
// low half, cr in the high. left and right are added for rounding.
type widener struct {
	near, far   chromaRow
	left, right uint64
}

// With the column sums s = 3·near + far, the two pixels of a sample are (3s + left
// neighbour + 8)/16 and (3s + right neighbour + 7)/16.
func widen420(near, far chromaRow) widener { return widener{near, far, both(8), both(7)} }

// Where rows are whole, s is 4 times the sample, and libjpeg's rounding by 1/4 and 2/4
// becomes 4/16 and 8/16.
func widen422(row chromaRow) widener { return widener{row, row, both(4), both(8)} }

func both(v byte) uint64 { return pair(v, v) }

// pixels writes the picture columns from x on.
func (w widener) pixels(cb, cr []byte, x int) {
	// sums[k] belongs to chroma column first+k; the row's ends are repeated.
	var buf [span/2 + 3]uint64
	first, end := x/2-1, (x+len(cb)-1)/2+2
	sums := buf[:end-first]
	w.columnSums(sums, first)

	i := 0
	if x%2 != 0 {
		v := 3*sums[1] + sums[2] + w.right
		cb[0], cr[0] = byte(v>>4), byte(v>>36)
		i, sums = 1, sums[1:]
	}
	for ; i+1 < len(cb) && len(sums) >= 3; i, sums = i+2, sums[1:] {
		three := 3 * sums[1]
		l, r := three+sums[0]+w.left, three+sums[2]+w.right
		cb[i], cr[i] = byte(l>>4), byte(l>>36)
		cb[i+1], cr[i+1] = byte(r>>4), byte(r>>36)
	}
	if i < len(cb) {
		v := 3*sums[1] + sums[0] + w.left
		cb[i], cr[i] = byte(v>>4), byte(v>>36)
	}
}

// pair packs a value of either plane.
func pair(cb, cr byte) uint64 { return uint64(cb) | uint64(cr)<<32 }

// columnSums writes 3·near + far of the columns first … first+len(sums)−1.
func (w widener) columnSums(sums []uint64, first int) {
	near, far := w.near, w.far
	last := len(near.cb) - 1
	sum := func(at int) uint64 {
		return 3*pair(near.cb[at], near.cr[at]) + pair(far.cb[at], far.cr[at])
	}
	for len(sums) > 0 && first < 0 {
		sums[0] = sum(0)
		sums, first = sums[1:], first+1
	}
	for len(sums) > 0 && first+len(sums)-1 > last {
		sums[len(sums)-1] = sum(last)
		sums = sums[:len(sums)-1]
	}
	nu, nv := near.cb[first:][:len(sums)], near.cr[first:][:len(sums)]
	fu, fv := far.cb[first:][:len(sums)], far.cr[first:][:len(sums)]
	for k := range sums {
		sums[k] = 3*pair(nu[k], nv[k]) + pair(fu[k], fv[k])
	}
}
