//go:build turbojpeg

package imageprep

import (
	"image"

	"github.com/seed-473295a7/vitrine/internal/imageprep/turbo"
)

// reduceJPEG has libjpeg-turbo read a picture. It takes only the kinds that image/jpeg reads as
// well. What need not be scaled down has the very pixels that Pillow gets.
func reduceJPEG(data []byte, config image.Config, side int) (raster, int) {
	frame, ok := findFrame(data)
	if colours := len(frame.sampling); !ok || colours != 1 && colours != 3 || scansOf(data) > maxScans {
		return nil, 1
	}
	by := reduction(min(config.Width, config.Height), side)
	pixels := turbo.Decode(data, config.Width, config.Height, by)
	if pixels == nil {
		return nil, 1
	}
	width, height := turbo.Scaled(config.Width, by), turbo.Scaled(config.Height, by)
	return &straightRaster{samples{pixels, 4 * width, 4, 1, width, height}}, by
}

// reduction is the largest factor that leaves a short side of at least twice what is wanted. With
// no more left than is wanted, 1200 × 1200 pictures cost a third less to decode and resize and
// their vectors have cosine .9918 to the whole's, .9844 at worst; with twice as much .9995, .9987.
func reduction(short, side int) int {
	for _, by := range []int{8, 4, 2} {
		if turbo.Scaled(short, by) >= 2*side {
			return by
		}
	}
	return 1
}
