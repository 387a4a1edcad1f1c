package ann

import (
	"bytes"
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
)

// Readers check whole versions while one writer makes the next ones; under -race.
func TestReadersWhileAWriterApplies(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		const dims, items, checks, readers = 4, 500, 25, 3
		rng := rand.New(rand.NewPCG(21, 1))
		first := newVersion(e, dims).apply(t, additions(items, func() []float32 { return grid(rng, dims) })...)
		var current atomic.Pointer[version]
		var reading atomic.Int64
		reading.Store(readers)
		current.Store(&first)
		var wg sync.WaitGroup
		for r := range readers {
			wg.Go(func() {
				defer reading.Add(-1)
				rng := rand.New(rand.NewPCG(22, uint64(r)))
				for range checks {
					v := current.Load()
					query := grid(rng, dims)
					if err := v.searchFault(query, 9, odd); err != nil {
						t.Error(err)
						return
					}
					if err := v.vectorFault(items * 3); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		for made := 0; made < 30 || reading.Load() > 0; made++ {
			changes := make([]Change, 1+rng.IntN(30))
			for i := range changes {
				changes[i].Item = uint32(rng.IntN(2 * items))
				if rng.IntN(3) > 0 {
					changes[i].Vector = grid(rng, dims)
				}
			}
			next := current.Load().apply(t, changes...)
			current.Store(&next)
		}
		wg.Wait()
		first.checkVectors(t)
	})
}

// Versions made from one at the same time compete for the same free rows.
func TestBranchesAtTheSameTime(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		const dims, writers, steps = 3, 4, 60
		rng := rand.New(rand.NewPCG(23, 1))
		base := newVersion(e, dims).apply(t, additions(100, func() []float32 { return grid(rng, dims) })...)
		branches := make([]version, writers)
		var wg sync.WaitGroup
		for w := range writers {
			// Twins are cloned by apply, so the branches share only what the engine shares.
			wg.Go(func() {
				rng := rand.New(rand.NewPCG(24, uint64(w)))
				v := base
				for range steps {
					changes := []Change{{uint32(rng.IntN(400)), grid(rng, dims)}, {Item: uint32(rng.IntN(400))}}
					next, err := v.Index.Apply(changes)
					if err != nil {
						t.Error(err)
						return
					}
					v = version{e, next, v.follow(changes)}
				}
				branches[w] = v
			})
		}
		wg.Wait()
		for _, v := range append(branches, base) {
			v.checkVectors(t)
			v.checkSearch(t, grid(rng, dims), 15, nil)
		}
	})
}

// Searches, changes, rebuilds on several goroutines, adoptions and snapshots at once, as a
// server runs them; under -race. Every version must stay true to its twin throughout.
func TestHNSWServesWhileItIsRebuiltAndSaved(t *testing.T) {
	t.Parallel()
	const dims, items, rebuilds = 5, 700, 6
	c := smallGraph()
	c.Workers = 3
	e := engine{name: "hnsw", open: func(dims int) Index { return newHNSW(dims, c) }}
	rng := rand.New(rand.NewPCG(25, 1))
	first := newVersion(e, dims).apply(t, additions(items, func() []float32 { return grid(rng, dims) })...)
	var current atomic.Pointer[version]
	current.Store(&first)
	var writing sync.Mutex // held by whoever makes the next version
	var done atomic.Bool
	var wg sync.WaitGroup
	during := func(work func(rng *rand.Rand, v *version) error) {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(26, rand.Uint64()))
			for !done.Load() {
				if err := work(rng, current.Load()); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 2 {
		during(func(rng *rand.Rand, v *version) error { return v.searchFault(grid(rng, dims), 9, odd) })
	}
	during(func(_ *rand.Rand, v *version) error {
		var file bytes.Buffer
		if err := (Snapshot{ourStamp, v.Index, nil}).write(&file); err != nil {
			return err
		}
		s, err := read(&file, int64(file.Len()), c, ourWant(dims))
		if err != nil {
			return err
		}
		return version{e, s.Index, v.twin}.vectorFault(3 * items)
	})
	during(func(rng *rand.Rand, _ *version) error {
		writing.Lock()
		defer writing.Unlock()
		changes := make([]Change, 1+rng.IntN(20))
		for i := range changes {
			changes[i].Item = uint32(rng.IntN(2 * items))
			if rng.IntN(3) > 0 {
				changes[i].Vector = grid(rng, dims)
			}
		}
		v := current.Load()
		index, err := v.Index.Apply(changes)
		if err != nil {
			return err
		}
		current.Store(&version{e, index, v.follow(changes)})
		return nil
	})
	for range rebuilds {
		built, err := current.Load().Index.(Rebuilder).Rebuild(context.Background())
		if err != nil {
			t.Error(err)
			break
		}
		writing.Lock()
		v := *current.Load()
		if v.Index, err = v.Index.(Rebuilder).Adopt(built); err != nil {
			t.Error(err)
		} else {
			current.Store(&v)
		}
		writing.Unlock()
	}
	done.Store(true)
	wg.Wait()
	current.Load().checkVectors(t, 3*items)
	first.checkVectors(t)
}
