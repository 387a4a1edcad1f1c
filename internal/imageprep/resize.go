package imageprep

import "math"

// Pillow keeps filter weights as integers of 22 bits after the point: 32 less 8 for the
// value and 2 for overshoot.
const weightBits = 32 - 8 - 2

// bicubic is Keys' cubic convolution with a = −1/2, zero beyond ±2.
//
// The conversions to float64 keep compilers from fusing multiply and add, so that every
// machine rounds as the reference does.
func bicubic(x float64) float64 {
	const a = -0.5
	x = math.Abs(x)
	switch {
	case x < 1:
		return float64((float64((a+2)*x)-(a+3))*x*x) + 1
	case x < 2:
		return (float64((float64((x-5)*x)+8)*x) - 4) * a
	}
	return 0
}

// taps are the weights of one axis: output i is Σ_k weights[i·stride+k] · input[first[i]+k]
// over count[i] inputs. Weights are two's complement in 64 bits, ready for lanes.
type taps struct {
	stride       int
	first, count []int
	weights      []uint64
}

// newTaps computes the weights of outputs from … from+n−1 of an axis scaled from in to out
// samples. When it shrinks, the filter is stretched by the same factor (antialiasing).
//
// Method: precompute_coeffs and normalize_coeffs_8bpc of Pillow's Resample.c.
func newTaps(in, out, from, n int) *taps {
	scale := float64(in) / float64(out)
	stretch := max(scale, 1)
	support := 2 * stretch
	t := &taps{stride: int(math.Ceil(support))*2 + 1, first: make([]int, n), count: make([]int, n)}
	t.weights = make([]uint64, n*t.stride)
	exact := make([]float64, t.stride)
	for i := range n {
		center := (float64(from+i) + 0.5) * scale
		lo := max(int(center-support+0.5), 0)
		hi := min(int(center+support+0.5), in)
		var sum float64
		for k := range hi - lo {
			exact[k] = bicubic((float64(lo+k) - center + 0.5) * (1 / stretch))
			sum += exact[k]
		}
		t.first[i], t.count[i] = lo, hi-lo
		for k := range hi - lo {
			t.weights[i*t.stride+k] = uint64(fixed(exact[k] / sum))
		}
	}
	return t
}

// fixed rounds a weight half away from zero.
func fixed(w float64) int64 {
	w *= 1 << weightBits
	if w < 0 {
		return int64(w - 0.5)
	}
	return int64(w + 0.5)
}

// of is the weights of output i, for the inputs from first[i] on.
func (t *taps) of(i int) []uint64 {
	return t.weights[i*t.stride : i*t.stride+t.count[i]]
}

// inputs is the range of inputs that any output needs.
func (t *taps) inputs() (from, to int) {
	last := len(t.first) - 1
	return t.first[0], t.first[last] + t.count[last]
}

// Two sums of the convolution run in one 64-bit word, since Go has no vector arithmetic:
// one in the low 32 bits, one in the high. Multiplying by a signed weight and adding works
// on both at once, modulo 2⁶⁴. Each sum starts at 2³¹ and one half; as |Σ weight·value| is
// below 1.5 · 2²² · 255 < 2³¹, the low one ends within 32 bits and borrows nothing from the
// high one.

// lanes packs two values of 0…255.
func lanes(a, b byte) uint64 { return uint64(a) | uint64(b)<<32 }

// start begins both sums.
const start = (1<<31 + 1<<(weightBits-1)) * (1 + 1<<32)

// levels8 turns the upper ten bits of a sum into a value of 0…255; 2³¹ is level 0.
type levels8 [1 << 10]byte

func newLevels8() *levels8 {
	t := new(levels8)
	for i := range t {
		t[i] = clip(int32(i) - 1<<(31-weightBits))
	}
	return t
}

// settle turns the two sums into values.
func (t *levels8) settle(sum uint64) (a, b byte) {
	return t[uint32(sum)>>weightBits], t[sum>>(32+weightBits)]
}

// scaler holds the weights of both axes and the scratch memory of one picture.
type scaler struct {
	across, down *taps
	clip         *levels8
	half         int      // words to a row between the passes: ⌈3n/2⌉, n the width of the result
	words        []uint64 // rows y0 … y1−1 after the horizontal pass
	y0, y1       int
}

// columns runs the horizontal pass over the rows that the vertical pass needs, two at a
// time. Word j of a row holds bytes j and half+j of its RGB triples, which suits the
// vertical pass.
func (s *scaler) columns(rows raster) {
	s.y0, s.y1 = s.down.inputs()
	s.words = make([]uint64, (s.y1-s.y0)*s.half)
	x0, x1 := s.across.inputs()
	width := 3 * (x1 - x0)
	source := make([]byte, 2*width)
	upper, lower := source[:width], source[width:]
	packed := make([]uint64, width)
	result := make([]byte, 2*2*s.half)
	for y := s.y0; y < s.y1; y += 2 {
		rows.rgb(upper, y, x0, x1)
		if y+1 < s.y1 {
			rows.rgb(lower, y+1, x0, x1)
		}
		for i, v := range upper {
			packed[i] = lanes(v, lower[i])
		}
		s.convolve(result[:2*s.half], result[2*s.half:], packed)
		s.store(y, result[:2*s.half])
		if y+1 < s.y1 {
			s.store(y+1, result[2*s.half:])
		}
	}
}

// convolve computes two result rows from two packed source rows, which begin at the first
// input that any output needs.
func (s *scaler) convolve(upper, lower []byte, packed []uint64) {
	x0 := s.across.first[0]
	for i, first := range s.across.first {
		weights := s.across.of(i)
		p := packed[3*(first-x0):]
		var r, g, b uint64 = start, start, start
		for _, w := range weights {
			if len(p) < 3 {
				break // never; tells the compiler the bounds
			}
			r += p[0] * w
			g += p[1] * w
			b += p[2] * w
			p = p[3:]
		}
		u, l := upper[3*i:3*i+3], lower[3*i:3*i+3]
		u[0], l[0] = s.clip.settle(r)
		u[1], l[1] = s.clip.settle(g)
		u[2], l[2] = s.clip.settle(b)
	}
}

// store keeps the bytes of row y for the vertical pass.
func (s *scaler) store(y int, row []byte) {
	words := s.words[(y-s.y0)*s.half:][:s.half]
	left, right := row[:len(words)], row[len(words):2*len(words)]
	for j := range words {
		words[j] = lanes(left[j], right[j])
	}
}

// row runs the vertical pass for row y of the result: dst, 2·half bytes, gets its RGB
// triples. sums is scratch of half words.
func (s *scaler) row(dst []byte, sums []uint64, y int) {
	for j := range sums {
		sums[j] = start
	}
	weights := s.down.of(y)
	rows := s.words[(s.down.first[y]-s.y0)*s.half:]
	for ; len(weights) >= 4; weights = weights[4:] {
		addFour(sums, rows[:4*s.half], weights)
		rows = rows[4*s.half:]
	}
	for _, w := range weights {
		for j, v := range rows[:len(sums)] {
			sums[j] += v * w
		}
		rows = rows[s.half:]
	}
	left, right := dst[:len(sums)], dst[len(sums):2*len(sums)]
	for j, sum := range sums {
		left[j], right[j] = s.clip.settle(sum)
	}
}

// addFour adds four weighted rows at once: one load and store of the sums instead of four.
func addFour(sums, rows, weights []uint64) {
	half := len(sums)
	a, b, c, d := rows[:half], rows[half:2*half], rows[2*half:3*half], rows[3*half:4*half]
	w0, w1, w2, w3 := weights[0], weights[1], weights[2], weights[3]
	for j := range sums {
		sums[j] += a[j]*w0 + b[j]*w1 + c[j]*w2 + d[j]*w3
	}
}
