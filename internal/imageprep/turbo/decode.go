//go:build turbojpeg

package turbo

// #cgo pkg-config: libturbojpeg
// #include <turbojpeg.h>
import "C"

import "unsafe"

// Scaled is a side of a picture that is scaled down by 1, 2, 4 or 8, the factors that have fast
// inverse transforms.
func Scaled(side, by int) int { return (side + by - 1) / by }

// Decode reads a JPEG of width × height pixels, scaled down by a factor, as RGBA: Scaled(height, by)
// rows of 4 · Scaled(width, by) bytes. It is nil if the file is of another size, damaged, cut short
// or anything that libjpeg-turbo warns of. data must not be empty.
func Decode(data []byte, width, height, by int) []byte {
	handle := C.tjInitDecompress()
	if handle == nil {
		return nil
	}
	defer C.tjDestroy(handle)
	file, length := (*C.uchar)(unsafe.Pointer(&data[0])), C.ulong(len(data))
	var w, h, sampling, space C.int
	if C.tjDecompressHeader3(handle, file, length, &w, &h, &sampling, &space) != 0 || int(w) != width || int(h) != height {
		return nil
	}
	width, height = Scaled(width, by), Scaled(height, by)
	pixels := make([]byte, 4*width*height)
	if C.tjDecompress2(handle, file, length, (*C.uchar)(unsafe.Pointer(&pixels[0])), C.int(width), C.int(4*width), C.int(height),
		C.TJPF_RGBA, C.TJFLAG_ACCURATEDCT) != 0 {
		return nil
	}
	return pixels
}
