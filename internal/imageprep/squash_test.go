package imageprep

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"math/rand/v2"
	"testing"
)

// drawn is a picture of w × h pixels as pixel says.
func drawn(t *testing.T, w, h int, pixel func(x, y int) color.RGBA) *Picture {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.SetRGBA(x, y, pixel(x, y))
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	p, err := Decode(b.Bytes(), DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// squashTwin samples every output pixel at 60 × 60 points, which hits the areas of axes that
// divide 60 exactly.
func squashTwin(pixel func(x, y int) color.RGBA, w, h, width, height int) []byte {
	const points = 60
	out := make([]byte, 0, 3*width*height)
	for y := range height {
		for x := range width {
			var sum [3]float64
			for j := range points {
				for i := range points {
					c := pixel(int((float64(x)+(float64(i)+.5)/points)*float64(w)/float64(width)), int((float64(y)+(float64(j)+.5)/points)*float64(h)/float64(height)))
					sum[0] += float64(c.R)
					sum[1] += float64(c.G)
					sum[2] += float64(c.B)
				}
			}
			for _, v := range sum {
				out = append(out, byte(v/points/points+.5))
			}
		}
	}
	return out
}

func TestSquashAgainstSampling(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	noise := make(map[image.Point]color.RGBA)
	pixel := func(x, y int) color.RGBA {
		at := image.Pt(x, y)
		if _, ok := noise[at]; !ok {
			noise[at] = color.RGBA{byte(random.IntN(256)), byte(random.IntN(256)), byte(random.IntN(256)), 255}
		}
		return noise[at]
	}
	for _, size := range [][4]int{{8, 8, 4, 4}, {5, 3, 4, 2}, {2, 3, 4, 6}, {1, 1, 9, 8}, {7, 6, 1, 1}} {
		w, h, width, height := size[0], size[1], size[2], size[3]
		got := drawn(t, w, h, pixel).Squash(width, height)
		want := squashTwin(pixel, w, h, width, height)
		for i := range want {
			if d := int(got[i]) - int(want[i]); d < -1 || d > 1 { // .5 may be rounded either way
				t.Fatalf("%d × %d to %d × %d: value %d is %d, want %d", w, h, width, height, i, got[i], want[i])
			}
		}
	}
}
