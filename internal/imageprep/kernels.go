package imageprep

// kernels are the inner loops of the two passes, in assembly where the processor has AVX2,
// else in Go. Both give the same bytes: the arithmetic is exact.
type kernels struct {
	// horizontal computes two rows, upper and lower, from the columns of both: pixel i of
	// either is the sum over t's weights for output i. Rows are two pixels to a word.
	horizontal func(upper, lower, columns []uint64, t *taps)
	// vertical computes a row from those at the given places of ring, all len(dst) words long.
	vertical func(dst, ring []uint64, places []int, weights []int32)
}

// Without vector instructions two sums of the convolution run in one 64-bit word: one in the
// low 32 bits, one in the high. Multiplying by a signed weight and adding works on both at
// once, modulo 2⁶⁴. Each sum starts at 2³¹ and one half; as |Σ weight·value| is below
// 1.5 · 2²² · 255 < 2³¹, the low one ends within 32 bits and borrows nothing from the high one.
const (
	start = (1<<31 + 1<<(weightBits-1)) * (1 + 1<<32)
	lanes = 0xff | 0xff<<32 // one channel of the two pixels in a word
)

// plainKernels is the portable version.
func plainKernels() kernels {
	clip := newLevels()
	return kernels{horizontal: clip.horizontal, vertical: clip.vertical}
}

// levels turns the upper ten bits of a sum into a value of 0…255; 2³¹ is level 0.
type levels [1 << 10]uint64

func newLevels() *levels {
	t := new(levels)
	for i := range t {
		t[i] = uint64(clip(int32(i) - 1<<(31-weightBits)))
	}
	return t
}

// settle rounds the sums of two pixels' channels into a word.
func (t *levels) settle(r, g, b uint64) uint64 {
	const high = 32 + weightBits
	return t[uint32(r)>>weightBits] | t[uint32(g)>>weightBits]<<8 | t[uint32(b)>>weightBits]<<16 |
		t[r>>high]<<32 | t[g>>high]<<40 | t[b>>high]<<48
}

func (t *levels) horizontal(upper, lower, columns []uint64, axis *taps) {
	for i, first := range axis.first {
		r, g, b := uint64(start), uint64(start), uint64(start)
		weights := axis.of(i)
		for k, v := range columns[first:][:len(weights)] {
			w := uint64(int64(weights[k]))
			r += v & lanes * w
			g += v >> 8 & lanes * w
			b += v >> 16 & lanes * w
		}
		v := t.settle(r, g, b)
		if i%2 == 0 {
			upper[i/2], lower[i/2] = v&(1<<32-1), v>>32
		} else {
			upper[i/2] |= v << 32
			lower[i/2] |= v >> 32 << 32
		}
	}
}

func (t *levels) vertical(dst, ring []uint64, places []int, weights []int32) {
	for j := range dst {
		r, g, b := uint64(start), uint64(start), uint64(start)
		for k, place := range places {
			v, w := ring[place+j], uint64(int64(weights[k]))
			r += v & lanes * w
			g += v >> 8 & lanes * w
			b += v >> 16 & lanes * w
		}
		dst[j] = t.settle(r, g, b)
	}
}
