package als

import "github.com/seed-473295a7/vitrine/internal/vecmath"

// rowSolver improves one factor at a time. It is one goroutine's scratch.
//
// A row's factor x minimises Σ a(p − x·v)² + α0 Σ_all (x·v)² + λ_row|x|², that is it solves
//
//	(α0 G + Σ a v vᵀ + λ_row Id) x = Σ a p v,   G = Σ_all v vᵀ
//
// The matrix is never formed: a product with it costs f² + 2nf.
type rowSolver struct {
	dims  int
	base  []float32 // α0 G, shared by all solvers of a sweep
	other []float32 // factors of the other side, row-major
	steps int

	residual, direction, product []float32
}

func newRowSolver(dims int, base, other []float32, steps int) *rowSolver {
	buffer := make([]float32, 3*dims)
	return &rowSolver{dims: dims, base: base, other: other, steps: steps,
		residual: buffer[:dims], direction: buffer[dims : 2*dims], product: buffer[2*dims:]}
}

// improve runs the conjugate-gradient steps on x from its present value.
//
// A row without a positive has the minimiser 0, which is set exactly.
func (s *rowSolver) improve(x []float32, columns []int32, confidence, target []float32, lambda float32) {
	if !anyPositive(target) {
		clear(x)
		return
	}
	r, p, q := s.residual, s.direction, s.product
	s.start(x, columns, confidence, target, lambda)
	copy(p, r)
	rr := vecmath.Dot(r, r)
	for range s.steps {
		s.multiply(p, columns, confidence, lambda)
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

// start sets the residual to Σ a(p − x·v)v − α0 G x − λx.
func (s *rowSolver) start(x []float32, columns []int32, confidence, target []float32, lambda float32) {
	r := s.residual
	vecmath.DotRows(x, s.base, r) // G is symmetric: its rows are its columns
	for k, v := range x {
		r[k] = -r[k] - lambda*v
	}
	f := s.dims
	for k, c := range columns {
		v := s.other[int(c)*f : int(c)*f+f]
		vecmath.Axpy(confidence[k]*(target[k]-vecmath.Dot(v, x)), v, r)
	}
}

// multiply sets product to (α0 G + Σ a v vᵀ + λ Id) p.
func (s *rowSolver) multiply(p []float32, columns []int32, confidence []float32, lambda float32) {
	q := s.product
	vecmath.DotRows(p, s.base, q)
	vecmath.Axpy(lambda, p, q)
	f := s.dims
	for k, c := range columns {
		v := s.other[int(c)*f : int(c)*f+f]
		vecmath.Axpy(confidence[k]*vecmath.Dot(v, p), v, q)
	}
}

func anyPositive(target []float32) bool {
	for _, p := range target {
		if p > 0 {
			return true
		}
	}
	return false
}
