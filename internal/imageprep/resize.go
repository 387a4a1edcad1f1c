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

// triangle is linear interpolation, zero beyond ±1.
func triangle(x float64) float64 { return max(1-math.Abs(x), 0) }

// kernel is the function of a filter and how far it reaches.
func (f Filter) kernel() (at func(float64) float64, reach float64) {
	if f == Bilinear {
		return triangle, 1
	}
	return bicubic, 2
}

// taps are the weights of one axis: output i is Σ_k weights[i·width+k] · input[first[i]+k]
// over width inputs. Some at the end may have weight 0 and lie beyond the last input.
type taps struct {
	width   int
	first   []int32 // counted from base, the first input that any output needs
	weights []int32
	base    int
	inputs  int // how many inputs there are from base on that some output needs
}

// newTaps computes the weights of outputs from … from+n−1 of an axis scaled to out samples. When it shrinks, the filter is stretched by the same factor (antialiasing).
//
// Method: precompute_coeffs and normalize_coeffs_8bpc of Pillow's Resample.c.
func (f Filter) newTaps(in axis, out, from, n int) *taps {
	kernel, reach := f.kernel()
	scale := in.length / float64(out)
	stretch := max(scale, 1)
	support := reach * stretch
	t := &taps{width: int(math.Ceil(support))*2 + 1, first: make([]int32, n)}
	t.weights = make([]int32, n*t.width)
	exact := make([]float64, t.width)
	for i := range n {
		center := (float64(from+i) + 0.5) * scale
		lo := max(int(center-support+0.5), 0)
		hi := min(int(center+support+0.5), in.samples)
		var sum float64
		for k := range hi - lo {
			exact[k] = kernel((float64(lo+k) - center + 0.5) * (1 / stretch))
			sum += exact[k]
		}
		for k := range hi - lo {
			t.weights[i*t.width+k] = fixed(exact[k] / sum)
		}
		if i == 0 {
			t.base = lo
		}
		t.first[i], t.inputs = int32(lo-t.base), hi-t.base
	}
	return t
}

// fixed rounds a weight half away from zero.
func fixed(w float64) int32 {
	w *= 1 << weightBits
	if w < 0 {
		return int32(w - 0.5)
	}
	return int32(w + 0.5)
}

// of is the weights of output i.
func (t *taps) of(i int) []int32 { return t.weights[i*t.width : (i+1)*t.width] }

// Both passes work on words of two pixels, so that they see the same data: in the horizontal
// pass the pixels of one column in two rows, in the vertical pass two neighbours in a row.

// scaler computes the rows of the result in order. Between the passes it keeps only the rows
// that the next output needs, so that a large picture stays within the processor's caches.
type scaler struct {
	rows         raster
	across, down *taps
	kernels      kernels

	words int      // of a row between the passes, a multiple of four as the kernels want it
	ring  []uint64 // as many rows as an output needs, and one, since rows come in pairs
	next  int      // the first source row, from down.base on, that has not been in the ring

	upper, lower []uint32 // two source rows
	columns      []uint64 // the same, column by column; ends in zeros that taps may reach
	places       []int    // where the rows of one output are in the ring
}

func newScaler(rows raster, across, down *taps) *scaler {
	s := &scaler{rows: rows, across: across, down: down, kernels: newKernels(), words: (len(across.first) + 7) / 8 * 4}
	s.ring = make([]uint64, (down.width+1)*s.words)
	s.upper, s.lower = make([]uint32, across.inputs), make([]uint32, across.inputs)
	s.columns = make([]uint64, across.inputs+across.width)
	s.places = make([]int, down.width)
	return s
}

// place is where the ring keeps a source row, counted from down.base.
func (s *scaler) place(row int) int { return row % (s.down.width + 1) * s.words }

// advance runs the horizontal pass over the next two source rows.
func (s *scaler) advance() {
	x0, x1 := s.across.base, s.across.base+s.across.inputs
	s.rows.row(s.upper, s.down.base+s.next, x0, x1)
	if s.next+1 < s.down.inputs {
		s.rows.row(s.lower, s.down.base+s.next+1, x0, x1)
	}
	columns, lower := s.columns[:len(s.upper)], s.lower[:len(s.upper)]
	for i, v := range s.upper {
		columns[i] = uint64(v) | uint64(lower[i])<<32
	}
	first, second := s.ring[s.place(s.next):][:s.words], s.ring[s.place(s.next+1):][:s.words]
	s.kernels.horizontal(first, second, s.columns, s.across)
	s.next += 2
}

// row runs the vertical pass for row y of the result, which is written to dst, words long;
// rows must be asked for in order.
func (s *scaler) row(dst []uint64, y int) {
	first := int(s.down.first[y])
	for s.next < min(first+s.down.width, s.down.inputs) {
		s.advance()
	}
	// A row beyond the last has weight 0; whatever is in its place will do.
	for k := range s.places {
		s.places[k] = s.place(first + k)
	}
	s.kernels.vertical(dst, s.ring, s.places, s.down.of(y))
}
