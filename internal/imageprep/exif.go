package imageprep

import (
	"bytes"
	"encoding/binary"
)

// Of EXIF only the orientation is wanted, so the block is found and its one tag read here.
// (github.com/bep/imagemeta 1.0.1, tried first, does not step over the byte that pads odd
// RIFF chunks and so misses the EXIF of about half of all WebP files.)

// tiffOrientation reads tag 0x0112 of the first directory of a TIFF structure, which is what
// an EXIF block is: 1…8, where 1 is upright. What cannot be read says nothing; damaged EXIF is
// no fault of the picture.
//
// Source: EXIF 2.32, §4.6.2; TIFF 6.0, §2.
func tiffOrientation(block []byte) int {
	const upright, tag, short, long, entry = 1, 0x0112, 3, 4, 12
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(block, []byte("II*\x00")):
		order = binary.LittleEndian
	case bytes.HasPrefix(block, []byte("MM\x00*")):
		order = binary.BigEndian
	default:
		return upright
	}
	directory, ok := after(block, 4, 4)
	if !ok {
		return upright
	}
	entries, ok := after(block, int64(order.Uint32(directory)), 2)
	if !ok {
		return upright
	}
	count := int(order.Uint16(entries))
	for entries = entries[2:]; count > 0 && len(entries) >= entry; count-- {
		if order.Uint16(entries) == tag {
			value := uint32(0)
			switch order.Uint16(entries[2:]) {
			case short:
				value = uint32(order.Uint16(entries[8:]))
			case long:
				value = order.Uint32(entries[8:])
			}
			if value >= 1 && value <= 8 {
				return int(value)
			}
			return upright
		}
		entries = entries[entry:]
	}
	return upright
}

// after is b from offset on, if at least n bytes are there.
func after(b []byte, offset int64, n int) ([]byte, bool) {
	if offset < 0 || offset+int64(n) > int64(len(b)) {
		return nil, false
	}
	return b[offset:], true
}

// exifHeader precedes the block in JPEG, and by mistake in some WebP files.
const exifHeader = "Exif\x00\x00"

// jpegEXIF is the first APP1 segment that holds EXIF, nil if there is none.
func jpegEXIF(data []byte) []byte {
	for marker, segment := range jpegSegments(data) {
		if block, ok := bytes.CutPrefix(segment, []byte(exifHeader)); ok && marker == 0xe1 {
			return block
		}
	}
	return nil
}

// pngEXIF is the eXIf chunk (PNG third edition, §11.3.4.5), nil if there is none.
func pngEXIF(data []byte) []byte {
	const signature, overhead = 8, 12 // length, type and checksum
	for at := int64(signature); ; {
		head, ok := after(data, at, overhead)
		if !ok {
			return nil
		}
		length := int64(binary.BigEndian.Uint32(head))
		if string(head[4:8]) == "eXIf" {
			return head[8:min(int64(len(head)), 8+length)]
		}
		at += overhead + length
	}
}

// webpEXIF is the EXIF chunk (WebP container specification, "Metadata"), nil if there is none.
func webpEXIF(data []byte) []byte {
	const signature, overhead = 12, 8 // type and length
	for at := int64(signature); ; {
		head, ok := after(data, at, overhead)
		if !ok {
			return nil
		}
		length := int64(binary.LittleEndian.Uint32(head[4:]))
		if string(head[:4]) == "EXIF" {
			return bytes.TrimPrefix(head[8:min(int64(len(head)), 8+length)], []byte(exifHeader))
		}
		at += overhead + length + length&1 // chunks are padded to even length
	}
}

// wholeFile: a TIFF picture is the structure itself.
func wholeFile(data []byte) []byte { return data }

// noEXIF is for formats that have no place for it.
func noEXIF([]byte) []byte { return nil }
