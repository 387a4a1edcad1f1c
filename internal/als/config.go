package als

import (
	"errors"
	"math"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// Limits of what a configuration or a stored model may ask for.
const (
	MaxFactors     = 1024
	MaxContentDims = 4096
	MaxConfidence  = 1e6 // keeps every sum within float32
)

// Config holds the training settings. The zero value is not valid: start from DefaultConfig.
type Config struct {
	Factors        int     `json:"factors" yaml:"factors"`               // f, length of a factor, 1..MaxFactors
	Alpha0         float64 `json:"alpha0" yaml:"alpha0"`                 // α0, weight of every unobserved pair
	Regularization float64 `json:"regularization" yaml:"regularization"` // λ, multiplied by the mass of a row
	Epochs         int     `json:"epochs" yaml:"epochs"`                 // sweeps over users and then items
	CGSteps        int     `json:"cg_steps" yaml:"cg_steps"`             // conjugate-gradient steps a row and sweep
	PriorRidge     float64 `json:"prior_ridge" yaml:"prior_ridge"`       // λ_p, ridge of the content map that item factors are drawn to; 0: to zero
	Workers        int     `json:"-" yaml:"workers"`                     // goroutines; 0 means GOMAXPROCS. The result does not depend on it.
	Seed           uint64  `json:"seed" yaml:"seed"`
}

// DefaultConfig returns the settings that the quality figures in docs/benchmarks.md were measured with.
func DefaultConfig() Config {
	return Config{Factors: 64, Alpha0: .1, Regularization: .02, Epochs: 15, CGSteps: 3, PriorRidge: 30}
}

// Validate reports every fault, joined; each is a *recsys.FieldError.
func (c Config) Validate() error {
	return errors.Join(
		intRange("factors", c.Factors, 1, MaxFactors),
		floatRange("alpha0", c.Alpha0, 1e-6, 1e3),
		floatRange("regularization", c.Regularization, 1e-6, 1e3),
		intRange("epochs", c.Epochs, 1, 10_000),
		intRange("cg_steps", c.CGSteps, 1, MaxFactors),
		floatRange("prior_ridge", c.PriorRidge, 0, 1e6),
		intRange("workers", c.Workers, 0, 4096),
	)
}

func intRange(field string, v, low, high int) error {
	if v < low || v > high {
		return recsys.Invalid(field, "is %d, want %d to %d", v, low, high)
	}
	return nil
}

func floatRange(field string, v, low, high float64) error {
	if math.IsNaN(v) || v < low || v > high {
		return recsys.Invalid(field, "is %g, want %g to %g", v, low, high)
	}
	return nil
}
