package ann

import "slices"

// linker chooses neighbours. It serves one goroutine.
type linker struct {
	probe  probe
	keys   []key
	ids    []uint32
	scores []float32
	chosen []uint32
}

// choose picks at most m of the candidates, best first, that lie in different directions: a
// candidate nearer to one that is picked already than to the node is left out, for it can be
// reached through that one (algorithm 4 of the paper, which without this finds nothing
// outside a cluster). Equally near is left out too, or identical codes would all be picked.
//
// The keys, which are overwritten, hold the scores of one node with the candidates; times
// unit they are inner products. The result is valid until the next call.
func (l *linker) choose(g *graph, keys []key, unit float32, m int) []uint32 {
	l.chosen = l.chosen[:0]
	l.ids = l.ids[:0]
	for _, k := range keys {
		l.ids = append(l.ids, nodeOf(k))
	}
	ids := l.ids
	for len(ids) > 0 {
		l.chosen = append(l.chosen, ids[0])
		if len(l.chosen) == m {
			break
		}
		l.probe.setRow(g.rows, ids[0])
		keys, ids = keys[1:], ids[1:]
		l.scores = slices.Grow(l.scores[:0], len(ids))[:len(ids)]
		l.probe.score(g.rows, ids, l.scores)
		left := 0
		for i, score := range l.scores {
			if score*l.probe.unit() < scoreOf(keys[i])*unit {
				keys[left], ids[left] = keys[i], ids[i]
				left++
			}
		}
		keys, ids = keys[:left], ids[:left]
	}
	return l.chosen
}

// chooseFor picks at most m of the candidates, in any order, as neighbours of node.
func (l *linker) chooseFor(g *graph, node uint32, candidates []uint32, m int) []uint32 {
	l.probe.setRow(g.rows, node)
	l.scores = slices.Grow(l.scores[:0], len(candidates))[:len(candidates)]
	l.probe.score(g.rows, candidates, l.scores)
	l.keys = l.keys[:0]
	for i, score := range l.scores {
		l.keys = append(l.keys, keyOf(score, candidates[i]))
	}
	slices.Sort(l.keys)
	return l.choose(g, l.keys, l.probe.unit(), m)
}
