package imageprep

import (
	"image"
	"image/color"
)

// raster gives rows of a picture as opaque RGB, converted on demand: of a photograph's
// pixels the centre crop needs about half.
type raster interface {
	size() (width, height int)
	// row writes columns x0 ≤ x < x1 of row y to dst, which has room for x1−x0 pixels. It is
	// safe for concurrent use.
	row(dst []uint32, y, x0, x1 int)
}

// pixel packs a colour the way all rows hold it: red in the lowest byte, the highest zero.
func pixel(red, green, blue byte) uint32 {
	return uint32(red) | uint32(green)<<8 | uint32(blue)<<16
}

// newRaster wraps whatever a decoder returned.
func newRaster(m image.Image) raster {
	w, h := m.Bounds().Dx(), m.Bounds().Dy()
	switch m := m.(type) {
	case *image.YCbCr:
		return &ycbcrRaster{m: m, width: w, height: h, colors: jpegColors()}
	case *image.Gray:
		return &grayRaster{samples{m.Pix, m.Stride, 1, 1, w, h}}
	case *image.Gray16:
		return &grayRaster{samples{m.Pix, m.Stride, 2, 1, w, h}}
	case *image.NRGBA:
		return &straightRaster{samples{m.Pix, m.Stride, 4, 1, w, h}}
	case *image.NRGBA64:
		return &straightRaster{samples{m.Pix, m.Stride, 8, 2, w, h}}
	case *image.RGBA:
		return &premultipliedRaster{samples{m.Pix, m.Stride, 4, 1, w, h}}
	case *image.RGBA64:
		return &premultipliedRaster{samples{m.Pix, m.Stride, 8, 2, w, h}}
	case *image.CMYK:
		return &cmykRaster{samples{m.Pix, m.Stride, 4, 1, w, h}}
	case *image.Paletted:
		return &palettedRaster{samples: samples{m.Pix, m.Stride, 1, 1, w, h}, colors: overWhitePalette(m.Palette)}
	}
	return &anyRaster{m: m}
}

// bytesPerPixel is what the decoders allocate for a colour model. Unknown models count
// as the largest.
func bytesPerPixel(m color.Model) int64 {
	if _, ok := m.(color.Palette); ok {
		return 1
	}
	switch m {
	case color.GrayModel:
		return 1
	case color.Gray16Model:
		return 2
	case color.YCbCrModel:
		return 3
	case color.RGBAModel, color.NRGBAModel, color.CMYKModel:
		return 4
	case color.NYCbCrAModel:
		return 4
	}
	return 8
}

// samples is memory of interleaved pixels. Of 16-bit samples the high byte, which comes
// first, is used.
type samples struct {
	pix           []byte
	stride        int
	pixel, sample int // distance between pixels and between samples of one pixel, in bytes
	width, height int
}

func (s *samples) size() (width, height int) { return s.width, s.height }

// from is the memory from pixel (x, y) to the end of its row.
func (s *samples) from(y, x int) []byte {
	return s.pix[y*s.stride+x*s.pixel : y*s.stride+s.width*s.pixel]
}

type grayRaster struct{ samples }

func (r *grayRaster) row(dst []uint32, y, x0, x1 int) {
	src := r.from(y, x0)
	for i := range dst[:x1-x0] {
		v := src[i*r.pixel]
		dst[i] = pixel(v, v, v)
	}
}

// straightRaster has colours that are not multiplied by their alpha.
type straightRaster struct{ samples }

func (r *straightRaster) row(dst []uint32, y, x0, x1 int) {
	src := r.from(y, x0)
	for i := range dst[:x1-x0] {
		p := src[i*r.pixel : i*r.pixel+3*r.sample+1]
		dst[i] = pixel(p[0], p[r.sample], p[2*r.sample])
		if a := p[3*r.sample]; a != 255 {
			dst[i] = overWhite(dst[i], a)
		}
	}
}

// overWhite lays a straight colour with alpha over white in Pillow's fixed point.
func overWhite(p uint32, alpha byte) uint32 {
	return pixel(blendWhite(byte(p), alpha), blendWhite(byte(p>>8), alpha), blendWhite(byte(p>>16), alpha))
}

func blendWhite(v, alpha byte) byte {
	const bits = 7
	a := uint32(alpha)
	t := uint32(v)*(a<<bits) + 255*((255-a)<<bits) + 0x80<<bits
	return byte((t + t>>8) >> 8 >> bits)
}

// premultipliedRaster has colours that are already multiplied by their alpha.
type premultipliedRaster struct{ samples }

func (r *premultipliedRaster) row(dst []uint32, y, x0, x1 int) {
	src := r.from(y, x0)
	for i := range dst[:x1-x0] {
		p := src[i*r.pixel : i*r.pixel+3*r.sample+1]
		white := 255 - int(p[3*r.sample])
		lighten := func(v byte) byte { return byte(min(255, int(v)+white)) }
		dst[i] = pixel(lighten(p[0]), lighten(p[r.sample]), lighten(p[2*r.sample]))
	}
}

// cmykRaster: 255 is full ink. Without a colour profile, as Pillow: (255−c)·(255−k)/255.
type cmykRaster struct{ samples }

func (r *cmykRaster) row(dst []uint32, y, x0, x1 int) {
	src := r.from(y, x0)
	for i := range dst[:x1-x0] {
		p := src[4*i : 4*i+4]
		light := 255 - int(p[3])
		through := func(ink byte) byte {
			t := int(ink)*light + 128
			return byte(max(0, light-(t+t>>8)>>8))
		}
		dst[i] = pixel(through(p[0]), through(p[1]), through(p[2]))
	}
}

type palettedRaster struct {
	samples
	colors [256]uint32
}

func (r *palettedRaster) row(dst []uint32, y, x0, x1 int) {
	for i, index := range r.from(y, x0)[:x1-x0] {
		dst[i] = r.colors[index]
	}
}

// overWhitePalette has room for every index: one beyond the palette is black, not a panic.
func overWhitePalette(p color.Palette) (colors [256]uint32) {
	for i, c := range p[:min(len(p), 256)] {
		colors[i] = opaque(c)
	}
	return colors
}

// opaque is any colour over white.
func opaque(c color.Color) uint32 {
	n := color.NRGBAModel.Convert(c).(color.NRGBA)
	return overWhite(pixel(n.R, n.G, n.B), n.A)
}

// anyRaster is slow and right, for image types that no decoder returns today.
type anyRaster struct{ m image.Image }

func (r *anyRaster) size() (width, height int) { return r.m.Bounds().Dx(), r.m.Bounds().Dy() }

func (r *anyRaster) row(dst []uint32, y, x0, x1 int) {
	b := r.m.Bounds()
	for i := range dst[:x1-x0] {
		dst[i] = opaque(r.m.At(b.Min.X+x0+i, b.Min.Y+y))
	}
}
