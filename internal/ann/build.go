package ann

import (
	"context"
	"math"
	"slices"
	"sort"
	"sync"
	"sync/atomic"
)

// builder makes a graph over rows that lie in random order: as many workers as wanted
// insert one node after another (algorithm 1 of the paper).
//
// With one worker the graph depends on the rows and the seed only. With more, nodes that
// are inserted at the same time do not see each other, which recall does not notice.
type builder struct {
	graph *graph
	level []uint8   // of each node, descending
	count [][]uint8 // by layer: how many links each node has
	efc   int
	locks *locks // nil with one worker
}

// newBuilder returns a builder of a graph without links.
func newBuilder(r *rows, c Config) *builder {
	b := &builder{graph: &graph{rows: r, m: c.M}, level: levels(r.len(), c.M, c.Seed), efc: c.EfConstruction}
	if c.workers() > 1 {
		b.locks = new(locks)
	}
	for layer := 0; layer <= int(b.level[0]); layer++ {
		nodes := sort.Search(len(b.level), func(i int) bool { return int(b.level[i]) < layer })
		links := make([]uint32, nodes*b.graph.width(layer))
		for i := range links {
			links[i] = noLink
		}
		b.graph.layers = append(b.graph.layers, links)
		b.count = append(b.count, make([]uint8, nodes))
	}
	return b
}

// levels draws the highest layer of n nodes, descending: ⌊−ln u / ln M⌋ for u uniform in
// (0, 1]. Rows lie in random order, so it does not matter which node gets which.
func levels(n, m int, seed uint64) []uint8 {
	const highest = 15 // of 16¹⁵ nodes one
	drawn := make([]uint8, n)
	for i := range drawn {
		u := (float64(mix(seed+uint64(i))>>11) + 1) / (1 << 53)
		drawn[i] = uint8(min(highest, -math.Log(u)/math.Log(float64(m))))
	}
	slices.SortFunc(drawn, func(a, b uint8) int { return int(b) - int(a) })
	return drawn
}

// mix is the output function of splitmix64 (Steele, Lea & Flood 2014).
func mix(z uint64) uint64 {
	z = (z + 1) * 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// insert adds nodes from … to−1. It returns early, with the context's error, when the
// context ends; the graph is of no use then.
func (b *builder) insert(ctx context.Context, from, to, workers int) error {
	// The first nodes see too little of each other if they come at the same time.
	const alone = 256
	head := min(to, max(from, alone))
	first := newInserter(b)
	for node := max(from, 1); node < head; node++ { // node 0 is there, with nothing to link to
		first.insert(uint32(node))
	}
	if workers == 1 {
		for node := head; node < to && ctx.Err() == nil; node++ {
			first.insert(uint32(node))
		}
		return ctx.Err()
	}
	var next atomic.Int64
	next.Store(int64(head))
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			mine := newInserter(b)
			for ctx.Err() == nil {
				node := next.Add(1) - 1
				if node >= int64(to) {
					return
				}
				mine.insert(uint32(node))
			}
		})
	}
	wg.Wait()
	return ctx.Err()
}

// inserter is one worker of a builder.
type inserter struct {
	*builder
	walker walker
	probe  probe // the node being inserted
	links  linker
	chosen [][]uint32 // by layer: the neighbours of the node being inserted
}

func newInserter(b *builder) *inserter {
	in := &inserter{builder: b, chosen: make([][]uint32, len(b.graph.layers))}
	in.walker.locks = b.locks
	return in
}

// insert finds the node's neighbours on its layers from above and links it in from below:
// whoever meets it on a layer finds its links on those underneath.
func (in *inserter) insert(node uint32) {
	g, level := in.graph, int(in.level[node])
	in.probe.setRow(g.rows, node)
	in.walker.begin(g, &in.probe)
	at := in.walker.descend(g, level)
	for layer := level; layer >= 0; layer-- {
		in.walker.walk(g, layer, at, in.efc)
		at = nodeOf(in.walker.near.keys[0])
		found := in.links.choose(g, in.walker.near.keys, in.probe.unit(), g.m)
		in.chosen[layer] = append(in.chosen[layer][:0], found...)
	}
	for layer := range level + 1 {
		in.replace(layer, node, in.chosen[layer])
		for _, neighbour := range in.chosen[layer] {
			in.add(layer, neighbour, node)
		}
	}
}

// replace makes links the node's links.
func (in *inserter) replace(layer int, node uint32, links []uint32) {
	if in.locks != nil {
		m := in.locks.of(node)
		m.Lock()
		defer m.Unlock()
	}
	in.write(layer, node, links)
}

// add links node to another. If there is no room, it chooses anew among its neighbours and
// the other; then one of them, perhaps the other, or several are linked to it no longer.
func (in *inserter) add(layer int, node, to uint32) {
	if in.locks != nil {
		m := in.locks.of(node)
		m.Lock()
		defer m.Unlock()
	}
	room, n := in.graph.links(layer, node), int(in.count[layer][node])
	if slices.Contains(room[:n], to) {
		return // each was inserted while the other was
	}
	if n < len(room) {
		room[n] = to
		in.count[layer][node]++
		return
	}
	in.write(layer, node, in.links.chooseFor(in.graph, node, append(append(in.links.ids[:0], room...), to), len(room)))
}

// write sets a node's links.
func (b *builder) write(layer int, node uint32, links []uint32) {
	room := b.graph.links(layer, node)
	n := copy(room, links)
	for i := n; i < len(room); i++ {
		room[i] = noLink
	}
	b.count[layer][node] = uint8(n)
}
