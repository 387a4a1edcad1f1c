package imageprep

import (
	"errors"
	"testing"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// FuzzDecode: any bytes give a picture whose tensor has the right length and finite values,
// or a reason, read for the rule as well as whole; nothing panics. Limits are small so that a run is about decoders, not memory.
func FuzzDecode(f *testing.F) {
	for _, name := range []string{
		"extra_420_tiny.jpg", "extra_one_pixel.jpg", "extra_cmyk.jpg", "extra_exif5.jpg", "jpeg_progressive.jpg",
		"png_tiny_1x1.png", "png_wide_2000x3.png", "extra_exif6.png", "extra_palette_alpha.png", "extra_one_bit.png",
		"extra_transparent.gif", "extra_animated.gif", "extra_exif8.webp", "extra_alpha_lossy.webp", "extra_odd_lossy.webp",
		"extra_palette.bmp", "extra_exif6.tiff", "extra_grey.tiff", "extra_palette.tiff",
	} {
		f.Add(readGolden(f, name))
	}
	f.Add(animatedWebP())
	f.Add(hugePNG(1000, 1000))
	lim := Limits{MaxBytes: 1 << 16, MaxPixels: 1 << 18, MaxMemory: 1 << 24}
	rule := Rule{ShortSide: 20, Crop: 17, Mean: [3]float32{127, 127, 127}, Std: [3]float32{128, 128, 128}}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Decode(data, lim)
		checkDecoded(t, p, err, lim, rule)
		reduced, refused := DecodeFor(data, lim, rule)
		checkDecoded(t, reduced, refused, lim, rule)
		if refused != nil && (err == nil || err.Error() != refused.Error()) {
			t.Fatalf("DecodeFor: %v, Decode: %v", refused, err)
		}
	})
}

func checkDecoded(t *testing.T, p *Picture, err error, lim Limits, rule Rule) {
	t.Helper()
	if err != nil {
		var field *recsys.FieldError
		if p != nil || !errors.As(err, &field) || field.Field != "" || field.Reason == "" {
			t.Fatalf("got %v, %#v; want a FieldError with a reason", p, err)
		}
		return
	}
	if p.Width() < 1 || p.Height() < 1 || int64(p.Width())*int64(p.Height()) > lim.MaxPixels {
		t.Fatalf("decoded %d × %d pixels, want at most %d", p.Width(), p.Height(), lim.MaxPixels)
	}
	tensor := p.Tensor(rule)
	if len(tensor) != rule.Len() {
		t.Fatalf("tensor has %d values, want %d", len(tensor), rule.Len())
	}
	for _, v := range tensor {
		if !(v >= -127./128 && v <= 1) {
			t.Fatalf("tensor holds %v, want −127/128 to 1", v)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, name := range []string{"jpeg_oc00198.jpg", "jpeg_large_1600x1200.jpg", "png_00.png"} {
		data := readGolden(b, name)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Decode(data, DefaultLimits()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkTensor(b *testing.B) {
	for _, name := range []string{"jpeg_oc00198.jpg", "jpeg_large_1600x1200.jpg", "png_00.png"} {
		p := decodeGolden(b, name)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.Tensor(goldenRule())
			}
		})
	}
}
