// Package evaluate measures recommenders: exact splits of a shop's log, ranking metrics with
// standard errors, baselines, and reports as table, JSON and HTML.
//
// It trains nothing, reads no files and knows no engine: a protocol cuts a Log into folds, the
// caller fits what it likes on a fold's training rows and hands in a Recommender, which
// *engine.Engine is.
//
// Invariants: a split is a pure function of the ids and times, the same on every machine and in every
// language; ranking is over the full catalogue, never over sampled negatives; no target stands
// in the training rows or in the history it is to be found from (Fold.Check);
// ties are broken by a hash of user and item, so that no order of rows helps anyone.
//
// Sources: the hash is the finalizer of SplitMix64 (Steele, Lea and Flood 2014) over
// Stafford's constants; NDCG after Järvelin and Kekäläinen (2002) with binary gains; strong
// generalisation after Marlin (2004) and Liang et al. (2018); no sampled metrics: Krichene and
// Rendle (2020).
package evaluate
