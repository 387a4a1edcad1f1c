package atlas

import (
	"context"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"

	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

// Axes are the principal components that a view is drawn along.
type Axes struct {
	Explained []float64    // share of the variance by axis, strongest first
	At        [][3]float32 // by place in the gallery
}

// axesCount is how many axes there are, axesBlock how many directions are iterated to find them.
const axesCount, axesBlock = 3, 8

// axesOf finds the leading principal components by subspace iteration from a seeded start: the
// covariance of some thousand dimensions is never formed. The iteration ends when the explained
// shares stand still, or after 60 rounds.
func axesOf(ctx context.Context, v View, of gallery, seed uint64) (Axes, error) {
	data, d := v.matrix(of)
	rows := make([][]float32, len(of))
	for i := range rows {
		rows[i] = data[i*d : (i+1)*d]
	}
	centre(rows)
	var total float64
	for _, x := range rows {
		total += float64(vecmath.SquaredNorm(x))
	}
	a := Axes{Explained: make([]float64, axesCount), At: make([][3]float32, len(of))}
	if total == 0 {
		return a, nil
	}
	random := rand.New(rand.NewPCG(seed, 1))
	basis := mat.NewDense(d, min(axesBlock, d), nil)
	basis.Apply(func(int, int, float64) float64 { return random.NormFloat64() }, basis)
	var strengths []float64
	for range 60 {
		if err := ctx.Err(); err != nil {
			return a, err
		}
		basis = orthonormal(basis)
		next, projected := timesCovariance(rows, basis)
		before := strengths
		if strengths = a.project(projected, total); still(before, strengths) {
			break
		}
		basis = next
	}
	return a, nil
}

// timesCovariance returns XᵀX·basis and X·basis.
func timesCovariance(rows [][]float32, basis *mat.Dense) (next, projected *mat.Dense) {
	d, k := basis.Dims()
	directions := make([][]float32, k)
	sums := make([][]float32, k)
	for j := range directions {
		directions[j], sums[j] = make([]float32, d), make([]float32, d)
		for i := range d {
			directions[j][i] = float32(basis.At(i, j))
		}
	}
	projected = mat.NewDense(len(rows), k, nil)
	for i, x := range rows {
		for j := range directions {
			along := vecmath.Dot(x, directions[j])
			projected.Set(i, j, float64(along))
			vecmath.Axpy(along, x, sums[j])
		}
	}
	next = mat.NewDense(d, k, nil)
	for j := range sums {
		for i, v := range sums[j] {
			next.Set(i, j, float64(v))
		}
	}
	return next, projected
}

// project turns X·basis to its own principal axes and keeps the leading ones, each pointing to
// where the item farthest along it lies.
func (a *Axes) project(projected *mat.Dense, total float64) []float64 {
	n, k := projected.Dims()
	var inner mat.SymDense
	inner.SymOuterK(1, projected.T())
	var e mat.EigenSym
	if !e.Factorize(&inner, true) {
		return nil
	}
	values := e.Values(nil)
	var vectors, turned mat.Dense
	e.VectorsTo(&vectors)
	turned.Mul(projected, &vectors)
	for axis := range min(axesCount, k) {
		column := k - 1 - axis
		a.Explained[axis] = max(values[column], 0) / total
		farthest := 0.0
		for i := range n {
			if x := turned.At(i, column); x*x > farthest*farthest {
				farthest = x
			}
		}
		sign := 1.0
		if farthest < 0 {
			sign = -1
		}
		for i := range n {
			a.At[i][axis] = float32(sign * turned.At(i, column))
		}
	}
	return append([]float64(nil), a.Explained...)
}

// still reports whether no share moves any more by a tenth of a percent of the variance.
func still(before, now []float64) bool {
	if before == nil || now == nil {
		return false
	}
	for k := range now {
		if d := now[k] - before[k]; d > 1e-5 || d < -1e-5 {
			return false
		}
	}
	return true
}

// orthonormal spans the columns of m by an orthonormal basis.
func orthonormal(m *mat.Dense) *mat.Dense {
	var qr mat.QR
	qr.Factorize(m)
	var q mat.Dense
	qr.QTo(&q)
	rows, columns := m.Dims()
	return mat.DenseCopyOf(q.Slice(0, rows, 0, columns))
}
