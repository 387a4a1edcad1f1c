package imageprep

import "golang.org/x/sys/cpu"

func newKernels() kernels {
	if !cpu.X86.HasAVX2 {
		return plainKernels()
	}
	return avx2Kernels()
}

// avx2Kernels checks the lengths that the assembly does not.
func avx2Kernels() kernels {
	return kernels{
		horizontal: func(upper, lower, columns []uint64, t *taps) {
			n := len(t.first)
			_, _ = upper[(n-1)/2], lower[(n-1)/2]
			_ = columns[int(t.first[n-1])+t.width-1] // first ascends
			horizontalAVX2(&upper[0], &lower[0], &columns[0], &t.first[0], &t.weights[0], t.width, n)
		},
		vertical: func(dst, ring []uint64, places []int, weights []int32) {
			for _, place := range places {
				_ = ring[place+len(dst)-1]
			}
			_ = weights[len(places)-1]
			verticalAVX2(&dst[0], &ring[0], &places[0], &weights[0], len(places), len(dst)/4)
		},
	}
}

// horizontalAVX2 writes n ≥ 1 pixels of either row, from taps ≥ 1 columns each.
//
//go:noescape
func horizontalAVX2(upper, lower, columns *uint64, first, weights *int32, taps, n int)

// verticalAVX2 writes blocks ≥ 1 times four words, from rows ≥ 1 rows.
//
//go:noescape
func verticalAVX2(dst, ring *uint64, places *int, weights *int32, rows, blocks int)
