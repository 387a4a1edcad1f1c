package imageprep

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// refused checks that a picture is refused as the contract says, naming want.
func refused(t *testing.T, p *Picture, err error, want string) {
	t.Helper()
	var field *recsys.FieldError
	if !errors.As(err, &field) || !errors.Is(err, recsys.ErrInvalid) {
		t.Fatalf("got %v, %v; want a FieldError over ErrInvalid", p, err)
	}
	if p != nil || field.Field != "" || !strings.Contains(field.Reason, want) {
		t.Errorf("picture %v, field %q, reason %q; want no picture, no field, a reason with %q", p, field.Field, field.Reason, want)
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	lim := DefaultLimits()
	golden := func(name string) []byte { return readGolden(t, name) }
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"nothing":             {nil, "no bytes"},
		"text":                {[]byte("this is no picture"), "known format"},
		"one byte":            {[]byte{0xff}, "known format"},
		"SVG":                 {[]byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`), "known format"},
		"too many bytes":      {make([]byte, lim.MaxBytes+1), "at most 20971520"},
		"JPEG in name only":   {[]byte("\xff\xd8\xff\xe0not really"), "JPEG picture"},
		"JPEG header alone":   {golden("jpeg_444.jpg")[:300], "cut short"},
		"half a JPEG":         {half(golden("jpeg_444.jpg")), "short Huffman data"},
		"half a PNG":          {half(golden("png_00.png")), "not enough pixel data"},
		"half a GIF":          {half(golden("gif_still.gif")), "GIF picture"},
		"half a WebP":         {half(golden("webp_lossless.webp")), "cut short"},
		"half a lossy WebP":   {half(golden("webp_lossy.webp")), "cut short"},
		"half a BMP":          {half(golden("bmp_rgb.bmp")), "cut short"},
		"half a TIFF":         {half(golden("tiff_lzw.tiff")), "TIFF picture"},
		"PNG checksum":        {flip(golden("png_gray.png"), 30), "checksum"},
		"zero-sized PNG":      {hugePNG(0, 0), "dimension"},
		"zero-sized GIF":      {append([]byte("GIF89a"), make([]byte, 7)...), "at least 1 × 1"},
		"zero-sized JPEG":     {resizedJPEG(t, 0, 0), "at least 1 × 1"},
		"zero-sized BMP":      {hugeBMP(0, 0), "at least 1 × 1"},
		"huge PNG":            {hugePNG(100_000, 100_000), "at most 50000000"},
		"huge GIF":            {append([]byte("GIF89a\xff\xff\xff\xff"), make([]byte, 3)...), "at most 50000000"},
		"huge JPEG":           {resizedJPEG(t, 65_535, 65_535), "at most 50000000"},
		"huge BMP":            {hugeBMP(1<<30, 1<<30), "BMP picture"},
		"huge WebP":           {hugeWebP(), "at most 50000000"},
		"huge TIFF":           {hugeTIFF(1<<31, 1<<31), "TIFF picture"},
		"animated WebP":       {animatedWebP(), "animated"},
		"GIF without palette": {append([]byte("GIF89a\x01\x00\x01\x00\x00\x00\x00"), 0x2c, 0, 0, 0, 0, 1, 0, 1, 0, 0), "color table"},
		"empty GIF frame":     {emptyFrameGIF(t), "empty"},
		"JPEG of many scans":  {append(golden("jpeg_444.jpg"), bytes.Repeat([]byte{0xff, 0xda}, maxScans+1)...), "scans"},
		"arithmetic JPEG":     {bytes.Replace(golden("jpeg_444.jpg"), []byte{0xff, 0xc0}, []byte{0xff, 0xc9}, 1), "JPEG picture"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := Decode(c.data, lim)
			refused(t, p, err, c.want)
		})
	}
}

func half(data []byte) []byte { return data[:len(data)/2] }

func flip(data []byte, at int) []byte {
	data = bytes.Clone(data)
	data[at] ^= 0xff
	return data
}

// Cut anywhere, a picture is decoded or refused.
func TestDecodeTruncated(t *testing.T) {
	t.Parallel()
	for _, f := range readFigures(t) {
		data := readGolden(t, f.File)
		if len(data) > 10_000 {
			continue
		}
		for cut := 1; cut < len(data); cut += 1 + len(data)/40 {
			if p, err := Decode(data[:cut], DefaultLimits()); err != nil {
				refused(t, p, err, "")
			}
		}
	}
}

// A header that promises much must be refused before its pixels are allocated.
func TestLimitsCountBeforeDecoding(t *testing.T) {
	var before, after runtime.MemStats
	for name, data := range map[string][]byte{
		"PNG": hugePNG(20_000, 20_000), "GIF": append([]byte("GIF89a\xff\xff\xff\xff"), make([]byte, 3)...), "JPEG": resizedJPEG(t, 65_535, 65_535),
		"BMP": hugeBMP(20_000, 20_000), "WebP": hugeWebP(), "TIFF": hugeTIFF(20_000, 20_000),
	} {
		runtime.ReadMemStats(&before)
		p, err := Decode(data, DefaultLimits())
		runtime.ReadMemStats(&after)
		refused(t, p, err, name)
		if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20 {
			t.Errorf("%s: refusing took %d bytes, want less than 1 MiB", name, got)
		}
	}
}

func TestMemoryLimit(t *testing.T) {
	t.Parallel()
	progressive, baseline := readGolden(t, "jpeg_progressive.jpg"), readGolden(t, "jpeg_exif2.jpg")
	upright := 160 * 160 * 3 / 2 // 4:2:0 samples
	for name, c := range map[string]struct {
		data []byte
		need int64
	}{
		"progressive":          {progressive, int64(5 * upright)},
		"baseline, turned":     {baseline, int64(upright + 4*160*160)},
		"grey":                 {readGolden(t, "jpeg_gray.jpg"), 160 * 160},
		"CMYK":                 {readGolden(t, "extra_cmyk.jpg"), 97 * 61 * 8},
		"palette":              {readGolden(t, "gif_still.gif"), 160 * 160},
		"PNG":                  {readGolden(t, "extra_grey_alpha.png"), 2 * 97 * 61 * 4},
		"WebP with alpha":      {readGolden(t, "extra_alpha_lossy.webp"), 3 * 97 * 61 * 4},
		"JPEG without a frame": {readGolden(t, "extra_rgb.jpg"), 97 * 61 * (3 + 4)},
	} {
		lim := DefaultLimits()
		lim.MaxMemory = c.need
		if _, err := Decode(c.data, lim); err != nil {
			t.Errorf("%s with %d bytes: %v", name, c.need, err)
		}
		lim.MaxMemory--
		p, err := Decode(c.data, lim)
		if err == nil {
			t.Errorf("%s with %d bytes: decoded, want it refused", name, lim.MaxMemory)
			continue
		}
		refused(t, p, err, "to decode")
	}
}

func TestDefaultLimits(t *testing.T) {
	t.Parallel()
	if err := DefaultLimits().Validate(); err != nil {
		t.Error(err)
	}
	err := Limits{MaxBytes: 1, MaxPixels: -1}.Validate()
	if !errors.Is(err, recsys.ErrInvalid) || strings.Count(err.Error(), "want more than 0") != 2 {
		t.Errorf("got %v, want two faults over ErrInvalid", err)
	}
}

// 16-bit samples keep their high byte. Pillow saturates 16-bit grey to white instead, which
// would throw the picture away.
func TestSixteenBitPNG(t *testing.T) {
	t.Parallel()
	grey, rgb := image.NewGray16(image.Rect(0, 0, 2, 1)), image.NewNRGBA64(image.Rect(0, 0, 2, 1))
	grey.SetGray16(0, 0, color.Gray16{0x12ff})
	grey.SetGray16(1, 0, color.Gray16{0xfe01})
	rgb.SetNRGBA64(0, 0, color.NRGBA64{0x10ff, 0x20ff, 0x30ff, 0xffff})
	rgb.SetNRGBA64(1, 0, color.NRGBA64{0xff00, 0x8000, 0x0000, 0x8080})
	for _, c := range []struct {
		m    image.Image
		want []byte
	}{
		{grey, []byte{0x12, 0x12, 0x12, 0xfe, 0xfe, 0xfe}},
		{rgb, []byte{0x10, 0x20, 0x30, 255, blendWhite(0x80, 0x80), blendWhite(0, 0x80)}},
	} {
		var b bytes.Buffer
		if err := png.Encode(&b, c.m); err != nil {
			t.Fatal(err)
		}
		p, err := Decode(b.Bytes(), DefaultLimits())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, p.AppendRow(nil, 0)); diff != "" {
			t.Errorf("%T (-want +got):\n%s", c.m, diff)
		}
	}
}

// The first frame of a GIF may cover a part of the canvas.
func TestGIFFrameOnCanvas(t *testing.T) {
	t.Parallel()
	red, green := color.RGBA{255, 0, 0, 255}, color.RGBA{0, 255, 0, 255}
	for name, c := range map[string]struct {
		palette color.Palette
		outside []byte
	}{
		"opaque":      {color.Palette{green, red}, []byte{0, 255, 0}},
		"transparent": {color.Palette{green, red, color.RGBA{}}, []byte{255, 255, 255}},
	} {
		frame := image.NewPaletted(image.Rect(1, 1, 3, 2), c.palette)
		frame.Pix = []byte{1, 1}
		var b bytes.Buffer
		err := gif.EncodeAll(&b, &gif.GIF{Image: []*image.Paletted{frame}, Delay: []int{0},
			Config: image.Config{ColorModel: c.palette, Width: 4, Height: 2}})
		if err != nil {
			t.Fatal(err)
		}
		p, err := Decode(b.Bytes(), DefaultLimits())
		if err != nil {
			t.Fatal(err)
		}
		inside := []byte{255, 0, 0}
		if diff := cmp.Diff(bytes.Repeat(c.outside, 4), p.AppendRow(nil, 0)); diff != "" {
			t.Errorf("%s, row 0 (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff(slices.Concat(c.outside, inside, inside, c.outside), p.AppendRow(nil, 1)); diff != "" {
			t.Errorf("%s, row 1 (-want +got):\n%s", name, diff)
		}
	}
}

func TestTIFFOrientation(t *testing.T) {
	t.Parallel()
	block := func(order binary.AppendByteOrder, magic string, kind uint16, value []byte) []byte {
		b := order.AppendUint32([]byte(magic), 8)
		b = order.AppendUint16(b, 2)
		b = append(order.AppendUint32(order.AppendUint16(order.AppendUint16(b, 0x0100), 4), 1), 0, 0, 0, 9)
		b = order.AppendUint32(order.AppendUint16(order.AppendUint16(b, 0x0112), kind), 1)
		return append(b, value...)
	}
	le, be := binary.LittleEndian, binary.BigEndian
	for name, c := range map[string]struct {
		block []byte
		want  int
	}{
		"little endian":     {block(le, "II*\x00", 3, []byte{6, 0, 0, 0}), 6},
		"big endian":        {block(be, "MM\x00*", 3, []byte{0, 8, 0, 0}), 8},
		"long":              {block(be, "MM\x00*", 4, []byte{0, 0, 0, 3}), 3},
		"out of range":      {block(le, "II*\x00", 3, []byte{9, 0, 0, 0}), 1},
		"another type":      {block(le, "II*\x00", 2, []byte{6, 0, 0, 0}), 1},
		"cut in the tag":    {block(le, "II*\x00", 3, []byte{6}), 1},
		"offset too far":    {[]byte("II*\x00\xff\xff\xff\xff"), 1},
		"header alone":      {[]byte("II*\x00"), 1},
		"no byte order":     {[]byte("XX*\x00\x08\x00\x00\x00\x00\x00"), 1},
		"nothing":           {nil, 1},
		"count without end": {append([]byte("II*\x00\x08\x00\x00\x00"), 0xff, 0xff), 1},
	} {
		if got := tiffOrientation(c.block); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

func TestGuardTurnsPanicIntoError(t *testing.T) {
	t.Parallel()
	if err := guard(func() error { panic("index out of range") }); err == nil || !strings.Contains(err.Error(), "index out of range") {
		t.Errorf("got %v, want the panic as an error", err)
	}
}

// hugePNG is a header with a right checksum and no pixels.
func hugePNG(w, h uint32) []byte {
	head := binary.BigEndian.AppendUint32([]byte("IHDR"), w)
	head = append(binary.BigEndian.AppendUint32(head, h), 8, 6, 0, 0, 0)
	b := append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d"), head...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(head))
}

// resizedJPEG is a JPEG whose header lies.
func resizedJPEG(t *testing.T, w, h uint16) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, 8, 8)), nil); err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(b.Bytes(), []byte{0xff, 0xc0}) + 5
	binary.BigEndian.PutUint16(b.Bytes()[at:], h)
	binary.BigEndian.PutUint16(b.Bytes()[at+2:], w)
	return b.Bytes()
}

func hugeBMP(w, h uint32) []byte {
	b := append([]byte("BM"), make([]byte, 52)...)
	b[10], b[14] = 54, 40
	binary.LittleEndian.PutUint32(b[18:], w)
	binary.LittleEndian.PutUint32(b[22:], h)
	b[26], b[28] = 1, 24
	return b
}

// webpChunks puts a VP8X header with the given flags and a canvas of 16384 × 16384 first.
func webpChunks(flags byte) []byte {
	b := []byte("RIFF\x00\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00")
	b = append(b, flags, 0, 0, 0, 0xff, 0x3f, 0, 0xff, 0x3f, 0)
	binary.LittleEndian.PutUint32(b[4:], uint32(len(b)-8))
	return b
}

func hugeWebP() []byte { return webpChunks(1 << 4) }

// animatedWebP has a small canvas, so that it is refused for being animated alone.
func animatedWebP() []byte {
	b := webpChunks(1<<1 | 1<<4)
	copy(b[24:], []byte{9, 0, 0, 9, 0, 0})
	return b
}

// hugeTIFF is a directory of one RGB strip that is not there.
func hugeTIFF(w, h uint32) []byte {
	le := binary.LittleEndian
	b := le.AppendUint32([]byte("II*\x00"), 8)
	tags := [][2]uint32{{256, w}, {257, h}, {258, 8}, {259, 1}, {262, 1}, {273, 8}, {278, h}, {279, 1}}
	b = le.AppendUint16(b, uint16(len(tags)))
	for _, tag := range tags {
		b = le.AppendUint32(le.AppendUint32(le.AppendUint16(le.AppendUint16(b, uint16(tag[0])), 4), 1), tag[1])
	}
	return le.AppendUint32(b, 0)
}

func emptyFrameGIF(t *testing.T) []byte {
	t.Helper()
	b := []byte("GIF89a\x02\x00\x02\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff")
	return append(b, 0x2c, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 0x2c, 0, 0x3b)
}
