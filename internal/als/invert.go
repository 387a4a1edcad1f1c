package als

import (
	"context"
	"fmt"
	"math"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// invertBlock is how many columns are factorised before the rows below follow, side by side.
const invertBlock = 64

// invert returns the inverse of the symmetric positive definite n × n matrix a, which it
// overwrites. Rows are spread over workers; sums run in the same order for any number of them.
//
//	A = L Lᵀ    Y = L⁻ᵀ, row i being column i of L⁻¹    A⁻¹_ij = Σ_r Y_ir Y_jr
//
// Errors: recsys.ErrInvalid if a is not numerically positive definite; ctx's error.
func invert(ctx context.Context, workers int, a []float64, n int) ([]float64, error) {
	if err := factorizeBlocks(ctx, workers, a, n); err != nil {
		return nil, err
	}
	y := make([]float64, n*n)
	err := parallel(ctx, workers, n, func(_, i int) {
		row := y[i*n : (i+1)*n]
		row[i] = 1 / a[i*n+i]
		for r := i + 1; r < n; r++ {
			row[r] = -dot64(a[r*n+i:r*n+r], row[i:r]) / a[r*n+r]
		}
	})
	if err != nil {
		return nil, err
	}
	err = parallel(ctx, workers, n, func(_, i int) {
		for j := i; j < n; j++ {
			a[i*n+j] = dot64(y[i*n+j:(i+1)*n], y[j*n+j:(j+1)*n])
		}
	})
	mirror(a, n)
	return a, err
}

// factorizeBlocks replaces the lower triangle of a by L, a block of columns at a time.
func factorizeBlocks(ctx context.Context, workers int, a []float64, n int) error {
	for low := 0; low < n; low += invertBlock {
		high := min(low+invertBlock, n)
		for i := low; i < high; i++ {
			if !factorizeRow(a, n, i, low) {
				return fmt.Errorf("invert %d × %d: not positive definite: %w", n, n, recsys.ErrInvalid)
			}
		}
		err := parallel(ctx, workers, n-high, func(_, task int) {
			row := a[(high+task)*n:]
			for j := low; j < high; j++ {
				row[j] = (row[j] - dot64(row[:j], a[j*n:j*n+j])) / a[j*n+j]
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// factorizeRow finishes row i of L within its block of columns, which begins at low; what lies
// before is finished. False if the pivot is not positive.
func factorizeRow(a []float64, n, i, low int) bool {
	row := a[i*n : i*n+i+1]
	for j := low; j < i; j++ {
		row[j] = (row[j] - dot64(row[:j], a[j*n:j*n+j])) / a[j*n+j]
	}
	pivot := row[i] - dot64(row[:i], row[:i])
	if !(pivot > 0) || math.IsInf(pivot, 1) {
		return false
	}
	row[i] = math.Sqrt(pivot)
	return true
}
