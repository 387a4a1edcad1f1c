package imageprep

import (
	"bytes"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// These tests hold for the portable build, where DecodeFor is Decode, and for that with
// libjpeg-turbo: go test -tags turbojpeg ./internal/imageprep.

func jpegs(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "golden", "*.jpg"))
	if err != nil || len(files) < 10 {
		t.Fatalf("%d JPEGs, %v", len(files), err)
	}
	for i := range files {
		files[i] = filepath.Base(files[i])
	}
	return files
}

// Read for a rule, a picture gives nearly the tensor that all of its pixels give: upright, of the
// same proportions, at least twice the size wanted if it was that large.
func TestDecodeForARule(t *testing.T) {
	t.Parallel()
	for _, side := range []int{256, 64, 20} {
		rule := Rule{ShortSide: side, Crop: side - 3, Std: [3]float32{1, 1, 1}}
		for _, name := range jpegs(t) {
			data := readGolden(t, name)
			whole, err := Decode(data, DefaultLimits())
			if err != nil {
				t.Fatal(err)
			}
			p, err := DecodeFor(data, DefaultLimits(), rule)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if short := min(p.Width(), p.Height()); short < min(2*side, whole.Width(), whole.Height()) {
				t.Errorf("%s for %d: short side %d of %d", name, side, short, min(whole.Width(), whole.Height()))
			}
			across, down := p.axes()
			if w, h := float64(whole.Width()), float64(whole.Height()); math.Abs(across.length*h-down.length*w) > 1e-6*w*h ||
				across.length > float64(p.Width()) || down.length > float64(p.Height()) {
				t.Errorf("%s for %d: %v × %v of %v × %v", name, side, across, down, w, h)
			}
			want, got := whole.Tensor(rule), p.Tensor(rule)
			var sum float64
			for i := range want {
				sum += math.Abs(float64(want[i] - got[i]))
			}
			// Measured: at most 1.6, of the 1600 × 1200 at a thirtieth of its size.
			if mean := sum / float64(len(want)); mean > 2.5 {
				t.Errorf("%s for %d: values differ by %.2f levels on average", name, side, mean)
			}
		}
	}
}

// A damaged file is refused with the reason that Decode gives, if it is refused at all.
func TestDecodeForDamagedFiles(t *testing.T) {
	t.Parallel()
	rule := Rule{ShortSide: 20, Crop: 17, Std: [3]float32{1, 1, 1}}
	check := func(what string, data []byte) {
		t.Helper()
		_, want := Decode(data, DefaultLimits())
		p, err := DecodeFor(data, DefaultLimits(), rule)
		switch {
		case err != nil:
			if diff := cmp.Diff(fmt.Sprint(want), err.Error()); diff != "" {
				t.Errorf("%s (-Decode +DecodeFor):\n%s", what, diff)
			}
		case len(p.Tensor(rule)) != rule.Len():
			t.Errorf("%s: a tensor of the wrong length", what)
		}
	}
	for _, name := range jpegs(t) {
		data := readGolden(t, name)
		if len(data) > 16_000 {
			continue // for speed; what they are damaged by is the same
		}
		step := max(1, len(data)/12)
		for at := 0; at < len(data); at += step {
			check(fmt.Sprintf("%s cut at %d", name, at), data[:at])
			changed := slices.Clone(data)
			changed[at] ^= 0x5a
			check(fmt.Sprintf("%s changed at %d", name, at), changed)
		}
	}
	cut := readGolden(t, "jpeg_large_1600x1200.jpg")
	if _, err := DecodeFor(cut[:len(cut)/2], DefaultLimits(), rule); err == nil {
		t.Error("half a file is accepted")
	}
}

// The limits are those of the whole picture, not of what is made of it.
func TestDecodeForKeepsTheLimits(t *testing.T) {
	t.Parallel()
	data := readGolden(t, "jpeg_large_1600x1200.jpg")
	rule := Rule{ShortSide: 20, Crop: 17, Std: [3]float32{1, 1, 1}}
	for name, change := range map[string]func(*Limits){
		"bytes":  func(l *Limits) { l.MaxBytes = len(data) - 1 },
		"pixels": func(l *Limits) { l.MaxPixels = 1600*1200 - 1 },
		"memory": func(l *Limits) { l.MaxMemory = 1600 * 1200 },
	} {
		lim := DefaultLimits()
		change(&lim)
		_, want := Decode(data, lim)
		if _, err := DecodeFor(data, lim, rule); want == nil || err == nil || err.Error() != want.Error() {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
	scans := slices.Concat(data[:len(data)-2], bytes.Repeat([]byte{0xff, 0xda}, maxScans), data[len(data)-2:])
	if _, err := DecodeFor(scans, DefaultLimits(), rule); err == nil {
		t.Error("a file of very many scans is accepted")
	}
}
