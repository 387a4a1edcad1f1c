package onnx

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime"

	"github.com/seed-473295a7/vitrine/internal/imageprep"
	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/models"
)

// Config says which encoder to open and how it runs.
type Config struct {
	// Library is the path of the ONNX Runtime library, 1.24 or newer. Empty: the one that
	// make setup put into CacheDir.
	Library string
	// CacheDir is where vitrine/onnxruntime-… lies. Empty: the user's cache directory.
	CacheDir string
	// Files holds the manifest and the ONNX file it names.
	Files    fs.FS
	Manifest string
	// IntraOpThreads is how many threads one run uses, 1…64. One is the most work per
	// CPU-second; two answer a single picture sooner, for a tenth more CPU.
	IntraOpThreads int
	// Workers is how many runs go on at once, 0…64; 0 shares the processors out: one
	// worker for every IntraOpThreads of them, at most 8.
	Workers int
	// MaxBatch is how many calls one run may serve, 1…8. Measured on two EPYC cores on
	// 2026-11-24, CPU per picture at 1, 2, 4, 8: 9.1, 8.8, 8.8, 9.4 ms.
	MaxBatch int
	// Limits bounds the pictures that Tensor takes.
	Limits imageprep.Limits
}

// DefaultConfig opens the built-in encoder.
func DefaultConfig() Config {
	return Config{
		Files: models.Files, Manifest: models.DefaultManifest,
		IntraOpThreads: 1, MaxBatch: 4, Limits: imageprep.DefaultLimits(),
	}
}

const (
	maxThreads = 64
	maxBatch   = 8
)

// Validate reports every setting that is missing or out of range.
func (c Config) Validate() error {
	var faults []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf(format+": %w", append(args, recsys.ErrInvalid)...))
		}
	}
	check(c.Files != nil, "encoder files: none given")
	check(fs.ValidPath(c.Manifest), "encoder manifest %q: want a path within the files", c.Manifest)
	check(c.IntraOpThreads >= 1 && c.IntraOpThreads <= maxThreads, "encoder threads %d: want 1 to %d", c.IntraOpThreads, maxThreads)
	check(c.Workers >= 0 && c.Workers <= maxThreads, "encoder workers %d: want 0 to %d", c.Workers, maxThreads)
	check(c.MaxBatch >= 1 && c.MaxBatch <= maxBatch, "encoder batch %d: want 1 to %d", c.MaxBatch, maxBatch)
	return errors.Join(append(faults, c.Limits.Validate())...)
}

// workers is Workers with 0 resolved.
func (c Config) workers() int {
	if c.Workers > 0 {
		return c.Workers
	}
	return min(max(runtime.GOMAXPROCS(0)/c.IntraOpThreads, 1), 8)
}
