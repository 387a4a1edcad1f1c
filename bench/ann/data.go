package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

// shape is the size of a set of vectors; the zero value is the pictures.
type shape struct{ n, dims int }

func parseShape(name string) (s shape, err error) {
	if name == "pictures" {
		return s, nil
	}
	if _, err := fmt.Sscanf(name, "%dx%d", &s.n, &s.dims); err != nil || s.n < 1000 || s.dims < 1 || s.dims > 1<<16 || s.String() != name {
		return s, fmt.Errorf("--shapes: %q is not VECTORSxDIMS, with 1,000 vectors at least, nor pictures", name)
	}
	return s, nil
}

func (s shape) String() string {
	if s == (shape{}) {
		return "pictures"
	}
	return fmt.Sprintf("%dx%d", s.n, s.dims)
}

// set is what is searched, for what, and what is to be found.
type set struct {
	name    string
	dims    int
	base    []float32 // vector after vector, each of unit length
	queries []float32
	truth   [][]uint32 // the 100 best of each query, best first
}

func (s *set) len() int { return len(s.base) / s.dims }

func (s *set) vector(i int) []float32 { return s.base[i*s.dims : (i+1)*s.dims] }

func (s *set) query(i int) []float32 { return s.queries[i*s.dims : (i+1)*s.dims] }

// most is how many neighbours are looked for at most.
const most = 100

// load makes or reads a set and finds the truth by computing every product.
func load(ctx context.Context, s shape, opts options) (*set, error) {
	var made *set
	if s == (shape{}) {
		var err error
		if made, err = pictures(ctx, opts); err != nil {
			return nil, err
		}
	} else {
		queries := 1000
		if s.n*s.dims > 50_000_000 {
			queries = 500
		}
		made = clusters(s, queries)
	}
	scores := make([]float32, made.len())
	for i := range len(made.queries) / made.dims {
		vecmath.DotRows(made.query(i), made.base, scores)
		top := vecmath.NewTopK(most)
		for id, score := range scores {
			top.Push(uint32(id), score)
		}
		var best []uint32
		for _, hit := range top.Sorted() {
			best = append(best, hit.ID)
		}
		made.truth = append(made.truth, best)
	}
	return made, ctx.Err()
}

// clusters draws vectors around 1,000 centres, the k-th as often as k^−½ says. Centres and
// what lies around them have a spectrum: component j has a standard deviation of j^−½, as
// principal components of encoder outputs decay, .7 of the whole for the centres. A rotation
// then spreads that over all elements, and vectors get unit length. Queries are drawn alike.
func clusters(s shape, queries int) *set {
	const kinds = 1000
	rng := rand.New(rand.NewPCG(1, uint64(s.n)<<32|uint64(s.dims)))
	decay := make([]float32, s.dims)
	for j := range decay {
		decay[j] = float32(1 / math.Sqrt(float64(j+1)))
	}
	centres := make([]float32, kinds*s.dims)
	for i := range centres {
		centres[i] = .7 * decay[i%s.dims] * float32(rng.NormFloat64())
	}
	total := make([]float64, kinds)
	for k := range total {
		total[k] = 1 / math.Sqrt(float64(k+1))
		if k > 0 {
			total[k] += total[k-1]
		}
	}
	turn := newRotation(rng, s.dims)
	draw := func(n int) []float32 {
		rows := make([]float32, n*s.dims)
		for i := range n {
			kind, at := 0, rng.Float64()*total[kinds-1]
			for total[kind] < at {
				kind++
			}
			row := rows[i*s.dims : (i+1)*s.dims]
			for j := range row {
				row[j] = centres[kind*s.dims+j] + decay[j]*float32(rng.NormFloat64())
			}
			turn.apply(row)
			vecmath.Normalize(row)
		}
		return rows
	}
	return &set{name: fmt.Sprintf("%d × %d, clustered", s.n, s.dims), dims: s.dims, base: draw(s.n), queries: draw(queries)}
}

// rotation is random enough to spread any spectrum over all elements, and fast: twice, the
// elements are shuffled, given random signs, and mixed by Walsh–Hadamard transforms over
// blocks of powers of two.
type rotation struct {
	order   [2][]int
	signs   [2][]float32
	scratch []float32
}

func newRotation(rng *rand.Rand, dims int) *rotation {
	r := &rotation{scratch: make([]float32, dims)}
	for round := range r.order {
		r.order[round] = rng.Perm(dims)
		r.signs[round] = make([]float32, dims)
		for j := range dims {
			r.signs[round][j] = float32(1 - 2*rng.IntN(2))
		}
	}
	return r
}

func (r *rotation) apply(v []float32) {
	for round, order := range r.order {
		for j, from := range order {
			r.scratch[j] = v[from] * r.signs[round][j]
		}
		copy(v, r.scratch)
		for rest := v; len(rest) > 0; {
			size := 1
			for 2*size <= len(rest) {
				size *= 2
			}
			hadamard(rest[:size])
			rest = rest[size:]
		}
	}
}

// hadamard transforms a block of a power of two, keeping its length.
func hadamard(v []float32) {
	for half := 1; half < len(v); half *= 2 {
		for from := 0; from < len(v); from += 2 * half {
			for i := from; i < from+half; i++ {
				v[i], v[i+half] = v[i]+v[i+half], v[i]-v[i+half]
			}
		}
	}
	scale := float32(1 / math.Sqrt(float64(len(v))))
	for i := range v {
		v[i] *= scale
	}
}
