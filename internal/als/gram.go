package als

import (
	"context"

	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

const (
	gramBlock    = 64   // rows transposed at a time, so that a Gram entry is one dot product
	gramSegment  = 8192 // rows a worker sums before its result is added to the others'
	gramSegments = 512  // at most: each holds f² float64
)

// gram returns Σ_k x_k x_kᵀ over the rows of x, dims × dims and symmetric, row-major.
//
// Sums run in float32 within a block of 64 rows and in float64 beyond. Segments
// depend on the number of rows alone and are added in order, so that the result
// does not depend on the number of workers.
func gram(ctx context.Context, workers int, x []float32, dims int) ([]float64, error) {
	n := len(x) / dims
	segment := max(gramSegment, (n+gramSegments-1)/gramSegments)
	partial := make([][]float64, (n+segment-1)/segment)
	err := parallel(ctx, workers, len(partial), func(_, task int) {
		low, high := task*segment, min((task+1)*segment, n)
		sum := newCross(dims, dims)
		for ; low < high; low += gramBlock {
			rows := x[low*dims : min(low+gramBlock, high)*dims]
			sum.add(sum.left.load(rows), nil)
		}
		partial[task] = sum.sum
	})
	if err != nil {
		return nil, err
	}
	total := make([]float64, dims*dims)
	for _, p := range partial {
		addTo(total, p)
	}
	mirror(total, dims)
	return total, nil
}

func addTo(total, x []float64) {
	for k, v := range x {
		total[k] += v
	}
}

// mirror copies the upper triangle of a square matrix into the lower one.
func mirror(a []float64, dims int) {
	for j := range dims {
		for k := range j {
			a[j*dims+k] = a[k*dims+j]
		}
	}
}

// transposed holds up to gramBlock rows transposed: column j at [j*gramBlock:], padded with zeros.
type transposed struct {
	dims int
	data []float32
}

func newTransposed(dims int) *transposed {
	return &transposed{dims: dims, data: make([]float32, dims*gramBlock)}
}

// load transposes rows (at most gramBlock of them) and returns the receiver.
func (c *transposed) load(rows []float32) *transposed {
	clear(c.data)
	for k := 0; k*c.dims < len(rows); k++ {
		for j, v := range rows[k*c.dims : (k+1)*c.dims] {
			c.data[j*gramBlock+k] = v
		}
	}
	return c
}

func (c *transposed) column(j int) []float32 { return c.data[j*gramBlock : (j+1)*gramBlock] }

// cross sums Σ_k x_k y_kᵀ over blocks of rows; with y absent, the upper triangle of Σ_k x_k x_kᵀ.
type cross struct {
	left *transposed
	out  []float32
	sum  []float64 // left.dims × right dims
	wide int
}

func newCross(dims, wide int) *cross {
	return &cross{left: newTransposed(dims), out: make([]float32, wide), sum: make([]float64, dims*wide), wide: wide}
}

// add adds one block. right nil means that left is multiplied with itself.
func (c *cross) add(left, right *transposed) {
	for j := range left.dims {
		first, with := 0, right
		if right == nil {
			first, with = j, left
		}
		out := c.out[first:c.wide]
		vecmath.DotRows(left.column(j), with.data[first*gramBlock:c.wide*gramBlock], out)
		row := c.sum[j*c.wide+first : (j+1)*c.wide]
		for k, v := range out {
			row[k] += float64(v)
		}
	}
}
