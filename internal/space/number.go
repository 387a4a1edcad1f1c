package space

import (
	"math"
	"slices"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// A number becomes z = (t(x) − median)/spread, held within ±numberRange, then an angle
// θ = π(z + R)/2R, 0 to π, then for k = 1..numberWaves the pair √a_k·(cos kθ, sin kθ),
// a_k ∝ exp(−(kσ)²/2), Σ a_k = 1. The inner product of two numbers is Σ a_k cos k(θ−θ′): a
// Gaussian of their distance without its mean, falling from 1 to about −.2 as they part,
// and the same wherever on the scale they lie.
const (
	numberRange  = 3.5
	numberWidth  = 1 // σ in units of z; .5 to 1.5 rank alike
	numberWaves  = 8 // a_9 would be below .02 % of the sum
	numberDims   = 2 * numberWaves
	numberBounds = 1e150 // larger numbers count as this, so that differences stay finite
)

// number is the coder of one numeric attribute.
type number struct {
	name   string
	log    bool
	floor  float64 // log only: the smallest positive number fitted; what is below counts as it
	median float64 // of t(x)
	spread float64 // of t(x), above 0
}

func (n *number) dims() int { return numberDims }

func (n *number) code(in *Input, out []float32) bool {
	a, ok := in.Attributes[n.name]
	if !ok || a.Kind != recsys.KindNumber || !finite(a.Number) {
		return false
	}
	z := (n.transform(a.Number) - n.median) / n.spread
	theta := math.Pi * (min(max(z, -numberRange), numberRange) + numberRange) / (2 * numberRange)
	for k := range numberWaves {
		sin, cos := math.Sincos(float64(k+1) * theta)
		out[2*k], out[2*k+1] = float32(numberAmplitudes[k]*cos), float32(numberAmplitudes[k]*sin)
	}
	return true
}

// numberAmplitudes holds √a_k.
var numberAmplitudes = func() (a [numberWaves]float64) {
	const sigma = numberWidth * math.Pi / (2 * numberRange)
	var sum float64
	for k := range a {
		a[k] = math.Exp(-math.Pow(float64(k+1)*sigma, 2) / 2)
		sum += a[k]
	}
	for k := range a {
		a[k] = math.Sqrt(a[k] / sum)
	}
	return a
}()

func (n *number) transform(x float64) float64 {
	x = min(max(x, -numberBounds), numberBounds)
	if n.log {
		return math.Log(max(x, n.floor))
	}
	return x
}

// fitNumber fits the scale of an attribute; ok is false if no item has it. encoding "" chooses
// EncodingLog for heavy tails.
func fitNumber(name string, encoding Encoding, inputs []Input) (n *number, ok bool) {
	var values []float64
	for i := range inputs {
		if a, ok := inputs[i].Attributes[name]; ok && a.Kind == recsys.KindNumber && finite(a.Number) {
			values = append(values, a.Number)
		}
	}
	if len(values) == 0 {
		return nil, false
	}
	n = &number{name: name, log: encoding == EncodingLog || encoding == "" && heavyTailed(values)}
	n.floor = smallestPositive(values)
	for i := range values {
		values[i] = n.transform(values[i])
	}
	slices.Sort(values)
	n.median, n.spread = quantile(values, .5), spread(values)
	return n, true
}

// spread is the standard deviation a normal distribution with the same quartiles would have; of
// numbers half of which are equal their own standard deviation; 1 if all are equal.
func spread(sorted []float64) float64 {
	if s := (quantile(sorted, .75) - quantile(sorted, .25)) / 1.349; s > 0 {
		return s
	}
	var mean, squares float64
	for _, x := range sorted {
		mean += x / float64(len(sorted))
	}
	for _, x := range sorted {
		squares += (x - mean) * (x - mean) / float64(len(sorted))
	}
	if s := math.Sqrt(squares); s > 0 && finite(s) {
		return s
	}
	return 1
}

// heavyTailed: none below zero and the highest twentieth at least three times the median.
func heavyTailed(values []float64) bool {
	sorted := slices.Sorted(slices.Values(values))
	median := quantile(sorted, .5)
	return sorted[0] >= 0 && median > 0 && quantile(sorted, .95)/3 >= median
}

// smallestPositive returns 1 if there is none.
func smallestPositive(values []float64) float64 {
	smallest := math.Inf(1)
	for _, x := range values {
		if x > 0 {
			smallest = min(smallest, x)
		}
	}
	if math.IsInf(smallest, 1) {
		return 1
	}
	return smallest
}

// quantile interpolates between the sorted values.
func quantile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	low := int(at)
	if low+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	fraction := at - float64(low)
	return sorted[low]*(1-fraction) + sorted[low+1]*fraction
}
