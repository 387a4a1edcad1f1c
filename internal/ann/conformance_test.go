package ann

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

func TestEmptyIndex(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		v := newVersion(e, 3)
		if v.Dims() != 3 {
			t.Errorf("Dims = %d, want 3", v.Dims())
		}
		v.checkVectors(t, 0, 1, math.MaxUint32)
		for _, k := range []int{0, 1, 1000, math.MaxInt} {
			v.checkSearch(t, []float32{1, 2, 3}, k, nil)
			v.checkSearch(t, []float32{0, 0, 0}, k, odd)
		}
		same := v.apply(t).apply(t, Change{Item: 5}) // nothing, and a removal of nothing
		same.checkVectors(t, 5)
	})
}

// TestRandomChanges walks through many versions with batches of additions,
// replacements, repetitions and removals, so that chunks fill, thin out and dissolve.
func TestRandomChanges(t *testing.T) {
	t.Run("short", func(t *testing.T) { randomChanges(t, 5) })
	t.Run("coded", func(t *testing.T) { randomChanges(t, minCoded) })
}

func randomChanges(t *testing.T, dims int) {
	eachEngine(t, func(t *testing.T, e engine) {
		rounds := 130
		if dims > 10 || e.slow {
			rounds = 60
		}
		rng := rand.New(rand.NewPCG(11, 1))
		v := newVersion(e, dims)
		for round := range rounds {
			// The target size swings, so that there is growth and decline.
			target := 700 + int(650*math.Sin(float64(round)/20))
			changes := make([]Change, rng.IntN(100))
			for i := range changes {
				item := uint32(rng.IntN(2 * target))
				if rng.IntN(8) == 0 {
					item *= 3_000_000 // scattered
				}
				changes[i].Item = item
				if len(v.twin) < target && rng.IntN(4) > 0 || rng.IntN(4) == 0 {
					changes[i].Vector = grid(rng, dims)
				}
			}
			if round%50 == 49 {
				changes = append(changes, additions(600, func() []float32 { return grid(rng, dims) })...)
			}
			v = v.apply(t, changes...)
			v.checkSearch(t, grid(rng, dims), rng.IntN(30), nil)
			v.checkSearch(t, grid(rng, dims), rng.IntN(30), odd)
			if round%20 == 0 {
				v.checkVectors(t, 1, 3_000_000, math.MaxUint32)
				v.checkSearch(t, grid(rng, dims), len(v.twin)+1, nil)
			}
		}
	})
}

func TestSearchSizesAndFilters(t *testing.T) {
	t.Run("short", func(t *testing.T) { searchSizesAndFilters(t, 16) })
	t.Run("coded", func(t *testing.T) { searchSizesAndFilters(t, 64) })
}

func searchSizesAndFilters(t *testing.T, dims int) {
	eachEngine(t, func(t *testing.T, e engine) {
		const n = 1500
		rng := rand.New(rand.NewPCG(12, 1))
		v := newVersion(e, dims).apply(t, additions(n, func() []float32 { return unit(rng, dims) })...)
		rare := func(item uint32) bool { return item%251 == 7 }
		for _, k := range []int{0, 1, 10, 100, 101, n / 4, n - 1, n, n + 1, math.MaxInt} {
			for name, allowed := range map[string]func(uint32) bool{"all": nil, "half": odd, "six": rare, "none": none} {
				t.Run(fmt.Sprintf("%s %d", name, k), func(t *testing.T) {
					v.checkSearch(t, unit(rng, dims), k, allowed)
				})
			}
		}
		v.checkSearch(t, make([]float32, dims), 20, nil) // ties everywhere: the lowest items
	})
}

// Identical vectors break graphs: all neighbours of one are its copies.
func TestThreeThousandCopiesOfOneVector(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		const copies, others, dims = 3000, 500, 8
		rng := rand.New(rand.NewPCG(13, 1))
		one := unit(rng, dims)
		v := newVersion(e, dims).apply(t, additions(copies, func() []float32 { return one })...)
		for i := range others {
			v = v.apply(t, Change{uint32(copies + i), unit(rng, dims)})
		}
		isOther := func(item uint32) bool { return item >= copies }
		for _, k := range []int{1, 50, copies, copies + others} {
			v.checkSearch(t, one, k, nil)
			v.checkSearch(t, unit(rng, dims), k, nil)
			v.checkSearch(t, one, k, isOther)
		}
		// The copies leave; what stays must all be found.
		removals := make([]Change, copies)
		for i := range removals {
			removals[i].Item = uint32(i)
		}
		v = v.apply(t, removals...)
		v.checkVectors(t, 0, copies-1)
		v.checkSearch(t, one, others, nil)
	})
}

func TestDeleteEverythingAndComeBack(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		const n, dims = 700, 4
		rng := rand.New(rand.NewPCG(14, 1))
		full := newVersion(e, dims).apply(t, additions(n, func() []float32 { return grid(rng, dims) })...)
		v := full
		for _, i := range rng.Perm(n) { // one by one
			v = v.apply(t, Change{Item: uint32(i)})
		}
		v.checkVectors(t, 0, 1, n-1)
		v.checkSearch(t, grid(rng, dims), 10, nil)

		v = v.apply(t, additions(n, func() []float32 { return grid(rng, dims) })...) // the same items again
		v.checkVectors(t)
		v.checkSearch(t, grid(rng, dims), 10, nil)

		both := additions(n, func() []float32 { return nil }) // all at once, and some back in the same batch
		v = v.apply(t, append(both, Change{3, grid(rng, dims)}, Change{4, grid(rng, dims)}, Change{Item: 3})...)
		v.checkVectors(t, 3, 4)
		v.checkSearch(t, grid(rng, dims), 10, nil)
		full.checkVectors(t)
	})
}

// One item whose vector changes all the time must not leave its past behind.
func TestReplaceOverAndOver(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		rng := rand.New(rand.NewPCG(15, 1))
		v := newVersion(e, 4).apply(t, additions(20, func() []float32 { return grid(rng, 4) })...)
		for range 3000 {
			v = v.apply(t, Change{7, grid(rng, 4)})
		}
		v.checkVectors(t)
		v.checkSearch(t, grid(rng, 4), 30, nil)
		if rows := storedRows(v.Index); rows > 2*chunkRows {
			t.Errorf("%d rows are kept for %d items", rows, v.Len())
		}
		again := v.apply(t, Change{7, v.twin[7]}) // the vector it has: nothing to store
		if before, after := storedRows(v.Index), storedRows(again.Index); before != after {
			t.Errorf("an unchanged vector took a row: %d, then %d", before, after)
		}
	})
}

// storedRows counts rows, dead ones included.
func storedRows(ix Index) (rows int) {
	if x := hnswOf(ix); x != nil {
		rows = len(x.base.items)
	}
	for _, c := range storage(ix).chunks {
		if c != nil {
			rows += len(c.items)
		}
	}
	return rows
}

// Every version ever made stays what it was, also when several versions follow from
// one and write into the same free rows.
func TestOldVersionsStayAndBranch(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		const dims, items = 4, 600
		rng := rand.New(rand.NewPCG(16, 1))
		versions := []version{newVersion(e, dims)}
		for range 250 {
			parent := versions[len(versions)-1]
			if rng.IntN(3) == 0 {
				parent = versions[rng.IntN(len(versions))]
			}
			changes := make([]Change, rng.IntN(25))
			for i := range changes {
				changes[i].Item = uint32(rng.IntN(items))
				if rng.IntN(3) > 0 {
					changes[i].Vector = grid(rng, dims)
				}
			}
			versions = append(versions, parent.apply(t, changes...))
		}
		for _, v := range versions {
			v.checkVectors(t, 0, items, items+1)
			v.checkSearch(t, grid(rng, dims), 12, nil)
		}
	})
}

func TestApplyCopiesVectors(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		mine := []float32{1, 2}
		v := newVersion(e, 2).apply(t, Change{9, mine})
		mine[0] = float32(math.NaN())
		v.checkVectors(t)
		if view, _ := v.Vector(9); cap(view) != 2 {
			t.Errorf("the view has room for %d elements: appending to it would write into the index", cap(view))
		}
	})
}

func TestApplyRefuses(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(-1))
	eachEngine(t, func(t *testing.T, e engine) {
		v := newVersion(e, 3).apply(t, Change{1, []float32{1, 0, 0}}, Change{2, []float32{0, 1, 0}})
		for name, bad := range map[string][]float32{
			"NaN":            {0, nan, 0},
			"infinity":       {1, 0, inf},
			"NaN and ∞":      {nan, 0, inf},
			"zero":           {0, 0, 0},
			"norm vanishes":  {1e-30, 0, 0},
			"norm overflows": {3e38, 0, 0},
			"norm too large": {1.1e19, 0, 0},
			"too short":      {1, 0},
			"too long":       {1, 0, 0, 0},
			"empty":          {},
		} {
			t.Run(name, func(t *testing.T) {
				next, err := v.Apply([]Change{{3, []float32{0, 0, 1}}, {Item: 1}, {4, bad}})
				var field *recsys.FieldError
				if !errors.Is(err, recsys.ErrInvalid) || !errors.As(err, &field) || field.Field != "changes[2].vector" {
					t.Errorf("Apply: %v, want ErrInvalid about changes[2].vector", err)
				}
				if next != nil {
					t.Error("Apply gave an index beside the error")
				}
				v.checkVectors(t, 3, 4)
			})
		}
	})
}

func TestSearchRefuses(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		v := newVersion(e, 2).apply(t, Change{1, []float32{1, 0}})
		for _, c := range []struct {
			name, field string
			query       []float32
			k           int
		}{
			{"k below 0", "k", []float32{1, 0}, -1},
			{"no query", "query", nil, 1},
			{"too long", "query", []float32{1, 0, 0}, 1},
			{"NaN", "query", []float32{1, float32(math.NaN())}, 0},
			{"infinity", "query", []float32{float32(math.Inf(1)), 0}, 1},
			{"norm overflows", "query", []float32{-2e38, 0}, 1},
			{"norm too large", "query", []float32{0, 1.1e19}, 1},
		} {
			t.Run(c.name, func(t *testing.T) {
				hits, err := v.Search(c.query, c.k, nil)
				var field *recsys.FieldError
				if !errors.Is(err, recsys.ErrInvalid) || !errors.As(err, &field) || field.Field != c.field {
					t.Errorf("Search: %v, want ErrInvalid about %s", err, c.field)
				}
				if hits != nil {
					t.Errorf("Search gave %v beside the error", hits)
				}
			})
		}
	})
}

// The largest vectors and queries that are accepted still score finitely.
func TestScoresAreFiniteAtTheLimits(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		const dims = 1000
		large := make([]float32, dims)
		for i := range large {
			large[i] = 3.1e17 // squared norm .961e38
		}
		tiny := slices.Repeat([]float32{1e-21}, dims)
		v := newVersion(e, dims).apply(t, Change{1, large}, Change{2, tiny})
		hits, err := v.Search(large, 2, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range hits {
			if math.IsInf(float64(h.Score), 0) || h.Score != h.Score {
				t.Errorf("item %d scores %v", h.ID, h.Score)
			}
		}
		if len(hits) != 2 || hits[0].ID != 1 {
			t.Errorf("hits %v, want 1 before 2", hits)
		}
	})
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		engine string
		dims   int
		field  string
	}{
		{"", 4, "engine"}, {"HNSW", 4, "engine"}, {"EXACT", 4, "engine"},
		{Exact, 0, "dims"}, {Coder, -1, "dims"}, {Exact, maxDims + 1, "dims"}, {"", 0, "dims"},
	} {
		ix, err := New(c.engine, c.dims)
		var field *recsys.FieldError
		if !errors.Is(err, recsys.ErrInvalid) || !errors.As(err, &field) {
			t.Errorf("New(%q, %d): %v, want ErrInvalid", c.engine, c.dims, err)
			continue
		}
		if diff := cmp.Diff(c.field, field.Field); diff != "" || ix != nil {
			t.Errorf("New(%q, %d) = %v, field (-want +got):\n%s", c.engine, c.dims, ix, diff)
		}
	}
}
