package ann

// noLink ends a list of links that is shorter than its room.
const noLink = ^uint32(0)

// maxNodes leaves a bit of a node's number free for the mark of a key, and noLink.
const maxNodes = 1<<31 - 1

// graph is a hierarchical navigable small world over rows, immutable once built.
//
// Nodes are the rows' numbers, and those of higher layers come first: layer l holds the
// nodes below nodes(l). So the links of a node are found by multiplication on every layer,
// no node needs to know its level, and node 0 is on all layers: every walk enters there.
type graph struct {
	rows   *rows
	m      int        // links of a node on the layers above 0; on layer 0 there are twice as many
	layers [][]uint32 // by layer, width(layer) words a node: its links, then noLink
}

// width is the room for links of a node on a layer. On layer 0 of the default M it is 128
// bytes, two lines of the cache.
func (g *graph) width(layer int) int {
	if layer == 0 {
		return 2 * g.m
	}
	return g.m
}

// nodes returns how many nodes the layer has.
func (g *graph) nodes(layer int) int { return len(g.layers[layer]) / g.width(layer) }

// links returns the room of a node's links on a layer.
func (g *graph) links(layer int, node uint32) []uint32 {
	w := g.width(layer)
	return g.layers[layer][int(node)*w : (int(node)+1)*w]
}

// bytes is the memory of the links.
func (g *graph) bytes() (n int) {
	for _, l := range g.layers {
		n += 4 * cap(l)
	}
	return n
}

// marks is a set of nodes.
type marks []uint64

// reset empties the set and makes room for nodes 0 … n−1.
func (m *marks) reset(n int) {
	words := (n + 63) / 64
	if cap(*m) < words {
		*m = make(marks, words)
		return
	}
	*m = (*m)[:words]
	clear(*m)
}

// add reports whether the node is new.
func (m marks) add(node uint32) bool {
	word, bit := &m[node>>6], uint64(1)<<(node&63)
	if *word&bit != 0 {
		return false
	}
	*word |= bit
	return true
}
