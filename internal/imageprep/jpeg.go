package imageprep

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"iter"
)

// maxScans bounds the passes over a progressive JPEG. Encoders write about ten; a hostile
// file can make the decoder walk all blocks once for every hundred bytes.
const maxScans = 100

// scansOf counts scans, and perhaps the few of a thumbnail: in entropy-coded data 0xff is always
// followed by 0.
func scansOf(data []byte) int { return bytes.Count(data, []byte{0xff, 0xda}) }

func decodeJPEG(data []byte) (raster, error) {
	if scans := scansOf(data); scans > maxScans {
		return nil, refuse("the JPEG picture has %d scans, want at most %d", scans, maxScans)
	}
	m, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	return newRaster(m), nil
}

// jpegMemory is the decoder's samples, and the coefficients it keeps as int32 until the
// last scan of a progressive picture.
func jpegMemory(data []byte, config image.Config) int64 {
	pixels := int64(config.Width) * int64(config.Height)
	frame, ok := findFrame(data)
	if !ok {
		return pixels * (bytesPerPixel(config.ColorModel) + 4*4) // the decoder will say why
	}
	need := frame.samples(pixels)
	if frame.progressive {
		need *= 1 + 4
	}
	if config.ColorModel != color.GrayModel && config.ColorModel != color.YCbCrModel {
		need += 4 * pixels // copied to RGBA or CMYK
	}
	return need
}

// jpegFrame is what the start-of-frame segment tells beyond width and height.
type jpegFrame struct {
	progressive bool
	sampling    [][2]int // horizontal and vertical factors of each component, 1…4
}

// samples counts those of all components of a picture.
func (f jpegFrame) samples(pixels int64) (n int64) {
	hMax, vMax := 1, 1
	for _, s := range f.sampling {
		hMax, vMax = max(hMax, s[0]), max(vMax, s[1])
	}
	for _, s := range f.sampling {
		n += pixels * int64(s[0]*s[1]) / int64(hMax*vMax)
	}
	return n
}

// findFrame reads the first start of frame; ok is false where image/jpeg, which is more
// lenient about stray bytes, has to judge.
func findFrame(data []byte) (frame jpegFrame, ok bool) {
	for marker, segment := range jpegSegments(data) {
		if marker >= 0xc0 && marker <= 0xc2 {
			return parseFrame(segment, marker == 0xc2)
		}
	}
	return jpegFrame{}, false
}

// jpegSegments walks the marker segments before the first scan (ITU T.81, B.1).
func jpegSegments(data []byte) iter.Seq2[byte, []byte] {
	return func(yield func(byte, []byte) bool) {
		const startOfScan = 0xda
		for at := 2; at+4 <= len(data) && data[at] == 0xff; {
			marker := data[at+1]
			if marker == 0xff { // fill byte
				at++
				continue
			}
			end := at + 2 + int(data[at+2])<<8 + int(data[at+3])
			if marker == startOfScan || end < at+4 || end > len(data) || !yield(marker, data[at+4:end]) {
				return
			}
			at = end
		}
	}
}

// parseFrame reads a start of frame (B.2.2).
func parseFrame(segment []byte, progressive bool) (frame jpegFrame, ok bool) {
	if len(segment) < 6 || len(segment) < 6+3*int(segment[5]) {
		return jpegFrame{}, false
	}
	frame.progressive = progressive
	for i := range int(segment[5]) {
		factors := segment[6+3*i+1]
		frame.sampling = append(frame.sampling, [2]int{int(factors >> 4), int(factors & 15)})
	}
	return frame, true
}
