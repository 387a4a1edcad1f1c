package ann

import (
	"fmt"

	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

// The names New accepts.
const (
	Exact = "exact"
	HNSW  = "hnsw"
	Auto  = "auto"
	Coder = "coder"
)

// maxDims bounds a vector's length; the largest encoder outputs are a twentieth of it.
const maxDims = 1 << 16

// Hit is an item found and its inner product with the query.
type Hit = vecmath.Scored

// Change is one step of Apply: the item gets the vector, whether it had one before or
// not, or loses it when Vector is nil (nothing happens if it had none).
type Change struct {
	Item   uint32
	Vector []float32
}

// Index is one version of a set of vectors, each of Dims() elements, one per item.
// It never changes. All methods are safe for concurrent use.
type Index interface {
	// Dims returns the length of every vector.
	Dims() int

	// Len returns how many items have a vector.
	Len() int

	// Apply returns the version that follows from making the changes in order, so
	// that the last change of an item decides. The receiver stays as it is and valid.
	//
	// Vectors are copied. Each must have Dims() finite elements and a squared norm
	// above 0 and not above 1e38 (in float32), which keeps every score finite.
	//
	// Changing the newest version is cheap: 2–4 µs for one vector among 100,000 × 64, coder
	// excepted. Changing an older one is right too and copies up to 256 rows more.
	//
	// Errors: recsys.ErrInvalid, as a recsys.FieldError that names the first refused
	// change; the Index is nil then and nothing has changed.
	Apply(changes []Change) (Index, error)

	// Search returns the min(k, matching) items with the greatest inner product with
	// query, best first, ties by ascending item; matching are the items for which
	// allowed, if not nil, returns true. The result is owned by the caller.
	//
	// How many of the truly best it finds is the engine's recall; scores and order of
	// what it returns are exact. allowed runs on the calling goroutine, for as few items
	// as will do and for some perhaps twice: it must always answer alike for one item.
	//
	// Errors: recsys.ErrInvalid (a FieldError) if k < 0 or the query is not Dims()
	// finite elements with a squared norm up to 1e38. A zero query is allowed: every
	// item scores 0.
	Search(query []float32, k int, allowed func(item uint32) bool) ([]Hit, error)

	// SearchSet is Search among the items that are in set and, if it is not nil, for which
	// allowed returns true. Unlike Search it knows how many may match and which, and so
	// scores just these where they are few. The set must not change meanwhile.
	SearchSet(query []float32, k int, set Set, allowed func(item uint32) bool) ([]Hit, error)

	// Vector returns the item's vector, a view that must not be written to; false if
	// the item has none. The view stays valid and unchanged for good.
	Vector(item uint32) ([]float32, bool)

	// Stats describes the version. It costs a glance at every 256 vectors outside a graph.
	Stats() Stats
}

// New returns an empty Index of the named engine, with its usual settings, for vectors of
// dims elements, 1 … 65536.
//
// Errors: recsys.ErrInvalid (a FieldError) for any other engine or length.
func New(engine string, dims int) (Index, error) {
	if dims < 1 || dims > maxDims {
		return nil, recsys.Invalid("dims", "%d is outside 1 … %d", dims, maxDims)
	}
	config := DefaultConfig()
	config.Engine = engine
	return config.New(dims)
}

// checkChanges finds the first change that Apply has to refuse.
func checkChanges(dims int, changes []Change) error {
	for i, c := range changes {
		if c.Vector == nil {
			continue
		}
		field := fmt.Sprintf("changes[%d].vector", i)
		norm, err := checkVector(field, dims, c.Vector)
		if err != nil {
			return err
		}
		if norm == 0 {
			return recsys.Invalid(field, "the vector of item %d is zero and has no direction", c.Item)
		}
	}
	return nil
}

// checkQuery reports why Search has to refuse its arguments, and the query's squared norm.
func checkQuery(dims int, query []float32, k int) (norm float32, err error) {
	if k < 0 {
		return 0, recsys.Invalid("k", "%d is negative", k)
	}
	return checkVector("query", dims, query)
}

// checkVector returns v's squared norm.
//
// By Cauchy-Schwarz every partial sum of an inner product is at most the product of
// the two norms, so squared norms up to 1e38 keep scores, rounding included, within
// float32 (3.4e38).
func checkVector(field string, dims int, v []float32) (norm float32, err error) {
	const maxSquaredNorm = 1e38
	if len(v) != dims {
		return 0, recsys.Invalid(field, "has %d elements, want %d", len(v), dims)
	}
	norm = vecmath.SquaredNorm(v)
	if norm <= maxSquaredNorm { // false for NaN
		return norm, nil
	}
	if !vecmath.Finite(v) {
		return 0, recsys.Invalid(field, "holds NaN or an infinity, want finite numbers")
	}
	return 0, recsys.Invalid(field, "its squared norm is above %g", maxSquaredNorm)
}
