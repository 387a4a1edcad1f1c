// Package ann holds item vectors in memory and finds those with the greatest inner
// product with a query.
//
// It does not know what an item is, where vectors come from or which space they belong
// to, and scales nothing: who wants cosines hands in unit vectors. It starts goroutines in
// a rebuild only, which end before that returns, and touches files in snapshots only.
//
// An Index is one immutable version. Apply returns the next version and shares with
// the receiver everything it did not change, so a reader keeps the version it began
// with for as long as it likes and never locks. All engines keep to one conformance
// suite: always min(k, matching) results, best first, ties by ascending item, never a
// removed item, scores computed from the version's own vectors.
//
// Engines:
//
//   - exact scans every vector: recall is 1. It is the default. Vectors of 48 elements or
//     more are scanned as codes of a byte an element, which with a proven bound leave a few
//     to be scored in full (see sieve).
//   - hnsw walks a graph, after Malkov & Yashunin, "Efficient and robust approximate
//     nearest neighbor search using Hierarchical Navigable Small World graphs" (2018,
//     algorithms 1, 2 and 4), as wide as its recall needs, and scans where that is faster:
//     small catalogues, narrow filters, large k. The graph is immutable; what changes is
//     marked dead in it and scanned beside it until the next rebuild (see Rebuilder).
//     Vectors of different norms are linked by inner product (Morozov & Babenko, 2018).
//   - auto is hnsw that makes no graph below 20,000 vectors, where a scan is as good.
//   - coder searches a graph of github.com/coder/hnsw v0.6.1 and re-scores what that
//     finds. It is optional, not the default, because of what was measured: by itself
//     the library's recall@10 is .17–.31 with default settings and no parameter mends
//     it; adding a key again panics; after deletes it panics or returns deleted keys.
//     The adapter therefore only ever inserts, under keys that never repeat, fetches
//     400 candidates and ranks them by the version's own vectors, rebuilds the graph
//     when it is stale by 30 % of the items, and scans exactly whenever the graph
//     panics or gives too little. Recall@10 of the whole, 10,000 × 64: .30 on clustered
//     vectors, .13 on uniform ones, in many times the time of the exact scan
//     (BenchmarkSearch).
package ann
