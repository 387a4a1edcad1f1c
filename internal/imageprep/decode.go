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
	// across and down are how long the sides are in pixels, where that is no whole number: the
	// last pixels of a picture that was scaled down while it was read may show less than others.
	across, down float64
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
func Decode(data []byte, lim Limits) (*Picture, error) { return decode(data, lim, 0) }

// DecodeFor is Decode for a picture that only the Tensor of rule will be asked of. Built with the
// tag turbojpeg it has libjpeg-turbo read JPEGs, which scales large ones down on the way, but
// never below twice the short side that the rule wants; Width and Height are then those of what was
// read. A file that libjpeg-turbo finds any fault with is left to the portable decoder, so that
// the same files are refused for the same reasons.
func DecodeFor(data []byte, lim Limits, rule Rule) (*Picture, error) {
	return decode(data, lim, rule.ShortSide)
}

// decode is Decode, or DecodeFor a short side above 0.
func decode(data []byte, lim Limits, side int) (*Picture, error) {
	f, err := recognise(data, lim)
	if err != nil {
		return nil, err
	}
	turn := tiffOrientation(f.exif(data))
	config, err := admit(data, f, turn, lim)
	if err != nil {
		return nil, err
	}
	var rows raster
	by := 1
	err = guard(func() (err error) {
		if side > 0 && f.reduce != nil {
			if rows, by = f.reduce(data, config, side); rows != nil {
				return nil
			}
		}
		rows, err = f.decode(data)
		return err
	})
	if err != nil {
		return nil, damaged(f.name, err)
	}
	p := &Picture{rows: orient(rows, turn)}
	if by > 1 {
		p.across, p.down = float64(config.Width)/float64(by), float64(config.Height)/float64(by)
		if turn >= 5 { // lies on its side
			p.across, p.down = p.down, p.across
		}
	}
	return p, nil
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

// admit applies the limits to what the file says of itself, and returns that.
func admit(data []byte, f format, turn int, lim Limits) (config image.Config, err error) {
	err = guard(func() (err error) {
		config, err = f.config(bytes.NewReader(data))
		return err
	})
	if err != nil {
		return config, damaged(f.name, err)
	}
	if config.Width < 1 || config.Height < 1 {
		return config, refuse("the %s picture is %d × %d pixels, want at least 1 × 1", f.name, config.Width, config.Height)
	}
	// Divided, not multiplied: a hostile header may overflow the product.
	if int64(config.Width) > lim.MaxPixels/int64(config.Height) {
		return config, refuse("the %s picture is %d × %d pixels, want at most %d in all", f.name, config.Width, config.Height, lim.MaxPixels)
	}
	need := f.memory(data, config)
	if turn != 1 {
		need += 4 * int64(config.Width) * int64(config.Height)
	}
	if need > lim.MaxMemory {
		return config, refuse("the %s picture needs %d MiB to decode, want at most %d MiB", f.name, need>>20, lim.MaxMemory>>20)
	}
	return config, nil
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
