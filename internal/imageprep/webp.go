package imageprep

import (
	"bytes"
	"image"

	"golang.org/x/image/webp"
)

// decodeWebP reads lossy and lossless WebP. The decoder hands lossy pictures over as
// image.YCbCr, which everywhere else means the full range of JPEG; here the values are
// those of BT.601 video, 16…235, and are converted so.
func decodeWebP(data []byte) (raster, error) {
	const animation = 1 << 1 // flag of the VP8X chunk
	if len(data) > 20 && string(data[12:16]) == "VP8X" && data[20]&animation != 0 {
		return nil, refuse("animated WebP is not supported; want a still picture")
	}
	m, err := webp.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	w, h := m.Bounds().Dx(), m.Bounds().Dy()
	switch m := m.(type) {
	case *image.YCbCr:
		return &ycbcrRaster{m: m, width: w, height: h, colors: webpColors()}, nil
	case *image.NYCbCrA:
		return &alphaRaster{ycbcrRaster{m: &m.YCbCr, width: w, height: h, colors: webpColors()}, m.A, m.AStride}, nil
	}
	return newRaster(m), nil
}

// alphaRaster lays a lossy picture with a plane of straight alpha over white.
type alphaRaster struct {
	ycbcrRaster
	alpha  []byte
	stride int
}

func (r *alphaRaster) row(dst []uint32, y, x0, x1 int) {
	r.ycbcrRaster.row(dst, y, x0, x1)
	for i, a := range r.alpha[y*r.stride+x0 : y*r.stride+x1] {
		if a != 255 {
			dst[i] = overWhite(dst[i], a)
		}
	}
}
