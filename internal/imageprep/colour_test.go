package imageprep

import (
	"fmt"
	"image"
	"image/color"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The formulas of libjpeg's jdcolor.c and libwebp's yuv.h, one channel at a time.
func slowJPEG(y, cb, cr int32) [3]byte {
	const half = 1 << 15
	u, v := cb-128, cr-128
	return [3]byte{clip(y + (91881*v+half)>>16), clip(y + (-22554*u-46802*v+half)>>16), clip(y + (116130*u+half)>>16)}
}

func slowWebP(y, u, v int32) [3]byte {
	high := func(v, factor int32) int32 { return v * factor >> 8 }
	level := func(v int32) byte {
		switch {
		case v < 0:
			return 0
		case v >= 256<<6:
			return 255
		}
		return byte(v >> 6)
	}
	l := high(y, 19077)
	return [3]byte{level(l + high(v, 26149) - 14234), level(l - high(u, 6419) - high(v, 13320) + 8708), level(l + high(u, 33050) - 17685)}
}

// triples is a part of a row as red, green, blue.
func triples(r raster, y, x0, x1 int) []byte {
	row := make([]uint32, x1-x0)
	r.row(row, y, x0, x1)
	var b []byte
	for _, v := range row {
		b = append(b, byte(v), byte(v>>8), byte(v>>16))
	}
	return b
}

func TestColorTablesEqualTheFormulas(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		table *colorTable
		slow  func(y, cb, cr int32) [3]byte
	}{"jpeg": {jpegColors(), slowJPEG}, "webp": {webpColors(), slowWebP}} {
		var luma, cbs, crs [256]byte
		var got [256]uint32
		for i := range luma {
			luma[i] = byte(i)
		}
		for cb := 0; cb < 256; cb += 5 { // reaches 0 and 255
			for cr := 0; cr < 256; cr += 3 {
				for i := range cbs {
					cbs[i], crs[i] = byte(cb), byte(cr)
				}
				c.table.convert(got[:], luma[:], cbs[:], crs[:])
				for y := range 256 {
					if want := c.slow(int32(y), int32(cb), int32(cr)); got[y] != pixel(want[0], want[1], want[2]) {
						t.Fatalf("%s: y %d, cb %d, cr %d: got %06x, want %x", name, y, cb, cr, got[y], want)
					}
				}
			}
		}
	}
}

// slowChroma is the triangle filter as jdsample.c states it, one sample at a time.
func slowChroma(m *image.YCbCr, plane []byte, w, h, x, y int) byte {
	sample := func(cx, cy, cw, ch int) int {
		return int(plane[min(max(cy, 0), ch-1)*m.CStride+min(max(cx, 0), cw-1)])
	}
	halfW, halfH := (w+1)/2, (h+1)/2
	side := func(v int) int { return v/2 - 1 + 2*(v%2) } // the neighbour on the pixel's side
	switch {
	case m.SubsampleRatio == image.YCbCrSubsampleRatio422 && halfW > 2:
		return byte((3*sample(x/2, y, halfW, h) + sample(side(x), y, halfW, h) + 1 + x%2) >> 2)
	case m.SubsampleRatio == image.YCbCrSubsampleRatio440:
		return byte((3*sample(x, y/2, w, halfH) + sample(x, side(y), w, halfH) + 1 + y%2) >> 2)
	case m.SubsampleRatio == image.YCbCrSubsampleRatio420 && halfW > 2:
		column := func(cx int) int { return 3*sample(cx, y/2, halfW, halfH) + sample(cx, side(y), halfW, halfH) }
		return byte((3*column(x/2) + column(side(x)) + 8 - x%2) >> 4)
	}
	return plane[m.COffset(x, y)]
}

func TestChromaEqualsSlowTwin(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(7, 7))
	for ratio := image.YCbCrSubsampleRatio444; ratio <= image.YCbCrSubsampleRatio410; ratio++ {
		for _, size := range [][2]int{{1, 1}, {2, 2}, {3, 5}, {4, 1}, {5, 4}, {6, 6}, {17, 9}, {300, 3}, {515, 2}, {768, 1}} {
			w, h := size[0], size[1]
			m := image.NewYCbCr(image.Rect(0, 0, w, h), ratio)
			for _, plane := range [][]byte{m.Y, m.Cb, m.Cr} {
				for i := range plane {
					plane[i] = byte(rng.IntN(256))
				}
			}
			r := newRaster(m)
			for range 20 {
				y, x0 := rng.IntN(h), rng.IntN(w)
				x1 := x0 + rng.IntN(w-x0) + 1
				var want []byte
				for x := x0; x < x1; x++ {
					cb, cr := slowChroma(m, m.Cb, w, h, x, y), slowChroma(m, m.Cr, w, h, x, y)
					rgb := slowJPEG(int32(m.Y[m.YOffset(x, y)]), int32(cb), int32(cr))
					want = append(want, rgb[:]...)
				}
				if diff := cmp.Diff(want, triples(r, y, x0, x1)); diff != "" {
					t.Fatalf("%v, %d × %d, row %d, columns %d…%d (-want +got):\n%s", ratio, w, h, y, x0, x1, diff)
				}
			}
		}
	}
}

// Every image type a decoder returns gives what the slow way through At gives.
func TestRastersEqualAt(t *testing.T) {
	t.Parallel()
	const w, h = 13, 5
	bounds := image.Rect(0, 0, w, h)
	rng := rand.New(rand.NewPCG(3, 4))
	fill := func(pix []byte) {
		for i := range pix {
			pix[i] = byte(rng.IntN(256))
		}
	}
	grey, grey16 := image.NewGray(bounds), image.NewGray16(bounds)
	straight, straight16 := image.NewNRGBA(bounds), image.NewNRGBA64(bounds)
	paletted := image.NewPaletted(bounds, color.Palette{color.Black, color.White, color.RGBA{}, color.NRGBA{200, 100, 50, 77}})
	for _, pix := range [][]byte{grey.Pix, grey16.Pix, straight.Pix, straight16.Pix} {
		fill(pix)
	}
	for i := range paletted.Pix {
		paletted.Pix[i] = byte(rng.IntN(4))
	}
	opaque, opaque16 := image.NewRGBA(bounds), image.NewRGBA64(bounds)
	fill(opaque.Pix)
	fill(opaque16.Pix)
	for i := range w * h {
		opaque.Pix[4*i+3] = 255
		opaque16.Pix[8*i+6], opaque16.Pix[8*i+7] = 255, 255
	}
	for _, m := range []image.Image{grey, grey16, straight, straight16, paletted, opaque, opaque16} {
		t.Run(fmt.Sprintf("%T", m), func(t *testing.T) {
			t.Parallel()
			fast, slow := newRaster(m), &anyRaster{m: m}
			for y := range h {
				if diff := cmp.Diff(triples(slow, y, 1, w-1), triples(fast, y, 1, w-1)); diff != "" {
					t.Fatalf("row %d (-want +got):\n%s", y, diff)
				}
			}
		})
	}
}

func TestBlendWhite(t *testing.T) {
	t.Parallel()
	for v := range 256 {
		for a := range 256 {
			exact := (float64(v*a) + 255*float64(255-a)) / 255
			if got := float64(blendWhite(byte(v), byte(a))); got < exact-1 || got > exact+1 {
				t.Fatalf("blendWhite(%d, %d) = %v, want %.2f within 1", v, a, got, exact)
			}
		}
		if got := blendWhite(byte(v), 255); got != byte(v) {
			t.Fatalf("opaque %d became %d", v, got)
		}
		if got := blendWhite(byte(v), 0); got != 255 {
			t.Fatalf("clear %d became %d, want white", v, got)
		}
	}
}

// Premultiplied colours over white: the missing light is white.
func TestPremultiplied(t *testing.T) {
	t.Parallel()
	m := image.NewRGBA(image.Rect(0, 0, 2, 1))
	copy(m.Pix, []byte{100, 0, 50, 128, 255, 255, 255, 0}) // the second is more than its alpha allows
	if diff := cmp.Diff([]byte{227, 127, 177, 255, 255, 255}, triples(newRaster(m), 0, 0, 2)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A pixel beyond the palette must not panic.
func TestPaletteIndexOutOfRange(t *testing.T) {
	t.Parallel()
	m := image.NewPaletted(image.Rect(0, 0, 1, 1), color.Palette{color.White})
	m.Pix[0] = 200
	if diff := cmp.Diff([]byte{0, 0, 0}, triples(newRaster(m), 0, 0, 1)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestOrient(t *testing.T) {
	t.Parallel()
	const w, h = 37, 21
	r := noise(5, w, h)
	// Where source pixel (x, y) goes (EXIF 2.32, tag 0x0112).
	places := map[int]func(x, y int) (int, int){
		1: func(x, y int) (int, int) { return x, y },
		2: func(x, y int) (int, int) { return w - 1 - x, y },
		3: func(x, y int) (int, int) { return w - 1 - x, h - 1 - y },
		4: func(x, y int) (int, int) { return x, h - 1 - y },
		5: func(x, y int) (int, int) { return y, x },
		6: func(x, y int) (int, int) { return h - 1 - y, x },
		7: func(x, y int) (int, int) { return h - 1 - y, w - 1 - x },
		8: func(x, y int) (int, int) { return y, w - 1 - x },
	}
	for turn, place := range places {
		o := orient(r, turn)
		width, height := o.size()
		if turn >= 5 != (width == h && height == w) {
			t.Fatalf("orientation %d: size %d × %d", turn, width, height)
		}
		for y := range h {
			for x := range w {
				px, py := place(x, y)
				if diff := cmp.Diff(triples(r, y, x, x+1), triples(o, py, px, px+1)); diff != "" {
					t.Fatalf("orientation %d, pixel (%d, %d) (-want +got):\n%s", turn, x, y, diff)
				}
			}
		}
	}
}
