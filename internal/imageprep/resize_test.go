package imageprep

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// noise is a raster of random pixels, with flat black and white parts to provoke overshoot.
func noise(seed uint64, w, h int) *packedRaster {
	rng := rand.New(rand.NewPCG(seed, 1))
	value := func() byte { return byte(min(max(rng.IntN(512)-128, 0), 255)) }
	r := &packedRaster{pix: make([]uint32, w*h), width: w, height: h}
	for i := range r.pix {
		r.pix[i] = pixel(value(), value(), value())
	}
	return r
}

// shapes covers shrinking, growing, odd and extreme sizes, and crops of odd width.
var shapes = []struct{ w, h, short, crop int }{
	{256, 256, 256, 100}, {224, 224, 224, 100}, {300, 200, 64, 64}, {200, 301, 64, 33}, {31, 17, 64, 64},
	{1, 1, 32, 31}, {1, 90, 16, 16}, {500, 3, 16, 15}, {1000, 999, 9, 8}, {7, 1000, 5, 1}, {640, 481, 256, 40},
}

// slowCrop is the definition: every tap, one sample at a time, in Pillow's integers
// (exact false) or in float64 without any rounding between (exact true).
func slowCrop(r *packedRaster, short, crop int, f Filter, exact bool) []byte {
	w, h := scaled(float64(r.width), float64(r.height), short)
	mid := slowAxis(func(i, y, c int) float64 { return float64(byte(r.pix[y*r.width+i] >> (8 * c))) }, r.width, w, crop, r.height, f, exact)
	out := slowAxis(func(i, x, c int) float64 { return mid[x][i][c] }, r.height, h, crop, crop, f, exact)
	flat := make([]byte, 3*crop*crop)
	for c := range 3 {
		for y := range crop {
			for x := range crop {
				flat[(c*crop+y)*crop+x] = byte(math.Max(0, math.Min(255, math.Round(out[y][x][c]))))
			}
		}
	}
	return flat
}

// slowAxis scales one axis; the result is [output][line][channel].
func slowAxis(at func(i, line, c int) float64, in, out, crop, lines int, f Filter, exact bool) [][][3]float64 {
	scale := float64(in) / float64(out)
	stretch := math.Max(scale, 1)
	kernel, reach := keys, 2.0
	if f == Bilinear {
		kernel, reach = func(x float64) float64 { return math.Max(0, 1-math.Abs(x)) }, 1
	}
	result := make([][][3]float64, crop)
	for o := range crop {
		center := (float64(o+(out-crop)/2) + 0.5) * scale
		var weights []float64
		var sum float64
		first := -1
		for i := range in {
			if math.Abs(float64(i)+0.5-center) < reach*stretch {
				if first < 0 {
					first = i
				}
				weights = append(weights, kernel((float64(i)+0.5-center)/stretch))
				sum += weights[len(weights)-1]
			}
		}
		result[o] = make([][3]float64, lines)
		for line := range lines {
			for c := range 3 {
				var v float64
				for k, w := range weights {
					if w /= sum; !exact {
						w = math.Round(w*(1<<22)) / (1 << 22)
					}
					v += w * at(first+k, line, c)
				}
				if !exact {
					v = math.Max(0, math.Min(255, math.Floor(v+0.5)))
				}
				result[o][line][c] = v
			}
		}
	}
	return result
}

// keys is the cubic convolution kernel in its textbook form (Keys 1981), a = −1/2.
func keys(x float64) float64 {
	x = math.Abs(x)
	switch {
	case x <= 1:
		return 1.5*x*x*x - 2.5*x*x + 1
	case x < 2:
		return -0.5*x*x*x + 2.5*x*x - 4*x + 2
	}
	return 0
}

func TestTensorEqualsSlowTwin(t *testing.T) {
	t.Parallel()
	for i, s := range slices.Concat(shapes, shapes) {
		filter := Filter(i / len(shapes))
		t.Run(fmt.Sprintf("%dx%d_to_%d_%d_filter%d", s.w, s.h, s.short, s.crop, filter), func(t *testing.T) {
			t.Parallel()
			r := noise(uint64(i), s.w, s.h)
			got := toBytes((&Picture{rows: r}).Tensor(Rule{ShortSide: s.short, Crop: s.crop, Filter: filter, Std: [3]float32{1, 1, 1}}))
			different := 0
			for k, want := range slowCrop(r, s.short, s.crop, filter, false) {
				if d := int(got[k]) - int(want); d != 0 {
					different++
					if d < -1 || d > 1 {
						t.Fatalf("value %d is %d, the integer twin says %d", k, got[k], want)
					}
				}
			}
			// A weight may differ in its last bit where the twin's kernel rounds otherwise.
			if different*1000 > len(got) {
				t.Errorf("%d of %d values differ from the integer twin, want at most one in a thousand", different, len(got))
			}
			compareExact(t, got, slowCrop(r, s.short, s.crop, filter, true))
		})
	}
}

// compareExact allows what rounding and clipping between the passes may move.
func compareExact(t *testing.T, got, want []byte) {
	t.Helper()
	var sum, worst float64
	for k := range got {
		d := math.Abs(float64(got[k]) - float64(want[k]))
		sum, worst = sum+d, max(worst, d)
	}
	// Noise of full contrast overshoots by up to a quarter after the first pass, and clips.
	if mean := sum / float64(len(got)); mean > 8 {
		t.Errorf("mean difference from exact arithmetic %.3f levels (worst %v), want at most 8", mean, worst)
	}
}

// Without overshoot nothing clips, and exact arithmetic is at most two roundings away.
func TestTensorOfSmoothPictureIsExact(t *testing.T) {
	t.Parallel()
	r := &packedRaster{pix: make([]uint32, 90*70), width: 90, height: 70}
	for y := range 70 {
		for x := range 90 {
			r.pix[90*y+x] = pixel(byte(50+x), byte(60+y), byte(40+x+y))
		}
	}
	for _, short := range []int{20, 64, 70, 100} {
		got := toBytes((&Picture{rows: r}).Tensor(Rule{ShortSide: short, Crop: 20, Std: [3]float32{1, 1, 1}}))
		for k, want := range slowCrop(r, short, 20, Bicubic, true) {
			if d := int(got[k]) - int(want); d < -1 || d > 1 {
				t.Fatalf("short side %d: value %d is %d, want %d within 1", short, k, got[k], want)
			}
		}
	}
}

// The two sums in a word must not touch: every weight set stays below the bound that the
// comment in kernels.go claims, for every scale in use.
func TestWeightsStayWithinTheirLanes(t *testing.T) {
	t.Parallel()
	for _, s := range []struct{ in, out, from, n int }{
		{1, 256, 0, 256}, {2, 256, 0, 256}, {3, 4096, 0, 4096}, {137, 256, 16, 224}, {7071, 256, 16, 224}, {65535, 256, 0, 256}, {255, 256, 0, 256}, {257, 256, 0, 256},
	} {
		weights := Bicubic.newTaps(whole(s.in), s.out, s.from, s.n)
		for i := range s.n {
			var sum, abs int64
			for _, w := range weights.of(i) {
				sum += int64(w)
				abs += max(int64(w), -int64(w))
			}
			if abs*255+1<<(weightBits-1) >= 1<<31 {
				t.Fatalf("%d → %d, output %d: Σ|weight| = %v", s.in, s.out, i, float64(abs)/(1<<weightBits))
			}
			if d := sum - 1<<weightBits; d < -200 || d > 200 {
				t.Fatalf("%d → %d, output %d: weights sum to %v, want 1", s.in, s.out, i, float64(sum)/(1<<weightBits))
			}
		}
	}
}

// The kernels in use give the bytes of the plain ones.
func TestKernelsEqualPlain(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(9, 9))
	fast, plain := newKernels(), plainKernels()
	for _, s := range shapes {
		across := Bicubic.newTaps(whole(s.w), max(s.w*s.short/min(s.w, s.h), s.crop), 0, s.crop)
		words := (s.crop + 7) / 8 * 4
		columns := randomWords(rng, across.inputs+across.width)
		var rows [4][]uint64
		for i := range rows {
			rows[i] = make([]uint64, words)
		}
		fast.horizontal(rows[0], rows[1], columns, across)
		plain.horizontal(rows[2], rows[3], columns, across)
		if diff := cmp.Diff(rows[2:], rows[:2]); diff != "" {
			t.Fatalf("%+v, horizontal (-plain +fast):\n%s", s, diff)
		}
		ring := randomWords(rng, 9*words)
		places := make([]int, across.width)
		for k := range places {
			places[k] = rng.IntN(9) * words
		}
		fast.vertical(rows[0], ring, places, across.of(0))
		plain.vertical(rows[2], ring, places, across.of(0))
		if diff := cmp.Diff(rows[2], rows[0]); diff != "" {
			t.Fatalf("%+v, vertical (-plain +fast):\n%s", s, diff)
		}
	}
}

// randomWords are words of two pixels, with more black and white than chance would give.
func randomWords(rng *rand.Rand, n int) []uint64 {
	r := noise(rng.Uint64(), 2*n, 1)
	words := make([]uint64, n)
	for i := range words {
		words[i] = uint64(r.pix[2*i]) | uint64(r.pix[2*i+1])<<32
	}
	return words
}

func TestScaled(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ w, h, side, wantW, wantH int }{
		{256, 256, 256, 256, 256}, {2000, 3, 256, 170667, 256}, {1, 1, 256, 256, 256},
		{512, 1281, 256, 256, 640}, {512, 1283, 256, 256, 642}, // 640.5 and 641.5: halves go to even
	} {
		w, h := scaled(float64(c.w), float64(c.h), c.side)
		if diff := cmp.Diff([2]int{c.wantW, c.wantH}, [2]int{w, h}); diff != "" {
			t.Errorf("scaled(%d, %d, %d) (-want +got):\n%s", c.w, c.h, c.side, diff)
		}
	}
}

func TestRuleValidate(t *testing.T) {
	t.Parallel()
	if err := goldenRule().Validate(); err != nil {
		t.Errorf("the default rule: %v", err)
	}
	nan := float32(math.NaN())
	for name, r := range map[string]Rule{
		"zero":          {},
		"crop too wide": {ShortSide: 100, Crop: 101, Std: [3]float32{1, 1, 1}},
		"std 0":         {ShortSide: 100, Crop: 100, Std: [3]float32{1, 0, 1}},
		"mean NaN":      {ShortSide: 100, Crop: 100, Mean: [3]float32{nan, 0, 0}, Std: [3]float32{1, 1, 1}},
		"too large":     {ShortSide: 1 << 20, Crop: 1, Std: [3]float32{1, 1, 1}},
	} {
		if r.Validate() == nil {
			t.Errorf("%s: valid, want an error", name)
		}
	}
}
