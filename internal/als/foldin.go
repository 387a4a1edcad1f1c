package als

import (
	"fmt"

	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

// Weighted is one event of a user's history: the item's factor and what the event says of it.
type Weighted struct {
	Factor     []float32 // v of the item, or r + g·m of one that is served by fold-in; Dims() entries
	Confidence float32   // a before decay, above 0, at most MaxConfidence
	Target     float32   // p in [0, 1]
	// Decay in (0, 1] multiplies the confidence, less for older events; 0 means 1. It is apart
	// because the regularisation follows the mass Σ a without decay: an old event
	// says less about today's taste, but the user is no less known for it.
	Decay float32
}

// Touch is one event of an item: the factor of the user, from UserHalfStep, and what the event says.
type Touch struct {
	User       []float32 // w, Dims() entries
	Confidence float32   // a, above 0, at most MaxConfidence
	Target     float32   // p in [0, 1]
}

// scratch is the workspace of one fold-in.
type scratch struct {
	outer  []float32 // Σ a v vᵀ, lower triangle
	system []float64 // A, then its Cholesky factor
	right  []float64
}

func (m *Model) scratch() *scratch {
	if s, ok := m.scratches.Get().(*scratch); ok {
		return s
	}
	f := m.dims
	return &scratch{outer: make([]float32, f*f), system: make([]float64, f*f), right: make([]float64, f)}
}

// FoldInUser returns the factor of a user from the whole history known of them,
// whether or not they were in the training set:
//
//	w_u = (ρ_u α0 G_V + Σ a v vᵀ + λ_u Id)⁻¹ (Σ a p v + (1 − ρ_u) λ_u w̄)    ρ_u = n_u/(n_u + 8)
//
// with a the decayed confidence, n_u = Σ a over positives without decay and
// λ_u = λ(n_u + α0 I). An empty history gives w̄, the popularity level. The order of
// the history has no influence. The result has Dims() entries and is owned by the
// caller. Cost: O(len(history)·f² + f³); safe for concurrent use.
//
// Errors: recsys.ErrInvalid, naming the event, if a factor has another length or is
// not finite, or a confidence, target or decay is out of range.
//
// Method: the user half-step of Hu, Koren and Volinsky (2008), eq. 4, with a Gaussian
// prior around the mean user that fades out, and the missing pairs faded in with what is known:
// a user of two clicks has not decided against the rest of the catalogue, and one of two
// hundred needs no help from the crowd. For a long history it is the half-step of the training.
func (m *Model) FoldInUser(history []Weighted) ([]float32, error) {
	for k, h := range history {
		if err := m.checkWeighted(h); err != nil {
			return nil, fmt.Errorf("history event %d: %w", k, err)
		}
	}
	w := make([]float32, m.dims)
	copy(w, m.meanUser)
	if len(history) == 0 {
		return w, nil
	}
	s := m.scratch()
	defer m.scratches.Put(s)
	s.accumulateHistory(history, true)
	m.solveUser(s, mass(history), m.gramV, w)
	return w, nil
}

// solveUser finishes FoldInUser: s holds Σ a v vᵀ and Σ a p v, n is the user's mass,
// and w is overwritten unless the system has no solution.
func (m *Model) solveUser(s *scratch, n float64, gramV, w []float32) {
	rho, lambda := userConfidence(n), m.userLambda(n)
	for k, v := range m.meanUser {
		s.right[k] += (1 - rho) * lambda * float64(v)
	}
	if s.factorize(rho*m.alpha0, gramV, lambda) {
		s.solveInto(w)
	}
}

// userConfidence is ρ_u = n/(n + 8).
func userConfidence(n float64) float64 { return n / (n + halfUser) }

// UserConfidence returns ρ_u of a history: 0 for an empty one, towards 1 as it grows.
func UserConfidence(history []Weighted) float64 { return userConfidence(mass(history)) }

// UserHalfStep returns the factor that a training sweep would give a user with this
// history: ρ = 1, no prior, no decay (Decay is ignored). FoldInItem takes such factors.
// The result is owned by the caller; safe for concurrent use.
//
// An event that is not valid for FoldInUser is passed over; no event leaves the zero factor.
func (m *Model) UserHalfStep(history []Weighted) []float32 {
	w := make([]float32, m.dims)
	valid := history[:0:0]
	for _, h := range history {
		if m.checkWeighted(h) == nil {
			valid = append(valid, h)
		}
	}
	if mass(valid) == 0 {
		return w
	}
	s := m.scratch()
	defer m.scratches.Put(s)
	s.accumulateHistory(valid, false)
	if s.factorize(m.alpha0, m.gramV, m.userLambda(mass(valid))) {
		s.solveInto(w)
	}
	return w
}

// FoldInItem returns the two parts of the served factor r + g·m of an item that is new
// or has changed since the training; the gain g is applied when a request is scored.
//
//	A = ρ α0 G_W + Σ a w wᵀ + c λ_i Id    r = A⁻¹ Σ a p w    m = c λ_i A⁻¹ μ
//	ρ = min(1, n/n_e)    c = 1 + 2(1 − ρ)    λ_i = λ(n + α0 U)
//
// positives is n, the mass of all the item's positives; prior is μ, from Prior; n_e is the mass
// the item will have by its content, 3 n̄ at least.
// No touches give r = 0 and m = μ exactly. Both results have Dims() entries and are owned
// by the caller. Cost: O(len(touches)·f² + f³); safe for concurrent use.
//
// A touch whose factor has another length or is not finite, or whose confidence or target
// is out of range, is no evidence and is passed over; a prior of another length or not
// finite counts as the intercept.
func (m *Model) FoldInItem(touches []Touch, positives float64, prior []float32) (r, mu []float32) {
	r, mu = make([]float32, m.dims), make([]float32, m.dims)
	m.prior(nil, mu)
	if len(prior) == m.dims && vecmath.Finite(prior) {
		copy(mu, prior)
	}
	s := m.scratch()
	defer m.scratches.Put(s)
	if s.accumulateTouches(touches) == 0 {
		return r, mu
	}
	n := positives
	if !(n >= 0) {
		n = 0
	}
	rho := m.itemConfidence(n, mu)
	lambda := (1 + 2*(1-rho)) * m.lambda * (n + m.alpha0*float64(m.users))
	if !s.factorize(rho*m.alpha0, m.gramW, lambda) {
		return r, mu
	}
	s.solveInto(r)
	for k, v := range mu {
		s.right[k] = lambda * float64(v)
	}
	s.solveInto(mu)
	return r, mu
}

// itemConfidence is ρ_i = min(1, n/n_e), how far an item of mass n has come on its way to n_e, the
// mass it will have: what its content promises, and 3 n̄ at least. Without a warm item there is
// nothing to compare with: 1.
func (m *Model) itemConfidence(n float64, prior []float32) float64 {
	if m.meanPositives == 0 {
		return 1
	}
	return min(1, n/max(fullItem*m.meanPositives, m.massPerScore*float64(vecmath.Dot(m.meanUser, prior))))
}

// scoreMass is how much mass of positives a warm item has for each unit of the mean user's score.
func (m *Model) scoreMass() float64 {
	var mass, score float64
	for row, n := range m.positives {
		if n > 0 {
			mass += float64(n)
			score += float64(vecmath.Dot(m.meanUser, m.ItemFactor(row)))
		}
	}
	if !(score > 0) {
		return 0
	}
	return mass / score
}

// userLambda is λ_u = λ(n_u + α0 I).
func (m *Model) userLambda(n float64) float64 {
	return m.lambda * (n + m.alpha0*float64(m.Items()))
}

// mass is n_u = Σ a over positives, without decay.
func mass(history []Weighted) float64 {
	var n float64
	for _, h := range history {
		if h.Target > 0 {
			n += float64(h.Confidence)
		}
	}
	return n
}

func (m *Model) checkWeighted(h Weighted) error {
	switch {
	case len(h.Factor) != m.dims:
		return recsys.Invalid("factor", "has %d entries, want %d", len(h.Factor), m.dims)
	case !vecmath.Finite(h.Factor):
		return recsys.Invalid("factor", "holds NaN or infinity, want finite numbers")
	case !validConfidence(h.Confidence):
		return recsys.Invalid("confidence", "is %g, want above 0, at most %g", h.Confidence, float64(MaxConfidence))
	case !validTarget(h.Target):
		return recsys.Invalid("target", "is %g, want 0 to 1", h.Target)
	case !(h.Decay >= 0 && h.Decay <= 1):
		return recsys.Invalid("decay", "is %g, want above 0 to 1, or 0 for none", h.Decay)
	}
	return nil
}

// accumulateHistory sets outer and right to Σ a v vᵀ and Σ a p v.
func (s *scratch) accumulateHistory(history []Weighted, decayed bool) {
	s.reset()
	for _, h := range history {
		a := h.Confidence
		if decayed && h.Decay > 0 {
			a *= h.Decay
		}
		s.add(h.Factor, a, h.Target)
	}
}

// accumulateTouches sets outer and right to Σ a w wᵀ and Σ a p w and returns how many touches count.
func (s *scratch) accumulateTouches(touches []Touch) int {
	s.reset()
	count := 0
	for _, t := range touches {
		if len(t.User) == len(s.right) && vecmath.Finite(t.User) && validConfidence(t.Confidence) && validTarget(t.Target) {
			s.add(t.User, t.Confidence, t.Target)
			count++
		}
	}
	return count
}

func (s *scratch) reset() {
	clear(s.outer)
	clear(s.right)
}

// add adds one event to the lower triangle of outer and to right.
func (s *scratch) add(x []float32, a, p float32) {
	f := len(x)
	ap := float64(a) * float64(p)
	for k, v := range x {
		vecmath.Axpy(a*v, x[:k+1], s.outer[k*f:k*f+k+1])
		s.right[k] += ap * float64(v)
	}
}

// factorize sets system to the Cholesky factor of alpha·g + outer + lambda·Id. It returns
// false if that is not positive definite, which takes factors beyond any trained ones.
func (s *scratch) factorize(alpha float64, g []float32, lambda float64) bool {
	f := len(s.right)
	for k := range f {
		row := s.system[k*f : k*f+k+1]
		for j := range row {
			row[j] = alpha*float64(g[k*f+j]) + float64(s.outer[k*f+j])
		}
		row[k] += lambda
	}
	return cholesky(s.system, f)
}

// solveInto solves for right, which it spoils, and writes the solution to x unless it is not finite.
func (s *scratch) solveInto(x []float32) {
	choleskySolve(s.system, len(s.right), s.right)
	for _, v := range s.right {
		if narrow := float32(v); narrow-narrow != 0 {
			return
		}
	}
	for k, v := range s.right {
		x[k] = float32(v)
	}
}
