package imageprep

import (
	"bytes"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
	"golang.org/x/image/webp"
)

// format is one kind of file Decode reads.
type format struct {
	name   string
	magic  []string // '?' matches any byte
	config func(io.Reader) (image.Config, error)
	decode func(data []byte) (raster, error)
	memory func(data []byte, config image.Config) int64 // bytes decode would allocate, estimated
	exif   func(data []byte) []byte                     // the EXIF block; nil if there is none

	// reduce reads a picture at a size so many times smaller that still has the short side
	// twice over; nil and 1 if it cannot, or finds any fault. The field is nil where no decoder
	// scales.
	reduce func(data []byte, config image.Config, side int) (rows raster, by int)
}

// formats lists what Decode reads; their order does not matter, no magic begins another.
func formats() []format {
	return []format{
		{"JPEG", []string{"\xff\xd8\xff"}, jpeg.DecodeConfig, decodeJPEG, jpegMemory, jpegEXIF, reduceJPEG},
		{"PNG", []string{"\x89PNG\r\n\x1a\n"}, png.DecodeConfig, decodeWith(png.Decode), times(2), pngEXIF, nil},
		{"GIF", []string{"GIF87a", "GIF89a"}, gif.DecodeConfig, decodeGIF, times(1), noEXIF, nil},
		{"WebP", []string{"RIFF????WEBP"}, webp.DecodeConfig, decodeWebP, times(3), webpEXIF, nil},
		{"BMP", []string{"BM"}, bmp.DecodeConfig, decodeWith(bmp.Decode), times(1), noEXIF, nil},
		{"TIFF", []string{"II*\x00", "MM\x00*"}, tiff.DecodeConfig, decodeWith(tiff.Decode), times(4), wholeFile, nil},
	}
}

// sniff finds the format by the first bytes; file names and declared types are not asked.
func sniff(data []byte) (format, bool) {
	for _, f := range formats() {
		for _, magic := range f.magic {
			if matches(data, magic) {
				return f, true
			}
		}
	}
	return format{}, false
}

func matches(data []byte, magic string) bool {
	if len(data) < len(magic) {
		return false
	}
	for i := range len(magic) {
		if magic[i] != '?' && magic[i] != data[i] {
			return false
		}
	}
	return true
}

// decodeWith adapts a decoder whose pixels need no care of their own.
func decodeWith(decode func(io.Reader) (image.Image, error)) func([]byte) (raster, error) {
	return func(data []byte) (raster, error) {
		m, err := decode(bytes.NewReader(data))
		if err != nil {
			return nil, err
		}
		return newRaster(m), nil
	}
}

// times estimates what a decoder allocates as so many copies of its pixels: an interlaced
// PNG is put together from parts, WebP transforms a copy, a TIFF strip may be the whole
// picture in a buffer that grows by doubling.
func times(copies int64) func([]byte, image.Config) int64 {
	return func(_ []byte, config image.Config) int64 {
		return copies * int64(config.Width) * int64(config.Height) * bytesPerPixel(config.ColorModel)
	}
}
