package imageprep

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"io"
	"strings"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// Picture is a decoded picture: upright, opaque, 8-bit RGB. It is immutable and safe for
// concurrent use. Colours are converted row by row when they are asked for, so it holds
// little more than what the decoder made.
type Picture struct {
	rows raster
}

// Width is in pixels, after the orientation was undone.
func (p *Picture) Width() int { w, _ := p.rows.size(); return w }

// Height is in pixels, after the orientation was undone.
func (p *Picture) Height() int { _, h := p.rows.size(); return h }

// AppendRow appends row y, 0 ≤ y < Height, as Width triples of red, green, blue.
func (p *Picture) AppendRow(dst []byte, y int) []byte {
	row := make([]uint32, p.Width())
	p.rows.row(row, y, 0, len(row))
	for _, v := range row {
		dst = append(dst, byte(v), byte(v>>8), byte(v>>16))
	}
	return dst
}

// Decode reads a JPEG, PNG, GIF (its first frame), WebP, BMP or TIFF picture. data is not kept.
//
// Errors: a *recsys.FieldError without Field whose Reason says what is wrong: too large,
// not one of the formats, damaged, or a feature no decoder here knows (arithmetic coding,
// animated WebP, …). A limit of bytes, pixels or memory counts before decoding.
func Decode(data []byte, lim Limits) (*Picture, error) {
	f, err := recognise(data, lim)
	if err != nil {
		return nil, err
	}
	turn := tiffOrientation(f.exif(data))
	if err := admit(data, f, turn, lim); err != nil {
		return nil, err
	}
	var rows raster
	err = guard(func() (err error) {
		rows, err = f.decode(data)
		return err
	})
	if err != nil {
		return nil, damaged(f.name, err)
	}
	return &Picture{rows: orient(rows, turn)}, nil
}

// recognise finds the format of a file that is not too large.
func recognise(data []byte, lim Limits) (format, error) {
	if len(data) == 0 {
		return format{}, refuse("the picture has no bytes; want a JPEG, PNG, GIF, WebP, BMP or TIFF file")
	}
	if len(data) > lim.MaxBytes {
		return format{}, refuse("the picture has %d bytes, want at most %d", len(data), lim.MaxBytes)
	}
	f, ok := sniff(data)
	if !ok {
		return format{}, refuse("the bytes are no picture of a known format; want JPEG, PNG, GIF, WebP, BMP or TIFF")
	}
	return f, nil
}

// admit applies the limits to what the file says of itself.
func admit(data []byte, f format, turn int, lim Limits) error {
	var config image.Config
	err := guard(func() (err error) {
		config, err = f.config(bytes.NewReader(data))
		return err
	})
	if err != nil {
		return damaged(f.name, err)
	}
	if config.Width < 1 || config.Height < 1 {
		return refuse("the %s picture is %d × %d pixels, want at least 1 × 1", f.name, config.Width, config.Height)
	}
	// Divided, not multiplied: a hostile header may overflow the product.
	if int64(config.Width) > lim.MaxPixels/int64(config.Height) {
		return refuse("the %s picture is %d × %d pixels, want at most %d in all", f.name, config.Width, config.Height, lim.MaxPixels)
	}
	need := f.memory(data, config)
	if turn != 1 {
		need += 4 * int64(config.Width) * int64(config.Height)
	}
	if need > lim.MaxMemory {
		return refuse("the %s picture needs %d MiB to decode, want at most %d MiB", f.name, need>>20, lim.MaxMemory>>20)
	}
	return nil
}

// guard runs a decoder. The decoders are made for honest files and have panicked on
// hostile ones before; here, at the door, a panic is one more way to be damaged.
func guard(decode func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("decoder gave up: %v", r)
		}
	}()
	return decode()
}

// damaged words a decoder's error for the one who sent the picture.
func damaged(name string, err error) error {
	var field *recsys.FieldError
	switch {
	case errors.As(err, &field):
		return field
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return refuse("the %s picture is cut short", name)
	}
	// "jpeg: invalid format: …" would repeat the name.
	text := strings.TrimPrefix(err.Error(), strings.ToLower(name)+": ")
	return refuse("the %s picture cannot be decoded: %s", name, text)
}
