package imageprep

import (
	"bytes"
	"image"
	"image/gif"
)

// decodeGIF reads the first frame and places it on the canvas.
func decodeGIF(data []byte) (raster, error) {
	config, err := gif.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	m, err := gif.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	if m.Bounds().Empty() {
		return nil, refuse("the first frame of the GIF picture is empty, want at least 1 × 1 pixel")
	}
	frame, ok := m.(*image.Paletted)
	if !ok {
		return newRaster(m), nil
	}
	inner := newRaster(frame).(*palettedRaster)
	r := &frameRaster{frame: inner, at: frame.Bounds(), width: config.Width, height: config.Height, outside: inner.colors[0]}
	for _, c := range frame.Palette {
		if _, _, _, a := c.RGBA(); a == 0 {
			r.outside = pixel(255, 255, 255)
		}
	}
	return r, nil
}

// frameRaster is a canvas with one frame on it. Outside of the frame it shows what Pillow
// does: nothing, which is white, if the frame has a transparent colour, else colour 0.
type frameRaster struct {
	frame         *palettedRaster
	at            image.Rectangle
	width, height int
	outside       uint32
}

func (r *frameRaster) size() (width, height int) { return r.width, r.height }

func (r *frameRaster) row(dst []uint32, y, x0, x1 int) {
	for i := range dst[:x1-x0] {
		dst[i] = r.outside
	}
	from, to := max(x0, r.at.Min.X), min(x1, r.at.Max.X)
	if y >= r.at.Min.Y && y < r.at.Max.Y && from < to {
		r.frame.row(dst[from-x0:to-x0], y-r.at.Min.Y, from-r.at.Min.X, to-r.at.Min.X)
	}
}
