package ann

import (
	"hash/maphash"
	"math/rand/v2"
	"slices"

	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

// grouping finds the distinct vectors among many and who has them.
type grouping struct {
	vectors [][]float32
	items   []uint32
	group   []uint32 // of each item: its vector
	last    map[uint64]uint32
	before  []uint32 // of each vector: the one before it with the same hash, noLink if none
	seed    maphash.Seed
	buffer  []byte
}

func (g *grouping) add(item uint32, vector []float32) {
	g.buffer = vecmath.AppendBytes(g.buffer[:0], vector)
	hash := maphash.Bytes(g.seed, g.buffer)
	last, ok := g.last[hash]
	if !ok {
		last = noLink
	}
	at := last
	for at != noLink && !slices.Equal(g.vectors[at], vector) {
		at = g.before[at]
	}
	if at == noLink {
		at = uint32(len(g.vectors))
		g.vectors, g.before = append(g.vectors, vector), append(g.before, last)
		g.last[hash] = at
	}
	g.items, g.group = append(g.items, item), append(g.group, at)
}

// group makes a base without a graph of the distinct vectors of a version, in random order.
func group(x *hnsw) *base {
	g := &grouping{last: make(map[uint64]uint32, x.Len()), seed: maphash.MakeSeed()}
	x.each(g.add)
	n := len(g.vectors)
	b := &base{rows: newRows(x.tail.dims, false), first: make([]uint32, n+1), items: make([]uint32, len(g.items))}
	b.rows.floats = make([]float32, 0, n*x.tail.dims)
	node := make([]uint32, n) // of each vector
	for i, vector := range rand.New(rand.NewPCG(x.config.Seed, 1)).Perm(n) {
		node[vector] = uint32(i)
		b.rows.floats = append(b.rows.floats, g.vectors[vector]...)
	}
	for _, vector := range g.group {
		b.first[node[vector]+1]++
	}
	for i := range n {
		b.first[i+1] += b.first[i]
	}
	next := slices.Clone(b.first[:n])
	for i, item := range g.items {
		at := &next[node[g.group[i]]]
		b.items[*at] = item
		*at++
	}
	for i := range uint32(n) {
		slices.Sort(b.itemsOf(i))
	}
	return b
}
