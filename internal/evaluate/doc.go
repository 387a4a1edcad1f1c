// Package evaluate measures recommenders: exact splits of interaction data, ranking
// metrics with standard errors, and the popularity baseline.
//
// It trains nothing, reads no files and knows no engine: a caller splits a Dataset,
// fits what it likes on the training rows and hands in scores.
//
// Invariants: a split is a pure function of the ids, the same on every machine and in every
// language; ranking is over the full catalogue, never over sampled negatives;
// ties are broken by a hash of user and item, so that no order of rows helps anyone.
//
// Sources: the hash is the finalizer of SplitMix64 (Steele, Lea and Flood 2014) over
// Stafford's constants; NDCG after Järvelin and Kekäläinen (2002) with binary gains; strong
// generalisation after Marlin (2004) and Liang et al. (2018).
package evaluate
