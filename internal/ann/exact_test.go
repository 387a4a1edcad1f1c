package ann

import (
	"math/rand/v2"
	"testing"
)

// A search allocates its heap and its result, however many items there are. (Not
// parallel: allocations are counted for the whole process.)
func TestExactSearchAllocatesForTheResultOnly(t *testing.T) {
	const dims = 8
	rng := rand.New(rand.NewPCG(71, 1))
	query := unit(rng, dims)
	for _, n := range []int{10, 1000, 10_000} {
		v := newVersion(engines()[0], dims).apply(t, additions(n, func() []float32 { return unit(rng, dims) })...)
		allocations := testing.AllocsPerRun(20, func() {
			if _, err := v.Search(query, 10, odd); err != nil {
				t.Fatal(err)
			}
		})
		if allocations > 3 {
			t.Errorf("%v allocations among %d items, want at most 3", allocations, n)
		}
	}
}

// allowed costs whatever the caller makes it cost, so most items must not reach it.
func TestExactAsksTheFilterSeldom(t *testing.T) {
	t.Parallel()
	const n, dims, k = 20_000, 8, 10
	rng := rand.New(rand.NewPCG(72, 1))
	v := newVersion(engines()[0], dims).apply(t, additions(n, func() []float32 { return unit(rng, dims) })...)
	asked := 0
	v.checkSearch(t, unit(rng, dims), k, nil)
	if _, err := v.Search(unit(rng, dims), k, func(uint32) bool { asked++; return true }); err != nil {
		t.Fatal(err)
	}
	if asked > n/20 {
		t.Errorf("asked about %d of %d items", asked, n)
	}
}

// Memory follows what is alive: thinning out an index gives chunks back.
func TestExactGivesRowsBack(t *testing.T) {
	t.Parallel()
	const n, dims = 20 * chunkRows, 4
	rng := rand.New(rand.NewPCG(73, 1))
	v := newVersion(engines()[0], dims).apply(t, additions(n, func() []float32 { return grid(rng, dims) })...)
	for i, item := range rng.Perm(n) {
		v.Index, _ = v.Index.Apply([]Change{{Item: uint32(item)}})
		if rows := storedRows(v.Index); rows > 2*v.Len()+chunkRows {
			t.Fatalf("%d rows are kept for %d items after %d removals", rows, v.Len(), i+1)
		}
	}
	if v.Len() != 0 || len(storage(v.Index).chunks) != 0 {
		t.Errorf("%d items and %d chunks are left", v.Len(), len(storage(v.Index).chunks))
	}
}

// The last chunk may thin out while it fills; it must go when it is full, even if
// nothing is removed then.
func TestExactDissolvesAChunkThatThinnedOutBeforeItWasFull(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(74, 1))
	v := newVersion(engines()[0], 4).apply(t, additions(chunkRows-20, func() []float32 { return grid(rng, 4) })...)
	for item := range uint32(chunkRows - 100) {
		v = v.apply(t, Change{Item: item})
	}
	for i := range uint32(20) {
		v = v.apply(t, Change{1000 + i, grid(rng, 4)})
		v.checkVectors(t)
	}
	if rows := storedRows(v.Index); rows != v.Len() {
		t.Errorf("%d rows are kept for %d items", rows, v.Len())
	}
	v.checkSearch(t, grid(rng, 4), 30, nil)
}

// Versions that follow each other write into the same memory.
func TestExactAppendsWithoutCopying(t *testing.T) {
	t.Parallel()
	v := newVersion(engines()[0], 1)
	blocks := map[*block]bool{}
	for i := range uint32(2 * chunkRows) {
		v = v.apply(t, Change{i, []float32{1}})
		x := storage(v.Index)
		blocks[x.chunks[x.tail].block] = true
	}
	if len(blocks) != 2*6 { // room for 8, 16, … 256 rows, twice
		t.Errorf("%d blocks for two chunks, want 12", len(blocks))
	}
}
