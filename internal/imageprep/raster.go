package imageprep

import (
	"image"
	"image/color"
)

// raster gives rows of a picture as opaque RGB, converted on demand: of a photograph's
// pixels the centre crop needs about half.
type raster interface {
	size() (width, height int)
	// rgb writes columns x0 ≤ x < x1 of row y to dst, which has room for 3·(x1−x0) bytes.
	rgb(dst []byte, y, x0, x1 int)
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

func (r *grayRaster) rgb(dst []byte, y, x0, x1 int) {
	src := r.from(y, x0)
	for i := range x1 - x0 {
		v := src[i*r.pixel]
		dst[3*i], dst[3*i+1], dst[3*i+2] = v, v, v
	}
}

// straightRaster has colours that are not multiplied by their alpha.
type straightRaster struct{ samples }

func (r *straightRaster) rgb(dst []byte, y, x0, x1 int) {
	src := r.from(y, x0)
	for i := range x1 - x0 {
		p := src[i*r.pixel : i*r.pixel+3*r.sample+1]
		d := dst[3*i : 3*i+3]
		a := p[3*r.sample]
		if a == 255 {
			d[0], d[1], d[2] = p[0], p[r.sample], p[2*r.sample]
			continue
		}
		d[0], d[1], d[2] = overWhite(p[0], a), overWhite(p[r.sample], a), overWhite(p[2*r.sample], a)
	}
}

// overWhite lays a straight colour with alpha over white in Pillow's fixed point.
func overWhite(v, alpha byte) byte {
	const bits = 7
	a := uint32(alpha)
	t := uint32(v)*(a<<bits) + 255*((255-a)<<bits) + 0x80<<bits
	return byte((t + t>>8) >> 8 >> bits)
}

// premultipliedRaster has colours that are already multiplied by their alpha.
type premultipliedRaster struct{ samples }

func (r *premultipliedRaster) rgb(dst []byte, y, x0, x1 int) {
	src := r.from(y, x0)
	for i := range x1 - x0 {
		p := src[i*r.pixel : i*r.pixel+3*r.sample+1]
		d := dst[3*i : 3*i+3]
		white := 255 - int(p[3*r.sample])
		d[0] = byte(min(255, int(p[0])+white))
		d[1] = byte(min(255, int(p[r.sample])+white))
		d[2] = byte(min(255, int(p[2*r.sample])+white))
	}
}

// cmykRaster: 255 is full ink. Without a colour profile, as Pillow: (255−c)·(255−k)/255.
type cmykRaster struct{ samples }

func (r *cmykRaster) rgb(dst []byte, y, x0, x1 int) {
	src := r.from(y, x0)
	for i := range x1 - x0 {
		light := 255 - int(src[4*i+3])
		for c := range 3 {
			ink := int(src[4*i+c])*light + 128
			dst[3*i+c] = byte(max(0, light-(ink+ink>>8)>>8))
		}
	}
}

type palettedRaster struct {
	samples
	colors [256][3]byte
}

func (r *palettedRaster) rgb(dst []byte, y, x0, x1 int) {
	for i, index := range r.from(y, x0)[:x1-x0] {
		copy(dst[3*i:3*i+3], r.colors[index][:])
	}
}

// overWhitePalette has room for every index: one beyond the palette is black, not a panic.
func overWhitePalette(p color.Palette) (colors [256][3]byte) {
	for i, c := range p[:min(len(p), 256)] {
		n := color.NRGBAModel.Convert(c).(color.NRGBA)
		colors[i] = [3]byte{overWhite(n.R, n.A), overWhite(n.G, n.A), overWhite(n.B, n.A)}
	}
	return colors
}

// anyRaster is slow and right, for image types that no decoder returns today.
type anyRaster struct{ m image.Image }

func (r *anyRaster) size() (width, height int) { return r.m.Bounds().Dx(), r.m.Bounds().Dy() }

func (r *anyRaster) rgb(dst []byte, y, x0, x1 int) {
	b := r.m.Bounds()
	for i := range x1 - x0 {
		n := color.NRGBAModel.Convert(r.m.At(b.Min.X+x0+i, b.Min.Y+y)).(color.NRGBA)
		dst[3*i], dst[3*i+1], dst[3*i+2] = overWhite(n.R, n.A), overWhite(n.G, n.A), overWhite(n.B, n.A)
	}
}
