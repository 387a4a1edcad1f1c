package als

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

// The shares and the mean user's term must add up to the score of the folded-in user.
func TestExplainUserSharesSumToScore(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 7))
	const users, items = 30, 20
	var entries []Entry
	for u := range users {
		for i := range items {
			if r.Float64() < .3 {
				entries = append(entries, Entry{User: int32(u), Item: int32(i), Confidence: 1, Target: 1})
			}
		}
	}
	m, err := NewMatrix(users, items, entries)
	if err != nil {
		t.Fatal(err)
	}
	cfg := DefaultConfig()
	cfg.Factors = 8
	factors, err := Train(t.Context(), m, Content{}, cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	model, err := FitModel(t.Context(), m, factors, Content{Rows: []float32{}}, DefaultContentConfig())
	if err != nil {
		t.Fatal(err)
	}
	var history []Weighted
	for pos, row := range []int{3, 7, 11, 2} {
		history = append(history, Weighted{Factor: model.ItemFactor(row), Confidence: 1.3, Target: float32(pos % 2), Decay: float32(math.Exp2(-float64(pos) / 10))})
	}
	user, err := model.FoldInUser(history)
	if err != nil {
		t.Fatal(err)
	}
	explain, done, err := model.ExplainUser(history)
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	for row := range items {
		served := model.ItemFactor(row)
		sum := 0.0
		for _, share := range explain(served) {
			sum += share
		}
		score := float64(vecmath.Dot(user, served))
		rest := meanUserTerm(model, history, served)
		if math.Abs(sum+rest-score) > 1e-4*(1+math.Abs(score)) {
			t.Errorf("item %d: shares %.6f + mean user %.6f, want score %.6f", row, sum, rest, score)
		}
	}
}

// meanUserTerm is λ_u ṽᵀ A⁻¹ w̄ by the same solver with no other right-hand side.
func meanUserTerm(m *Model, history []Weighted, served []float32) float64 {
	s := m.scratch()
	s.accumulateHistory(history, true)
	clear(s.right)
	w := make([]float32, m.dims)
	m.solveUser(s, mass(history), m.gramV, w)
	return float64(vecmath.Dot(w, served))
}
