package ann

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// Rebuilder is an Index that answers from a structure which is built now and then, apart
// from Apply, on the caller's time:
//
//	if r, ok := index.(ann.Rebuilder); ok && r.RebuildDue() {
//		built, err := r.Rebuild(ctx) // takes long; index goes on being read and applied to
//		…                            // then, as the only writer:
//		newest, err = newest.(ann.Rebuilder).Adopt(built)
//	}
//
// Without rebuilds answers stay right and get slow.
type Rebuilder interface {
	Index

	// RebuildDue reports whether a rebuild would make searches faster: too much is outside
	// the graph, too much of it is dead, or the catalogue has grown or shrunk to a size at
	// which it is served another way.
	RebuildDue() bool

	// Rebuild builds what Adopt takes from this version. It takes some 0.1 ms of processor
	// time a vector, on as many goroutines as Config.Workers says, which end before it returns, and
	// as much memory again as the version.
	//
	// Errors: the context's.
	Rebuild(ctx context.Context) (*Built, error)

	// Adopt returns the version with the same items as the receiver that answers from what
	// was built from the receiver or from a version before it. It takes as long as applying
	// what has changed since then.
	//
	// Errors: recsys.ErrConflict if the receiver does not follow from the version that was
	// built from, or if another was adopted in between; a new Rebuild is needed then.
	Adopt(built *Built) (Index, error)

	// SearchExact is Search with a recall of 1: what the engine's own recall is measured by.
	SearchExact(query []float32, k int, allowed func(item uint32) bool) ([]Hit, error)

	// WithEf returns the version with searches, and those of all versions that follow from
	// it, that keep ef nodes, up to 4096, or k if that is more: more than was measured for
	// queries that are not like the vectors, such as means of several. 0 goes back to what
	// was measured. It shares all else with the receiver.
	WithEf(ef int) Index
}

// Stats are the figures of a version.
type Stats struct {
	Items   int // with a vector
	Nodes   int // of the graph: distinct vectors at the last rebuild
	Entries int // items of the graph at the last rebuild
	Dead    int // items of the graph that are gone or have another vector by now
	Tail    int // items outside the graph
	Ef      int // how many nodes a search for ten keeps; 0 without a graph
	Bytes   int // of vectors, codes and links, room included
}

// DeadShare returns the share of the graph's items that are dead.
func (s Stats) DeadShare() float64 {
	if s.Entries == 0 {
		return 0
	}
	return float64(s.Dead) / float64(s.Entries)
}

// Stats is Index.Stats.
func (x *hnsw) Stats() Stats {
	s := Stats{Items: x.Len(), Entries: len(x.base.items), Dead: x.dead.count, Tail: x.tail.live, Bytes: x.base.rows.bytes()}
	if g := x.base.graph; g != nil {
		s.Nodes = g.nodes(0)
		s.Ef, _ = x.effort(measuredK[0])
		s.Bytes += g.bytes()
	}
	s.Bytes += x.tail.bytes()
	return s
}

// Stats is Index.Stats.
func (x *exact) Stats() Stats { return Stats{Items: x.live, Tail: x.live, Bytes: x.bytes()} }

// bytes counts vectors and codes.
func (x *exact) bytes() (n int) {
	for _, c := range x.chunks {
		if c != nil {
			n += c.block.rows.bytes()
		}
	}
	return n
}

// Built is the result of a Rebuild, to be adopted once.
type Built struct {
	from *hnsw
	base *base
}

// RebuildDue is Rebuilder.RebuildDue.
func (x *hnsw) RebuildDue() bool {
	n, entries := x.Len(), len(x.base.items)
	switch {
	case x.base.graph == nil:
		return n >= x.config.minGraph()
	case n < x.config.minGraph()/2: // well below, lest it be built and dropped in turn
		return true
	case float64(x.dead.count) > x.config.MaxDead*float64(entries):
		return true
	}
	// A tail is scanned, so a short graph does not wait for a long tail.
	return x.tail.live > min(x.config.MaxTail, max(x.config.MaxTail/10, entries/4))
}

// Rebuild is Rebuilder.Rebuild.
func (x *hnsw) Rebuild(ctx context.Context) (*Built, error) {
	if x.Len() < x.config.minGraph() {
		return &Built{x, noBase(x.tail.dims, x.tail.coded)}, nil
	}
	b, err := buildBase(ctx, x)
	if err != nil {
		return nil, fmt.Errorf("rebuild the index: %w", err)
	}
	return &Built{x, b}, nil
}

// Adopt is Rebuilder.Adopt.
func (x *hnsw) Adopt(built *Built) (Index, error) {
	if built.from.base != x.base {
		return nil, fmt.Errorf("adopt a rebuilt index: it was built from another line of versions: %w", recsys.ErrConflict)
	}
	next := &hnsw{config: x.config, base: built.base, tail: x.tail.empty(), ef: x.ef, searches: x.searches}
	if built.base.graph == nil { // too small for a graph: all is tail
		var all []Change
		x.each(func(item uint32, vector []float32) { all = append(all, Change{item, vector}) })
		next.tail = next.tail.applyChecked(all)
		return next, nil
	}
	o := new(token)
	var late []Change
	for _, item := range x.changedSince(built.from) {
		then, was := built.from.Vector(item)
		now, is := x.Vector(item)
		if was && is && slices.Equal(then, now) {
			continue
		}
		if was {
			_, entry, _ := next.base.find(item)
			next.dead.add(o, entry)
		}
		if is {
			late = append(late, Change{item, now})
		}
	}
	next.tail = next.tail.applyChecked(late)
	if next.Len() == 0 {
		next.base, next.dead = noBase(x.tail.dims, x.tail.coded), bitmap{}
	}
	return next, nil
}

// changedSince lists, once each and in ascending order, the items that may differ between
// the receiver and a version before it with the same base: what pages and chunks they do
// not share tells.
func (x *hnsw) changedSince(old *hnsw) (items []uint32) {
	for p := range max(len(x.dead.pages), len(old.dead.pages)) {
		for _, entry := range differing(x.dead.page(p), old.dead.page(p)) {
			items = append(items, x.base.items[p*pageBits+entry])
		}
	}
	shared := map[*chunk]bool{}
	for _, c := range old.tail.chunks {
		shared[c] = true
	}
	list := func(c *chunk) {
		for row, item := range c.items {
			if !c.isDead(row) {
				items = append(items, item)
			}
		}
	}
	for _, c := range x.tail.chunks {
		if c != nil && !shared[c] {
			list(c)
		}
		delete(shared, c)
	}
	for c := range shared {
		if c != nil {
			list(c)
		}
	}
	slices.Sort(items)
	return slices.Compact(items)
}

// buildBase makes a base of a version that has items.
func buildBase(ctx context.Context, x *hnsw) (*base, error) {
	b := group(x)
	n, c := b.rows.len(), *x.config
	if n > maxNodes {
		return nil, fmt.Errorf("%d distinct vectors, more than %d: %w", n, maxNodes, recsys.ErrExhausted)
	}
	if coded(x.tail.dims) {
		b.rows.encodeAll()
	}
	builder := newBuilder(&b.rows, c)
	b.graph = builder.graph
	held := min(heldOut, n/10)
	if held < leastHeldOut || c.Ef > 0 {
		held = 0
	}
	if err := builder.insert(ctx, 0, n-held, c.workers()); err != nil {
		return nil, err
	}
	b.effort = fixedEffort(cmp.Or(c.Ef, filtered), c.M)
	if held > 0 {
		var err error
		if b.effort, err = tune(ctx, b.graph, n-held, c.TargetRecall); err != nil {
			return nil, err
		}
	}
	if err := builder.insert(ctx, n-held, n, c.workers()); err != nil {
		return nil, err
	}
	b.rearrange(b.graph.order())
	if c.Float32 {
		b.rows.codes, b.rows.scale = nil, nil
	}
	b.index()
	return b, nil
}
