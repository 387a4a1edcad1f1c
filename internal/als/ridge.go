package als

import (
	"context"
	"fmt"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// moments are the sums a ridge regression of factors on content needs, about a fixed
// centre that is near the mean, so that no digits are lost when the mean is taken off.
type moments struct {
	n      float64
	x, v   []float64 // Σ (x − centre_x), Σ (v − centre_v)
	xx, xv []float64 // Σ of their products: d × d (symmetric; nil if not asked for), d × f
}

// plus adds weight·o to m.
func (m *moments) plus(weight float64, o *moments) {
	m.n += weight * o.n
	if m.xx == nil {
		m.xx = make([]float64, len(o.xx))
	}
	for _, pair := range [][2][]float64{{m.x, o.x}, {m.v, o.v}, {m.xx, o.xx}, {m.xv, o.xv}} {
		for k, v := range pair[1] {
			pair[0][k] += weight * v
		}
	}
}

func newMoments(d, f int) *moments {
	return &moments{x: make([]float64, d), v: make([]float64, f), xv: make([]float64, d*f)}
}

// pairs are what a content map is fitted on: content and factor of every item row.
type pairs struct {
	content Content
	v       []float32
	dims    int // of a factor
}

func (p pairs) factor(item int32) []float32 {
	return p.v[int(item)*p.dims : (int(item)+1)*p.dims]
}

// centre is the mean content and factor of the warm items.
type centre struct{ x, v []float32 }

func (p pairs) centreOf(items []int32) centre {
	x, v := make([]float64, p.content.Dims), make([]float64, p.dims)
	for _, item := range items {
		addRow(x, p.content.row(int(item)))
		addRow(v, p.factor(item))
	}
	scale := 1 / float64(max(len(items), 1))
	return centre{x: scaled(scale, x), v: scaled(scale, v)}
}

// moments adds up the moments of items, a block of rows at a time; xx stays zero if content
// alone is left out, for whom has summed it before.
func (p pairs) moments(items []int32, about centre, withContent bool) *moments {
	d, f := p.content.Dims, p.dims
	m := newMoments(d, f)
	m.n = float64(len(items))
	xx, xv, right := newCross(d, 0), newCross(d, f), newTransposed(f)
	xv.sum = m.xv
	if withContent {
		xx = newCross(d, d)
		m.xx = xx.sum
	}
	x, v := make([]float32, 0, gramBlock*d), make([]float32, 0, gramBlock*f)
	for len(items) > 0 {
		block := items[:min(gramBlock, len(items))]
		items = items[len(block):]
		x, v = x[:0], v[:0]
		for _, item := range block {
			x = appendDifference(x, p.content.row(int(item)), about.x)
			v = appendDifference(v, p.factor(item), about.v)
		}
		for k := range block {
			addRow(m.x, x[k*d:(k+1)*d])
			addRow(m.v, v[k*f:(k+1)*f])
		}
		left := xx.left.load(x)
		if withContent {
			xx.add(left, nil)
		}
		xv.add(left, right.load(v))
	}
	if withContent {
		mirror(m.xx, d)
	}
	return m
}

func appendDifference(dst, a, b []float32) []float32 {
	for k, v := range a {
		dst = append(dst, v-b[k])
	}
	return dst
}

// solve returns B of
//
//	min Σ |v − Bᵀ[x; 1]|² + λ_r |B|²   with the last row, the intercept, not penalised:
//	B = (Σ x̃x̃ᵀ + λ_r Id)⁻¹ Σ x̃ṽᵀ,   intercept = v̄ − Bᵀx̄,   x̃ = x − x̄, ṽ = v − v̄
//
// as (d+1) × f float32. Without items B is zero.
func (m *moments) solve(about centre, ridge float64) ([]float32, error) {
	l, err := m.system(ridge)
	if err != nil {
		return nil, err
	}
	return m.solveWith(l, about), nil
}

// system returns the Cholesky factor of Σ x̃x̃ᵀ + λ_r Id.
func (m *moments) system(ridge float64) ([]float64, error) {
	d := len(m.x)
	a := append([]float64(nil), m.xx...)
	for j, s := range m.x {
		row := a[j*d : (j+1)*d]
		for k, t := range m.x {
			row[k] -= s * t / max(m.n, 1)
		}
		row[j] += ridge
	}
	if !cholesky(a, d) {
		return nil, fmt.Errorf("ridge %g: content is not positive definite: %w", ridge, recsys.ErrInvalid)
	}
	return a, nil
}

// solveWith is solve with the system factorised.
func (m *moments) solveWith(l []float64, about centre) []float32 {
	d, f := len(m.x), len(m.v)
	b := make([]float32, (d+1)*f)
	if m.n == 0 {
		return b
	}
	column := make([]float64, d)
	for k, t := range m.v {
		mean := float64(about.v[k]) + t/m.n
		for j, s := range m.x {
			column[j] = m.xv[j*f+k] - s*t/m.n
		}
		choleskySolve(l, d, column)
		for j, v := range column {
			b[j*f+k] = float32(v)
			mean -= v * (float64(about.x[j]) + m.x[j]/m.n)
		}
		b[d*f+k] = float32(mean)
	}
	return b
}

// momentsOf returns the moments of every group, computed side by side.
func (p pairs) momentsOf(ctx context.Context, workers int, groups [][]int32, about centre, withContent bool) ([]*moments, error) {
	out := make([]*moments, len(groups))
	err := parallel(ctx, workers, len(groups), func(_, task int) {
		out[task] = p.moments(groups[task], about, withContent)
	})
	return out, err
}
