package als

import (
	"fmt"

	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

// ExplainUser returns a function that splits an item's score into the shares of the
// history's events:
//
//	w_u · ṽ = Σ_j share_j + (1 − ρ_u) λ_u ṽᵀ A⁻¹ w̄      share_j = a_j p_j ṽᵀ A⁻¹ v_j
//
// with A of FoldInUser. The shares are in the order of the history and hold until the next call;
// the last term, what the mean user gives, is left out. The function takes a served factor of
// Dims() entries, is not safe for concurrent use and costs O(f² + len(history)·f) a call. done,
// after which it must not be called, gives its memory back: 50 KB for 64 factors.
//
// Errors as FoldInUser. Method: Hu, Koren and Volinsky (2008), §5.
func (m *Model) ExplainUser(history []Weighted) (explain func(served []float32) []float64, done func(), err error) {
	for k, h := range history {
		if err := m.checkWeighted(h); err != nil {
			return nil, nil, fmt.Errorf("history event %d: %w", k, err)
		}
	}
	f := m.dims
	s := m.scratch()
	s.accumulateHistory(history, true)
	n := mass(history)
	solvable := s.factorize(userConfidence(n)*m.alpha0, m.gramV, m.userLambda(n))
	shares := make([]float64, len(history))
	solution := make([]float32, f)
	return func(served []float32) []float64 {
		clear(shares)
		clear(solution)
		if !solvable || len(served) != f {
			return shares
		}
		for k, v := range served {
			s.right[k] = float64(v)
		}
		s.solveInto(solution)
		for j, h := range history {
			a := float64(h.Confidence)
			if h.Decay > 0 {
				a *= float64(h.Decay)
			}
			shares[j] = a * float64(h.Target) * float64(vecmath.Dot(solution, h.Factor))
		}
		return shares
	}, func() { m.scratches.Put(s) }, nil
}
