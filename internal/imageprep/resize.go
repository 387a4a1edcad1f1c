package imageprep

import (
	"math"
	"slices"
)

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

// scaler computes the rows of the result in order. Between the passes it keeps only the rows
// that the next output needs, so that a large picture stays within the processor's caches.
type scaler struct {
	rows         raster
	across, down *taps
	clip         *levels8

	half int      // words to a row between the passes: ⌈3n/2⌉, n the width of the result
	ring []uint64 // as many rows as an output needs, and one, since rows come in pairs
	next int      // the first source row that has not been in the ring

	source, result []byte   // two rows before and after the horizontal pass
	packed         []uint64 // source as lanes
	sums           []uint64
}

func newScaler(rows raster, across, down *taps) *scaler {
	s := &scaler{rows: rows, across: across, down: down, clip: newLevels8(), half: (3*len(across.first) + 1) / 2}
	x0, x1 := across.inputs()
	s.next, _ = down.inputs()
	s.ring = make([]uint64, (slices.Max(down.count)+1)*s.half)
	s.source = make([]byte, 2*3*(x1-x0))
	s.packed = make([]uint64, 3*(x1-x0))
	s.result = make([]byte, 2*2*s.half)
	s.sums = make([]uint64, s.half)
	return s
}

// kept is the place of a source row in the ring.
func (s *scaler) kept(y int) []uint64 {
	at := y % (len(s.ring) / s.half) * s.half
	return s.ring[at : at+s.half]
}

// advance runs the horizontal pass over the next two source rows.
func (s *scaler) advance() {
	x0, x1 := s.across.inputs()
	_, end := s.down.inputs()
	upper, lower := s.source[:len(s.packed)], s.source[len(s.packed):]
	s.rows.rgb(upper, s.next, x0, x1)
	if s.next+1 < end {
		s.rows.rgb(lower, s.next+1, x0, x1)
	}
	packed := s.packed[:len(upper)]
	for i, v := range upper {
		packed[i] = lanes(v, lower[i])
	}
	first, second := s.result[:2*s.half], s.result[2*s.half:]
	s.convolve(first, second)
	keep(s.kept(s.next), first)
	keep(s.kept(s.next+1), second)
	s.next += 2
}

// convolve computes two result rows from the packed source rows, which begin at the first
// input that any output needs.
func (s *scaler) convolve(upper, lower []byte) {
	x0 := s.across.first[0]
	for i, first := range s.across.first {
		weights := s.across.of(i)
		p := s.packed[3*(first-x0):]
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

// keep packs a row for the vertical pass: word j gets bytes j and half+j.
func keep(words []uint64, row []byte) {
	left, right := row[:len(words)], row[len(words):2*len(words)]
	for j := range words {
		words[j] = lanes(left[j], right[j])
	}
}

// row runs the vertical pass for row y of the result; rows must be asked for in order. dst, of
// 2·half bytes, gets its RGB triples.
func (s *scaler) row(dst []byte, y int) {
	first, weights := s.down.first[y], s.down.of(y)
	for s.next < first+len(weights) {
		s.advance()
	}
	for j := range s.sums {
		s.sums[j] = start
	}
	for ; len(weights) >= 4; first, weights = first+4, weights[4:] {
		s.addFour(first, [4]uint64(weights))
	}
	for k, w := range weights {
		for j, v := range s.kept(first + k)[:len(s.sums)] {
			s.sums[j] += v * w
		}
	}
	left, right := dst[:len(s.sums)], dst[len(s.sums):2*len(s.sums)]
	for j, sum := range s.sums {
		left[j], right[j] = s.clip.settle(sum)
	}
}

// addFour adds four weighted rows at once: one load and store of the sums instead of four.
func (s *scaler) addFour(first int, w [4]uint64) {
	sums := s.sums
	a, b := s.kept(first)[:len(sums)], s.kept(first + 1)[:len(sums)]
	c, d := s.kept(first + 2)[:len(sums)], s.kept(first + 3)[:len(sums)]
	for j := range sums {
		sums[j] += a[j]*w[0] + b[j]*w[1] + c[j]*w[2] + d[j]*w[3]
	}
}
