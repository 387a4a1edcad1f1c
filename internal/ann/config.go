package ann

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// Config holds the settings of an index. Those after Engine are of hnsw and auto only.
type Config struct {
	// Engine is one of the names above.
	Engine string
	// M is how many links a node of the graph gets, 2 … 64; on layer 0 it may have 2·M.
	M int
	// EfConstruction is how wide the walk is that looks for them, M … 4096.
	EfConstruction int
	// Ef is how wide a search walks, up to 4096; 0 measures at every rebuild what
	// TargetRecall takes.
	Ef int
	// TargetRecall is the recall@10, and @100 for k from there on, above 0 and below 1.
	TargetRecall float64
	// Float32 walks on float32 instead of codes: slower by half and more, and the codes' bytes,
	// as many as dimensions, are saved.
	Float32 bool
	// MinGraph is how many items a rebuild makes a graph for; fewer are scanned. 0 is 1,000
	// for hnsw and 20,000 for auto.
	MinGraph int
	// MaxTail is how many items outside the graph make a rebuild due.
	MaxTail int
	// MaxDead is the share of the graph's items that are gone or changed at which a rebuild
	// is due, above 0 and below 1.
	MaxDead float64
	// Workers are the goroutines of a rebuild; 0 is GOMAXPROCS. With one, a rebuild depends
	// on the items and Seed alone.
	Workers int
	Seed    uint64

	walkAlways bool // even where a scan is faster: for tests of small graphs
}

// DefaultConfig returns the settings of the exact engine; with another Engine, its usual ones.
func DefaultConfig() Config {
	return Config{
		Engine:         Exact,
		M:              16,
		EfConstruction: 200,
		TargetRecall:   .99,
		MaxTail:        10_000,
		MaxDead:        .3,
	}
}

// Validate reports all faults.
func (c Config) Validate() error {
	var faults []error
	between := func(name string, value, least, most int) {
		if value < least || value > most {
			faults = append(faults, recsys.Invalid(name, "%d is outside %d … %d", value, least, most))
		}
	}
	share := func(name string, value float64) {
		if !(value > 0 && value < 1) {
			faults = append(faults, recsys.Invalid(name, "%v is not between 0 and 1", value))
		}
	}
	switch c.Engine {
	case Exact, HNSW, Auto, Coder:
	default:
		faults = append(faults, recsys.Invalid("engine", "%q is unknown, want %q, %q, %q or %q", c.Engine, Exact, HNSW, Auto, Coder))
	}
	between("m", c.M, 2, 64)
	between("ef_construction", c.EfConstruction, max(c.M, 2), widest)
	between("ef", c.Ef, 0, widest)
	share("target_recall", c.TargetRecall)
	between("min_graph", c.MinGraph, 0, maxNodes)
	between("max_tail", c.MaxTail, 1, maxNodes)
	share("max_dead", c.MaxDead)
	between("workers", c.Workers, 0, 1024)
	return errors.Join(faults...)
}

// New returns an empty Index for vectors of dims elements, 1 … 65536.
//
// Errors: recsys.ErrInvalid, all faults of the settings, or a FieldError on dims.
func (c Config) New(dims int) (Index, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("index settings: %w", err)
	}
	if dims < 1 || dims > maxDims {
		return nil, recsys.Invalid("dims", "%d is outside 1 … %d", dims, maxDims)
	}
	switch c.Engine {
	case Exact:
		return newExact(dims, coded(dims)), nil
	case Coder:
		return newCoder(dims, defaultTuning()), nil
	}
	return newHNSW(dims, c), nil
}

func (c Config) workers() int {
	if c.Workers == 0 {
		return runtime.GOMAXPROCS(0)
	}
	return c.Workers
}

func (c Config) minGraph() int {
	switch {
	case c.MinGraph > 0:
		return c.MinGraph
	case c.Engine == Auto:
		return 20_000
	}
	return 1000
}
