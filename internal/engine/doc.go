// Package engine holds the use cases of Vitrine and the live State behind them.
//
// State is immutable and hangs on one atomic pointer: a request loads it once and
// answers from that one embedding space, factor model and index version. A write
// goes to the Store first and reaches State after the commit; SyncIndex heals what a
// crash, or another process, put in between. State is a cache: Load rebuilds it.
//
// The engine knows no SQL, no gRPC and no ONNX: Store and Encoder are its only
// outward interfaces. Formulas live in als, space and rank.
package engine
