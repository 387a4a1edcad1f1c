package als

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

// Corrector is a linear item-to-item model beside the factors: what people liked together,
// pair by pair, which f factors cannot hold. It covers the items with the most positives, where
// pairs are seen often enough.
//
//	e_i = Σ_j x_j B_ji    B = argmin |X − XB|² + λ_e |B|²,  diag B = 0    x = a·p
//
// B is then scaled so that e lies on the level of w·v where lists are made: a ridge shrinks e,
// the more so the fewer users there are, and e and w·v are to be mixed.
//
// It does not change after it was built; every method is safe for concurrent use.
//
// Method: Steck, "Embarrassingly shallow autoencoders for sparse data" (2019).
type Corrector struct {
	rows  []int32 // item rows it covers, ascending
	place []int32 // item row → place in rows, −1 if it is not covered
	b     []float32
}

// CorrectorConfig holds the settings of FitCorrector.
type CorrectorConfig struct {
	Items     int     `json:"items" yaml:"items"`         // at most so many items, those with the most positives; 0: none
	Positives int     `json:"positives" yaml:"positives"` // fewest users with a positive an item must have
	Ridge     float64 `json:"ridge" yaml:"ridge"`         // λ_e, in units of the mean x² of a positive
}

// DefaultCorrectorConfig returns the settings that docs/benchmarks.md was measured with. Ridges of
// 50 to 200 are within .003 of each other in NDCG@100; 2,000 items take 16 MB and some two
// seconds on two cores.
func DefaultCorrectorConfig() CorrectorConfig {
	return CorrectorConfig{Items: 2000, Positives: 5, Ridge: 100}
}

// maxCorrected bounds what a configuration or a stored corrector may ask for: 1 GB.
const maxCorrected = 16_384

// Validate reports every fault, joined; each is a *recsys.FieldError.
func (c CorrectorConfig) Validate() error {
	return errors.Join(
		intRange("items", c.Items, 0, maxCorrected),
		intRange("positives", c.Positives, 1, 1<<30),
		floatRange("ridge", c.Ridge, 1e-3, 1e9),
	)
}

// FitCorrector fits the item-to-item model to the positives of m, which f was trained on. Cost: O(Σ n_u²) for the
// products and O(n³/2) for n covered items, spread over workers goroutines (0: GOMAXPROCS); the
// result does not depend on their number. It covers no item where none has enough positives, or
// where users are too few for the pairs to say anything beside the ridge.
//
// Errors: recsys.ErrInvalid from cfg.Validate, or if confidences span too wide a range; ctx's error.
func FitCorrector(ctx context.Context, m *Matrix, f *Factors, cfg CorrectorConfig, workers int) (*Corrector, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("corrector settings: %w", err)
	}
	c := newCorrector(covered(m, cfg), m.Items())
	workers = workerCount(workers)
	n := len(c.rows)
	a, err := c.products(ctx, m, workers)
	if err != nil {
		return nil, err
	}
	square := c.meanSquare(m)
	for k := range n {
		a[k*n+k] += cfg.Ridge * square
	}
	inverse, err := invert(ctx, workers, a, n)
	if err != nil {
		return nil, err
	}
	c.b = make([]float32, n*n)
	for j := range n {
		for i := range n {
			if i != j {
				c.b[j*n+i] = float32(-inverse[j*n+i] / inverse[i*n+i])
			}
		}
	}
	if !c.level(m, f, maxLevel/math.Sqrt(square)) {
		return newCorrector(nil, m.Items()), nil
	}
	if !vecmath.Finite(c.b) {
		return nil, fmt.Errorf("corrector is not finite: confidences span too wide a range: %w", recsys.ErrInvalid)
	}
	return c, nil
}

func newCorrector(rows []int32, items int) *Corrector {
	c := &Corrector{rows: rows, place: filled[int32](items)}
	for k, row := range rows {
		c.place[row] = int32(k)
	}
	return c
}

// covered lists the item rows with the most positives, ascending by row.
func covered(m *Matrix, cfg CorrectorConfig) []int32 {
	counts := make([]int, m.Items())
	var rows []int32
	for row := range counts {
		_, _, target := m.byItem.row(row)
		for _, p := range target {
			if p > 0 {
				counts[row]++
			}
		}
		if counts[row] >= cfg.Positives {
			rows = append(rows, int32(row))
		}
	}
	slices.SortStableFunc(rows, func(a, b int32) int { return cmp.Compare(counts[b], counts[a]) })
	rows = rows[:min(len(rows), cfg.Items)]
	slices.Sort(rows)
	return rows
}

// products returns XᵀX of the covered items, n × n. Each row is one worker's, and its sum runs
// in the order of users.
func (c *Corrector) products(ctx context.Context, m *Matrix, workers int) ([]float64, error) {
	n := len(c.rows)
	out := make([]float64, n*n)
	err := parallel(ctx, workers, n, func(_, task int) {
		sums := out[task*n : (task+1)*n]
		users, confidence, target := m.byItem.row(int(c.rows[task]))
		for k, user := range users {
			x := float64(confidence[k]) * float64(target[k])
			if x == 0 {
				continue
			}
			items, otherConfidence, otherTarget := m.byUser.row(int(user))
			for j, item := range items {
				if at := c.place[item]; at >= 0 {
					sums[at] += x * float64(otherConfidence[j]) * float64(otherTarget[j])
				}
			}
		}
	})
	return out, err
}

// meanSquare is the mean x² of the positives of covered items; 1 if there are none.
func (c *Corrector) meanSquare(m *Matrix) float64 {
	var sum float64
	count := 0
	for _, row := range c.rows {
		_, confidence, target := m.byItem.row(int(row))
		for k, a := range confidence {
			if x := float64(a) * float64(target[k]); x > 0 {
				sum += x * x
				count++
			}
		}
	}
	if count == 0 {
		return 1
	}
	return sum / float64(count)
}

const (
	levelUsers = 500 // at most so many users are asked for the level
	levelItems = 20  // by the covered items that the factors would show them first
	maxLevel   = 3   // where positives have x = 1; beyond it the ridge has left nothing but noise
)

// level scales B so that Σ e = Σ w·v over what a sample of users would be shown; false if that
// takes more than most, or cannot be.
func (c *Corrector) level(m *Matrix, f *Factors, most float64) bool {
	v := make([]float32, 0, len(c.rows)*f.Dims)
	for _, row := range c.rows {
		v = append(v, f.V[int(row)*f.Dims:(int(row)+1)*f.Dims]...)
	}
	var byFactor, byPair float64
	factor, pair := make([]float32, len(c.rows)), make([]float32, len(c.rows))
	for user := 0; user < m.Users(); user += max(1, m.Users()/levelUsers) {
		vecmath.DotRows(f.W[user*f.Dims:(user+1)*f.Dims], v, factor)
		clear(pair)
		items, confidence, target := m.byUser.row(user)
		seen := make(map[int32]bool, len(items))
		for k, item := range items {
			if at := c.place[item]; at >= 0 {
				seen[at] = true
				c.Add(int(at), confidence[k]*target[k], pair)
			}
		}
		top := vecmath.NewTopK(levelItems)
		for at, score := range factor {
			if !seen[int32(at)] {
				top.Push(uint32(at), score)
			}
		}
		for _, hit := range top.Sorted() {
			byFactor += float64(hit.Score)
			byPair += float64(pair[hit.ID])
		}
	}
	if !(byFactor > 0 && byFactor <= most*byPair) {
		return false
	}
	for k := range c.b {
		c.b[k] *= float32(byFactor / byPair)
	}
	return true
}

// Items returns the number of item rows of the training.
func (c *Corrector) Items() int { return len(c.place) }

// Len returns how many items are covered.
func (c *Corrector) Len() int { return len(c.rows) }

// Row returns the item row at a place in 0..Len()-1.
func (c *Corrector) Row(place int) int { return int(c.rows[place]) }

// Place returns where an item row is covered; false if it is not.
func (c *Corrector) Place(row int) (int, bool) {
	if row < 0 || row >= len(c.place) || c.place[row] < 0 {
		return 0, false
	}
	return int(c.place[row]), true
}

// Add adds what a liked item says of all covered ones to scores, which has Len() entries: x·B of
// its place, where x is confidence times target.
func (c *Corrector) Add(place int, x float32, scores []float32) {
	n := len(c.rows)
	vecmath.Axpy(x, c.b[place*n:(place+1)*n], scores)
}

// Weight returns B_ji, what a liked item j says of item i, both by place.
func (c *Corrector) Weight(j, i int) float32 { return c.b[j*len(c.rows)+i] }
