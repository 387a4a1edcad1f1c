package trial

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"

	"golang.org/x/image/draw"

	"github.com/seed-473295a7/vitrine/internal/imageprep"
)

// alteration is something that is done to pictures before they are shown as somebody's own.
type alteration struct {
	name    string
	quality int // of the JPEG that comes of it
	change  func(*image.RGBA) *image.RGBA
}

var alterations = []alteration{
	{"re-compressed, quality 30", 30, func(m *image.RGBA) *image.RGBA { return m }},
	{"half as large", 90, func(m *image.RGBA) *image.RGBA { return resized(m, m.Rect, 2) }},
	{"cropped to 90 %", 90, func(m *image.RGBA) *image.RGBA {
		return resized(m, m.Rect.Inset(min(m.Rect.Dx(), m.Rect.Dy())/20), 1)
	}},
	{"brighter", 90, brighter},
	{"mirrored", 90, mirrored},
	{"watermarked", 90, watermarked},
}

// alter returns the picture's JPEG after the alteration.
func (a alteration) alter(p *imageprep.Picture) ([]byte, error) {
	m := image.NewRGBA(image.Rect(0, 0, p.Width(), p.Height()))
	var row []byte
	for y := range p.Height() {
		row = p.AppendRow(row[:0], y)
		for x := range p.Width() {
			copy(m.Pix[y*m.Stride+4*x:], []byte{row[3*x], row[3*x+1], row[3*x+2], 255})
		}
	}
	var b bytes.Buffer
	err := jpeg.Encode(&b, a.change(m), &jpeg.Options{Quality: a.quality})
	return b.Bytes(), err
}

// resized is a part of a picture at one over times its size.
func resized(m *image.RGBA, part image.Rectangle, times int) *image.RGBA {
	out := image.NewRGBA(image.Rect(0, 0, max(part.Dx()/times, 1), max(part.Dy()/times, 1)))
	draw.CatmullRom.Scale(out, out.Rect, m, part, draw.Src, nil)
	return out
}

func brighter(m *image.RGBA) *image.RGBA {
	out := image.NewRGBA(m.Rect)
	for i, v := range m.Pix {
		out.Pix[i] = byte(min(int(v)*6/5+8, 255))
	}
	return out
}

func mirrored(m *image.RGBA) *image.RGBA {
	out := image.NewRGBA(m.Rect)
	for y := range m.Rect.Dy() {
		for x := range m.Rect.Dx() {
			out.SetRGBA(x, y, m.RGBAAt(m.Rect.Dx()-1-x, y))
		}
	}
	return out
}

// watermarked has a pale band across its lower half, with dark bars on it as letters would be.
func watermarked(m *image.RGBA) *image.RGBA {
	out := image.NewRGBA(m.Rect)
	copy(out.Pix, m.Pix)
	w, h := m.Rect.Dx(), m.Rect.Dy()
	band := image.Rect(w/10, h*6/10, w*9/10, h*7/10)
	draw.Draw(out, band, image.NewUniform(color.NRGBA{255, 255, 255, 140}), image.Point{}, draw.Over)
	for x := band.Min.X + w/40; x < band.Max.X-w/40; x += max(w/20, 2) {
		bar := image.Rect(x, band.Min.Y+h/50, x+max(w/60, 1), band.Max.Y-h/50)
		draw.Draw(out, bar, image.NewUniform(color.NRGBA{30, 30, 30, 140}), image.Point{}, draw.Over)
	}
	return out
}
