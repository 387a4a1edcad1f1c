package als

import "github.com/seed-473295a7/vitrine/internal/vecmath"

// rowSolver improves one factor at a time. It is one goroutine's scratch.
//
// A row's factor x minimises Σ a(p − x·v)² + α0 Σ_all (x·v)² + λ_row|x − μ|², that is it solves
//
//	(α0 G + Σ a v vᵀ + λ_row Id) x = Σ a p v + λ_row μ,   G = Σ_all v vᵀ
//
// The matrix is never formed: a product with it costs f² + 2nf. The row's v are copied side by
// side once, because every step reads all of them: the kernels then share what they load.
type rowSolver struct {
	dims  int
	base  []float32 // α0 G, shared by all solvers of a sweep
	other []float32 // factors of the other side, row-major
	steps int

	residual, direction, product []float32

	gathered, weights []float32 // v and what a kernel multiplies them with, of the row at hand
}

// row is one row of the problem: its entries, λ_row, and the centre μ of its prior; nil is zero.
type row struct {
	columns            []int32
	confidence, target []float32
	lambda             float32
	prior              []float32
}

func newRowSolver(dims int, base, other []float32, steps int) *rowSolver {
	buffer := make([]float32, 3*dims)
	return &rowSolver{dims: dims, base: base, other: other, steps: steps,
		residual: buffer[:dims], direction: buffer[dims : 2*dims], product: buffer[2*dims:]}
}

// improve runs the conjugate-gradient steps on x from its present value.
//
// A row without a positive gets zero: the minimiser where there is no prior, and with one no
// claim to have learned anything.
func (s *rowSolver) improve(x []float32, of row) {
	if !anyPositive(of.target) {
		clear(x)
		return
	}
	r, p, q := s.residual, s.direction, s.product
	s.gather(of.columns)
	s.start(x, of)
	copy(p, r)
	rr := vecmath.Dot(r, r)
	for range s.steps {
		s.multiply(p, of)
		curvature := vecmath.Dot(p, q)
		// Converged, or so small that the quotient would lose its meaning in float32.
		if rr < 1e-20 || curvature <= 0 {
			return
		}
		step := rr / curvature
		vecmath.Axpy(step, p, x)
		vecmath.Axpy(-step, q, r)
		next := vecmath.Dot(r, r)
		ratio := next / rr
		for k, v := range r {
			p[k] = v + ratio*p[k]
		}
		rr = next
	}
}

// gather copies the factors of the row's columns.
func (s *rowSolver) gather(columns []int32) {
	f := s.dims
	s.gathered, s.weights = s.gathered[:0], s.weights[:0]
	for _, c := range columns {
		s.gathered = append(s.gathered, s.other[int(c)*f:int(c)*f+f]...)
		s.weights = append(s.weights, 0)
	}
}

// start sets the residual to Σ a(p − x·v)v − α0 G x − λ(x − μ).
func (s *rowSolver) start(x []float32, of row) {
	r := s.residual
	vecmath.DotRows(x, s.base, r) // G is symmetric: its rows are its columns
	for k, v := range x {
		r[k] = -r[k] - of.lambda*v
	}
	if of.prior != nil {
		vecmath.Axpy(of.lambda, of.prior, r)
	}
	vecmath.DotRows(x, s.gathered, s.weights)
	for k, a := range of.confidence {
		s.weights[k] = a * (of.target[k] - s.weights[k])
	}
	vecmath.AddRows(s.weights, s.gathered, r)
}

// multiply sets product to (α0 G + Σ a v vᵀ + λ Id) p.
func (s *rowSolver) multiply(p []float32, of row) {
	q := s.product
	vecmath.DotRows(p, s.base, q)
	vecmath.Axpy(of.lambda, p, q)
	vecmath.DotRows(p, s.gathered, s.weights)
	for k, a := range of.confidence {
		s.weights[k] *= a
	}
	vecmath.AddRows(s.weights, s.gathered, q)
}

func anyPositive(target []float32) bool {
	for _, p := range target {
		if p > 0 {
			return true
		}
	}
	return false
}
