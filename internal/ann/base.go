package ann

import "slices"

// base is what a rebuild leaves behind: the distinct vectors of a version, each with its
// items, and a graph over them. It never changes.
//
// One node for each distinct vector, because thousands of copies of one vector link to
// nothing but each other, and what lies behind them cannot be found any more.
type base struct {
	graph  *graph
	effort effort
	rows   rows
	items  []uint32 // the items of node i are items[first[i]:first[i+1]], ascending
	first  []uint32
	nodes  trie // item → node
}

// noBase has no items.
func noBase(dims int, coded bool) *base {
	return &base{rows: newRows(dims, coded), first: []uint32{0}}
}

// index makes the map from items to nodes.
func (b *base) index() {
	o := new(token)
	for node := range uint32(b.rows.len()) {
		for _, item := range b.itemsOf(node) {
			b.nodes = b.nodes.set(o, item, node)
		}
	}
}

func (b *base) itemsOf(node uint32) []uint32 { return b.items[b.first[node]:b.first[node+1]] }

// find returns the item's node and its entry, the place in items.
func (b *base) find(item uint32) (node, entry uint32, ok bool) {
	node, ok = b.nodes.get(item)
	if !ok {
		return 0, 0, false
	}
	at, _ := slices.BinarySearch(b.itemsOf(node), item)
	return node, b.first[node] + uint32(at), true
}

// rearrange brings rows, links and items into the order of order.
func (b *base) rearrange(order []uint32) {
	b.graph.rearrange(order)
	items, first := make([]uint32, 0, len(b.items)), make([]uint32, 1, len(b.first))
	for _, node := range order {
		items = append(items, b.itemsOf(node)...)
		first = append(first, uint32(len(items)))
	}
	b.items, b.first = items, first
}
