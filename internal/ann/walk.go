package ann

import (
	"sync"

	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

// walker goes through graphs. It keeps its memory from walk to walk, so that noLink
// allocates, and serves one goroutine.
type walker struct {
	probe    *probe
	near     pool  // what a walk has found, best first
	frontier heap  // of walkAmong
	seen     marks // nodes that have a score
	ids      []uint32
	scores   []float32
	visited  int // nodes scored since begin: what walks cost

	locks *locks // set while others write links
	links []uint32
}

// locks guard the links of nodes during a parallel build.
type locks [1 << 10]sync.Mutex

func (l *locks) of(node uint32) *sync.Mutex { return &l[node%uint32(len(l))] }

// begin prepares for walks that look for what is near the probe.
func (w *walker) begin(g *graph, p *probe) {
	w.probe, w.visited = p, 0
	if room := g.width(0) + 1; cap(w.ids) < room {
		w.ids, w.links, w.scores = make([]uint32, 0, room), make([]uint32, room), make([]float32, room)
	}
}

// linksOf returns a node's links, valid until the next call.
func (w *walker) linksOf(g *graph, layer int, node uint32) []uint32 {
	links := g.links(layer, node)
	if w.locks != nil {
		mine := w.links[:len(links)]
		m := w.locks.of(node)
		m.Lock()
		copy(mine, links)
		m.Unlock()
		links = mine
	}
	return links
}

// score scores the nodes collected in ids.
func (w *walker) score(g *graph) []float32 {
	w.visited += len(w.ids)
	scores := w.scores[:len(w.ids)]
	w.probe.score(g.rows, w.ids, scores)
	return scores
}

// descend goes greedily from node 0 through the layers above the given one and returns the
// node to begin at there.
func (w *walker) descend(g *graph, above int) uint32 {
	w.ids = append(w.ids[:0], 0)
	best := keyOf(w.score(g)[0], 0)
	for layer := len(g.layers) - 1; layer > above; layer-- {
		for {
			from := nodeOf(best)
			w.ids = w.ids[:0]
			for _, link := range w.linksOf(g, layer, from) {
				if link == noLink {
					break
				}
				w.ids = append(w.ids, link)
			}
			for i, score := range w.score(g) {
				best = min(best, keyOf(score, w.ids[i]))
			}
			if nodeOf(best) == from {
				break
			}
		}
	}
	return nodeOf(best)
}

// start forgets what was seen and sees the node to begin at.
func (w *walker) start(g *graph, layer int, from uint32, limit int) key {
	w.near.reset(limit)
	w.seen.reset(g.nodes(layer))
	w.seen.add(from)
	w.ids = append(w.ids[:0], from)
	return keyOf(w.score(g)[0], from)
}

// unseen collects in ids the links of a node that have no score yet.
func (w *walker) unseen(g *graph, layer int, node uint32) {
	w.ids = w.ids[:0]
	for _, link := range w.linksOf(g, layer, node) {
		if link == noLink {
			break
		}
		if w.seen.add(link) {
			w.ids = append(w.ids, link)
		}
	}
}

// walk leaves in near the best nodes of a layer that it meets, going from node to node and
// always on from the best that it has not been to, until the limit best have all been gone
// on from (algorithm 2 of the paper).
func (w *walker) walk(g *graph, layer int, from uint32, limit int) {
	w.near.push(w.start(g, layer, from, limit))
	all, width := g.layers[layer], g.width(layer)
	for {
		node, ok := w.near.open()
		if !ok {
			return
		}
		w.unseen(g, layer, node)
		worst := w.near.worst()
		for i, score := range w.score(g) {
			if k := keyOf(score, w.ids[i]); k < worst {
				// Most of what is kept is opened soon: 12,000 searches a second become 16,000.
				vecmath.Prefetch(&all[int(w.ids[i])*width])
				w.near.push(k)
				worst = w.near.worst()
			}
		}
	}
}

// walkAmong leaves in near the best nodes of layer 0 that accept takes. It goes on through
// nodes that are not taken, and gives up, with false, when that has cost more than budget
// scores.
func (w *walker) walkAmong(g *graph, limit, budget int, accept func(node uint32) bool) bool {
	budget += w.visited
	from := w.start(g, 0, w.descend(g, 0), limit)
	w.frontier = append(w.frontier[:0], from)
	if accept(nodeOf(from)) {
		w.near.push(from)
	}
	for len(w.frontier) > 0 {
		best := w.frontier.pop()
		if best > w.near.worst() {
			return true
		}
		w.unseen(g, 0, nodeOf(best))
		for i, score := range w.score(g) {
			k := keyOf(score, w.ids[i])
			if k > w.near.worst() {
				continue
			}
			w.frontier.push(k)
			if accept(w.ids[i]) {
				w.near.push(k)
			}
		}
		if w.visited > budget {
			return false
		}
	}
	return true
}
