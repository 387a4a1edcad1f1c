// Package ann holds item vectors in memory and finds those with the greatest inner
// product with a query.
//
// It does not know what an item is, where vectors come from or which space they
// belong to, does no I/O, starts no goroutine and scales nothing: who wants cosines
// hands in unit vectors.
//
// An Index is one immutable version. Apply returns the next version and shares with
// the receiver everything it did not change, so a reader keeps the version it began
// with for as long as it likes and never locks. All engines keep to one conformance
// suite: always min(k, matching) results, best first, ties by ascending item, never a
// removed item, scores computed from the version's own vectors.
//
// Engines:
//
//   - exact scans every vector: recall is 1. It is the default, and up to some 20,000
//     vectors there is no reason for a graph.
//   - coder searches a graph of github.com/coder/hnsw v0.6.1 and re-scores what that
//     finds. It is optional, not the default, because of what was measured: by itself
//     the library's recall@10 is .17–.31 with default settings and no parameter mends
//     it; adding a key again panics; after deletes it panics or returns deleted keys.
//     The adapter therefore only ever inserts, under keys that never repeat, fetches
//     400 candidates and ranks them by the version's own vectors, rebuilds the graph
//     when it is stale by 30 % of the items, and scans exactly whenever the graph
//     panics or gives too little. Recall@10 of the whole, 10,000 × 64: .30 on clustered
//     vectors, .13 on uniform ones, in four times the time of the exact scan; 5,000 × 512:
//     .38 and .11 in about the same time (BenchmarkSearch, AMD EPYC, one core).
//
// The default for large catalogues is to be a graph of our own after Malkov &
// Yashunin, "Efficient and robust approximate nearest neighbor search using
// Hierarchical Navigable Small World graphs" (2018), under the name "hnsw"; New does
// not accept that name yet.
package ann
