//go:build !turbojpeg

package imageprep

import "image"

// reduceJPEG needs libjpeg-turbo: build with the tag turbojpeg.
func reduceJPEG([]byte, image.Config, int) (raster, int) { return nil, 1 }
