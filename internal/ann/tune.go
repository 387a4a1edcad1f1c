package ann

import (
	"context"
	"math"
)

// effort says how wide a walk must be for the target recall and how many scores it then
// takes. Both were measured for the two k of measuredK; elsewhere they lie on the line
// through these.
type effort struct {
	ef, visited [2]float64
}

var measuredK = [2]int{10, 100}

const (
	// heldOut nodes, or a tenth if that is less, are queries before they become nodes. With
	// fewer than leastHeldOut nothing could be said; the width is filtered then.
	heldOut, leastHeldOut = 512, 16
	// narrowest and widest are the least and the greatest width tried. Below, recall would be
	// a matter of luck with queries that are not quite like the vectors; above, a scan is
	// faster for any graph.
	narrowest, widest = 32, 4096
	// filtered is the least width behind a filter: what it leaves of a neighbourhood is less
	// like the neighbourhoods that were measured.
	filtered = 100
)

// at returns the width and the number of scores for the k best.
func (e effort) at(k int) (ef int, visited float64) {
	t := max(0, float64(k-measuredK[0])/float64(measuredK[1]-measuredK[0]))
	line := func(y [2]float64) float64 { return y[0] + t*(y[1]-y[0]) }
	width := max(line(e.ef), float64(k))
	return int(math.Ceil(width)), line(e.visited) * width / line(e.ef)
}

// fixedEffort is what a configured ef asks for.
func fixedEffort(ef, m int) effort {
	e := effort{ef: [2]float64{float64(ef), float64(ef)}}
	for i := range e.ef {
		e.visited[i] = e.ef[i] * float64(m)
	}
	return e
}

// tuner measures a graph that links the rows below built, with the rows from there on as
// queries: they are like the others, and the graph does not know them.
type tuner struct {
	graph  *graph
	built  int
	truth  [][]Hit // the 100 best of each query
	search search
}

// tune finds the least widths, in steps of a fifth, that reach the target recall.
func tune(ctx context.Context, g *graph, built int, target float64) (effort, error) {
	t := &tuner{graph: g, built: built}
	for query := built; query < g.rows.len(); query++ {
		if err := ctx.Err(); err != nil {
			return effort{}, err
		}
		t.truth = append(t.truth, t.exact(query))
	}
	var e effort
	for i, k := range measuredK {
		var widths []int
		for w := float64(max(k, narrowest)); w < widest; w *= 1.2 {
			widths = append(widths, int(w))
		}
		low, high := 0, len(widths)-1
		for low < high {
			if err := ctx.Err(); err != nil {
				return effort{}, err
			}
			middle := (low + high) / 2
			if recall, _ := t.measure(k, widths[middle]); recall >= target {
				high = middle
			} else {
				low = middle + 1
			}
		}
		_, visited := t.measure(k, widths[low])
		e.ef[i], e.visited[i] = float64(widths[low]), visited
	}
	e.ef[1], e.visited[1] = max(e.ef[0], e.ef[1]), max(e.visited[0], e.visited[1])
	return e, nil
}

// exact finds the truly best for a row that is not linked.
func (t *tuner) exact(query int) []Hit {
	t.search.begin(t.graph.rows.row(query), 1, measuredK[1], t.graph.rows.codes != nil)
	for from := 0; from < t.built; from += chunkRows {
		part := t.graph.rows.part(from, min(from+chunkRows, t.built))
		m := t.search.measure(&part)
		for i, score := range m.scores {
			if radius := m.radius(i); score+radius >= t.search.floor() {
				t.search.keep(candidate{uint32(from + i), part.row(i)}, score, radius)
			}
		}
	}
	return t.search.finish()
}

// measure returns the recall of the k best, and the mean number of scores, at a width.
func (t *tuner) measure(k, width int) (recall, visited float64) {
	found, wanted, scores := 0, 0, 0
	for i, truth := range t.truth {
		t.search.begin(t.graph.rows.row(t.built+i), 1, k, t.graph.rows.codes != nil)
		t.search.nearest(t.graph, width)
		scores += t.search.walker.visited
		t.search.offerNear(t.graph, func(_ int, node uint32, score, radius float32) {
			t.search.keep(candidate{node, t.graph.rows.row(int(node))}, score, radius)
		})
		truth = truth[:min(k, len(truth))]
		wanted += len(truth)
		for _, hit := range t.search.finish() {
			for _, h := range truth {
				if h.ID == hit.ID {
					found++
					break
				}
			}
		}
	}
	return float64(found) / float64(max(wanted, 1)), float64(scores) / float64(max(len(t.truth), 1))
}
