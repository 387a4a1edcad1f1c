package als

import (
	"slices"
	"sync"

	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

const (
	// halfUser is the mass at which a user counts as half known: ρ_u = n_u/(n_u + 8). Mean of
	// NDCG@100 over histories of 1, 4, 16 and all items, by 2, 4, 8, 16, 32: MovieLens 100K .375,
	// .382, .386, .389, .388, poster pack .301, .302, .299, .296, .291.
	halfUser = 8
	// fullItem times n̄ is the mass at which an item counts as known: n_e = 3 n̄.
	fullItem = 3
	// fullEvidence times n̄ is the mass from which an item's trained factor needs no help.
	fullEvidence = 2
)

// Model turns content and histories into factors. It holds no user factors.
//
// It does not change after it was built; every method is safe for concurrent use.
// Slices it returns must not be written to, unless the method says that the caller
// owns them.
type Model struct {
	dims, contentDims int
	users             int // U of the training
	alpha0, lambda    float64
	ridge, gain       float64   // λ_r and g
	meanPositives     float64   // n̄
	knownPositives    float64   // ñ = Σ n²/Σ n
	gramV, gramW      []float32 // G_V, G_W: dims × dims
	meanUser          []float32 // w̄
	content           []float32 // B: (contentDims+1) × dims, the intercept last
	v, mu             []float32 // items × dims
	positives         []float32 // n_i of the training
	coldShares        []float32 // of the top 20 at gains 1, 1.25 … 5; zeros if it was not measured
	massPerScore      float64   // see scoreMass; follows from the above
	scratches         sync.Pool // *scratch
	choice            Choice
}

// Dims returns f, the length of every factor.
func (m *Model) Dims() int { return m.dims }

// ContentDims returns the length of a content vector.
func (m *Model) ContentDims() int { return m.contentDims }

// Items returns the number of item rows of the training.
func (m *Model) Items() int { return len(m.positives) }

// Users returns the number of user rows of the training.
func (m *Model) Users() int { return m.users }

// Alpha0 returns α0 of the training.
func (m *Model) Alpha0() float64 { return m.alpha0 }

// Regularization returns λ of the training.
func (m *Model) Regularization() float64 { return m.lambda }

// Ridge returns λ_r, the strength with which the content map was shrunk.
func (m *Model) Ridge() float64 { return m.ridge }

// DefaultGain returns g, the factor of the content part in r + g·m that FitModel chose.
func (m *Model) DefaultGain() float64 { return m.gain }

// GainFor returns the smallest gain at which new items, were they a fifth of the catalogue, would
// take a share (0..1) of the top 20, as measured when the model was fitted; the greatest gain
// measured, 5, if none reaches it; DefaultGain if the data were too few to measure.
func (m *Model) GainFor(share float64) float64 {
	if slices.Max(m.coldShares) == 0 {
		return m.gain
	}
	before := 0.0
	for k, at := range m.coldShares {
		if reached := float64(at); reached >= share {
			if k == 0 {
				return gainAt(0)
			}
			part := (share - before) / (reached - before)
			return gainAt(k-1) + part*(gainAt(k)-gainAt(k-1))
		} else {
			before = reached
		}
	}
	return gainAt(gainSteps - 1)
}

// Choice tells how FitModel chose ridge and gain; the zero Choice for a model that was read back.
func (m *Model) Choice() Choice { return m.choice }

// MeanPositives returns n̄, the mean mass of positives over items that have any; 0 if none has.
func (m *Model) MeanPositives() float64 { return m.meanPositives }

// Evidence returns τ = min(1, n/(2 n̄)), how far a mass n of positives stands for itself: 0 for an
// item that is new, 1 for one that is known as well as twice the mean.
func (m *Model) Evidence(n float64) float64 {
	switch {
	case !(n > 0):
		return 0
	case m.meanPositives == 0:
		return 1
	}
	return min(1, n/(fullEvidence*m.meanPositives))
}

// Novelty returns what an item of mass n still lacks of a well-known one: max(0, 1 − n/ñ), where
// ñ = Σ n²/Σ n is the mass of the item that a positive falls on, in the mean. 1 for a new item.
func (m *Model) Novelty(n float64) float64 {
	switch {
	case !(n > 0):
		return 1
	case m.knownPositives == 0:
		return 0
	}
	return max(0, 1-n/m.knownPositives)
}

// MeanUser returns w̄, the mean factor of the users with a positive, which ranks by popularity.
func (m *Model) MeanUser() []float32 { return m.meanUser }

// Trained reports whether the row had a positive in training, so that ItemFactor says
// something. False for a row that is out of range.
func (m *Model) Trained(row int) bool { return m.Positives(row) > 0 }

// Positives returns n_i of the training: the mass of the row's positives, 0 out of range.
func (m *Model) Positives(row int) float64 {
	if row < 0 || row >= len(m.positives) {
		return 0
	}
	return float64(m.positives[row])
}

// ItemFactor returns v_i of a row in 0..Items()-1; zero where Trained is false.
func (m *Model) ItemFactor(row int) []float32 {
	return m.v[row*m.dims : (row+1)*m.dims : (row+1)*m.dims]
}

// ItemPrior returns μ_i, what the content of the row in 0..Items()-1 promised at training time.
func (m *Model) ItemPrior(row int) []float32 {
	return m.mu[row*m.dims : (row+1)*m.dims : (row+1)*m.dims]
}

// Prior returns μ = Bᵀ[x; 1] for a content vector of ContentDims() entries. The
// caller owns the result.
//
// A vector that is nil, of another length or not finite says nothing about the item:
// the result is then the intercept, the factor of an average item.
func (m *Model) Prior(x []float32) []float32 {
	mu := make([]float32, m.dims)
	m.prior(x, mu)
	return mu
}

func (m *Model) prior(x, mu []float32) {
	intercept := m.content[m.contentDims*m.dims:]
	copy(mu, intercept)
	if len(x) != m.contentDims {
		return
	}
	for k, v := range x {
		if v != 0 { // one-hot blocks are mostly zeros
			vecmath.Axpy(v, m.content[k*m.dims:(k+1)*m.dims], mu)
		}
	}
	if !vecmath.Finite(mu) {
		copy(mu, intercept)
	}
}
