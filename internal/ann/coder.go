package ann

import (
	"slices"

	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

// tuning is what the tests turn down so that small indexes take every path.
type tuning struct {
	fetch int // candidates asked of the graph for k up to fetch/4; above, 4·k
	floor int // stale nodes that never cause a rebuild
}

// defaultTuning takes 400 candidates. More buy recall only in proportion to their
// number, four times as many for .57 instead of .47 (TestCoderRecall logs the curve):
// that road ends at the exact scan.
func defaultTuning() tuning { return tuning{fetch: 400, floor: 256} }

// coder is one version of the adapter to coder/hnsw: the exact engine's storage and a
// graph, shared with other versions, that suggests candidates. See the package
// comment for why it is built this way.
//
// Two searches of one version may differ: the library enters its graph where Go's map
// iteration happens to begin.
type coder struct {
	*exact
	tuning tuning
	graph  *coderGraph
	debt   int // changes since the graph broke
}

func newCoder(dims int, t tuning) *coder {
	return &coder{exact: newExact(dims, coded(dims)), tuning: t, graph: newCoderGraph()}
}

// Apply is Index.Apply. An added or replaced vector costs an insertion into the graph;
// now and then, after as many changes, the graph is built anew on the caller's time.
func (x *coder) Apply(changes []Change) (Index, error) {
	store, err := x.apply(changes)
	if err != nil {
		return nil, err
	}
	next := &coder{exact: store, tuning: x.tuning, graph: x.graph, debt: x.debt}
	next.insert(x, changes)
	if nodes, broken := next.graph.state(); broken {
		next.debt += len(changes)
		if next.tooStale(next.debt) {
			next.rebuild()
		}
	} else if next.tooStale(nodes - next.live) {
		next.rebuild()
	}
	return next, nil
}

// tooStale says whether that many useless nodes, or changes a broken graph missed, are
// more than 30 % of the items.
func (x *coder) tooStale(n int) bool { return n > max(x.tuning.floor, x.live*3/10) }

// insert adds to the graph what the changes made different from the old version.
func (x *coder) insert(old *coder, changes []Change) {
	done := make(map[uint32]bool, len(changes))
	for _, c := range changes {
		vector, ok := x.Vector(c.Item)
		if !ok || done[c.Item] {
			continue
		}
		done[c.Item] = true
		if before, had := old.Vector(c.Item); !had || !slices.Equal(before, vector) {
			x.graph.insert(c.Item, vector)
		}
	}
}

// rebuild gives this version a graph of its own with its own items only.
func (x *coder) rebuild() {
	x.graph, x.debt = newCoderGraph(), 0
	x.each(x.graph.insert)
}

// Search is Index.Search. It scans exactly when that is no dearer than asking the
// graph, when the query has no direction and when the graph's candidates are too few.
func (x *coder) Search(query []float32, k int, allowed func(item uint32) bool) ([]Hit, error) {
	norm, err := checkQuery(x.dims, query, k)
	if err != nil {
		return nil, err
	}
	if k > 0 && k <= x.live/4 && max(x.tuning.fetch, 4*k) < x.live && norm > 0 {
		if hits, ok := x.searchGraph(query, k, allowed); ok {
			return hits, nil
		}
	}
	return x.search(query, norm, k, allowed), nil
}

// searchGraph ranks what the graph suggests by this version's vectors; false if that
// does not give k items. Candidates are scored by the kernel that scans, so the two
// ways agree to the bit.
func (x *coder) searchGraph(query []float32, k int, allowed func(item uint32) bool) ([]Hit, bool) {
	items, ok := x.graph.search(query, max(x.tuning.fetch, 4*k))
	if !ok {
		return nil, false
	}
	slices.Sort(items)
	top := vecmath.NewTopK(k)
	var score [1]float32
	for _, item := range slices.Compact(items) {
		vector, ok := x.Vector(item)
		if !ok || allowed != nil && !allowed(item) {
			continue
		}
		vecmath.DotRows(query, vector, score[:])
		top.Push(item, score[0])
	}
	if top.Len() < k {
		return nil, false
	}
	return top.Sorted(), true
}
