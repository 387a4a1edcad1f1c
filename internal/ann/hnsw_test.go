package ann

import (
	"fmt"
	"slices"
)

// fault checks what the code of hnsw takes for granted.
func (x *hnsw) fault() error {
	if err := x.tail.fault(); err != nil {
		return fmt.Errorf("tail: %w", err)
	}
	b, n := x.base, x.base.rows.len()
	if len(b.first) != n+1 || int(b.first[n]) != len(b.items) {
		return fmt.Errorf("%d nodes, %d firsts, %d items", n, len(b.first), len(b.items))
	}
	dead := 0
	for node := range uint32(n) {
		items := b.itemsOf(node)
		if len(items) == 0 || !slices.IsSorted(items) {
			return fmt.Errorf("node %d has items %v", node, items)
		}
		for i, item := range items {
			entry := b.first[node] + uint32(i)
			if gotNode, gotEntry, ok := b.find(item); !ok || gotNode != node || gotEntry != entry {
				return fmt.Errorf("item %d of node %d, entry %d, is found at %d, %d, %v", item, node, entry, gotNode, gotEntry, ok)
			}
			if x.dead.has(entry) {
				dead++
			} else if _, both := x.tail.slots.get(item); both {
				return fmt.Errorf("item %d is alive in the base and in the tail", item)
			}
		}
	}
	if dead != x.dead.count {
		return fmt.Errorf("%d dead entries, counted as %d", dead, x.dead.count)
	}
	if b.graph == nil {
		if n > 0 {
			return fmt.Errorf("%d nodes without a graph", n)
		}
		return nil
	}
	return b.graph.fault()
}

// fault checks that every layer's links go to other nodes of the layer, each once.
func (g *graph) fault() error {
	if g.nodes(0) != g.rows.len() {
		return fmt.Errorf("%d nodes for %d rows", g.nodes(0), g.rows.len())
	}
	for layer := range g.layers {
		n := uint32(g.nodes(layer))
		if n == 0 || layer > 0 && int(n) > g.nodes(layer-1) {
			return fmt.Errorf("layer %d has %d nodes", layer, n)
		}
		for node := range n {
			links := g.links(layer, node)
			end := slices.Index(links, noLink)
			if end < 0 {
				end = len(links)
			}
			for i, link := range links {
				switch {
				case i >= end && link != noLink:
					return fmt.Errorf("layer %d, node %d: links go on after their end: %v", layer, node, links)
				case i < end && (link >= n || link == node || slices.Contains(links[:i], link)):
					return fmt.Errorf("layer %d of %d nodes, node %d: links %v", layer, n, node, links)
				}
			}
		}
	}
	return nil
}
