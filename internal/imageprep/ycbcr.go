package imageprep

import "image"

// ycbcrRaster converts luma with subsampled chroma.
type ycbcrRaster struct {
	m             *image.YCbCr
	width, height int
	colors        *colorTable
}

func (r *ycbcrRaster) size() (width, height int) { return r.width, r.height }

// span is how many pixels are converted at a time, in buffers on the stack.
const span = 256

func (r *ycbcrRaster) row(dst []uint32, y, x0, x1 int) {
	var cb, cr [span]byte
	for x := x0; x < x1; x += span {
		n := min(span, x1-x)
		r.chroma(cb[:n], cr[:n], y, x)
		luma := r.m.Y[y*r.m.YStride+x:]
		r.colors.convert(dst[x-x0:x-x0+n], luma[:n], cb[:n], cr[:n])
	}
}

// colorTable turns luma and chroma into RGB by adding three words that each hold all three
// channels, biased so that no field goes below zero, and looking the fields up in clipped.
// It gives what the formulas in jpegColors and webpColors give, at half their cost.
type colorTable struct {
	luma, cb, cr     [256]uint64
	red, green, blue uint // where each field's integer part begins, 11 bits long
	clipped          [2048]byte
}

// bias is what the three words add up to in every field when the channel is 0.
const bias = 512

func newColorTable(red, green, blue uint) *colorTable {
	t := &colorTable{red: red, green: green, blue: blue}
	for i := range t.clipped {
		t.clipped[i] = clip(int32(i) - bias)
	}
	return t
}

// jpegColors is the full-range conversion of JFIF in libjpeg's fixed point, 16 bits after
// the point: with u = cb − 128 and v = cr − 128, R = y + ⌊1.402v⌉, B = y + ⌊1.772u⌉ and
// G = y + ⌊−.34414u − .71414v⌉, where only green is rounded after the sum.
func jpegColors() *colorTable {
	const (
		half            = 1 << 15
		red, blue, rest = 0, 11, 22 // green has 16 bits of fraction
	)
	t := newColorTable(red, rest+16, blue)
	for i := range 256 {
		d := int64(i) - 128
		luma, cr, cb := int64(i), (91881*d+half)>>16, (116130*d+half)>>16
		t.luma[i] = uint64(luma<<red | luma<<blue | luma<<(rest+16))
		t.cr[i] = uint64((cr+bias)<<red | (bias/2<<16-46802*d)<<rest)
		t.cb[i] = uint64((cb+bias)<<blue | (bias/2<<16-22554*d+half)<<rest)
	}
	return t
}

// webpColors is libwebp's conversion from BT.601 video range, 6 bits after the point
// (VP8YUVToR and its like): R = y + 1.596v, G = y − .391u − .813v, B = y + 2.018u, where
// y = 1.164·luma, and offsets take the place of centring.
func webpColors() *colorTable {
	const (
		red, green, blue = 0, 17, 34
		whole            = bias << 6
	)
	t := newColorTable(red+6, green+6, blue+6)
	for i := range 256 {
		d := int64(i)
		luma := d * 19077 >> 8
		t.luma[i] = uint64(luma<<red | luma<<green | luma<<blue)
		t.cr[i] = uint64((d*26149>>8-14234+whole)<<red | (whole/2-d*13320>>8)<<green)
		t.cb[i] = uint64((d*33050>>8-17685+whole)<<blue | (whole/2-d*6419>>8+8708)<<green)
	}
	return t
}

// convert writes len(dst) pixels.
func (t *colorTable) convert(dst []uint32, luma, cb, cr []byte) {
	luma, cb, cr = luma[:len(dst)], cb[:len(dst)], cr[:len(dst)]
	red, green, blue := t.red&63, t.green&63, t.blue&63
	for i := range dst {
		sum := t.luma[luma[i]] + t.cb[cb[i]] + t.cr[cr[i]]
		dst[i] = pixel(t.clipped[sum>>red&2047], t.clipped[sum>>green&2047], t.clipped[sum>>blue&2047])
	}
}

// clip limits v to 0…255.
func clip(v int32) byte {
	if uint32(v) > 255 {
		return byte(^(v >> 31))
	}
	return byte(v)
}
