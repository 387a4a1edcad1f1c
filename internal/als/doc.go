// Package als holds the collaborative model: implicit-feedback matrix
// factorisation by alternating least squares, a linear map from item content into
// the same factor space, and the fold-ins that give a factor to a user or an item
// the training has not seen.
//
//	Train     interactions → factors W (users) and V (items)
//	FitModel  factors and content → Model: V, the content map B, Gram matrices, means
//	FoldIn…   a history or the users who touched an item → a factor
//	Scan      a user factor → scores of many items
//
// It does no I/O, knows no item ids (rows are numbered by the caller), keeps no
// user factors in a Model and does not decide which events count: the caller brings
// confidences a and targets p.
//
// Invariants: every number that leaves the package is finite; a result depends on
// the seed and the data alone, never on the number of workers; a Model does not
// change after it was built and is safe for concurrent use.
//
// # Method
//
// With S the observed pairs, w_u and v_i the factors, n the confidence mass of the
// positives (the count, when every a is 1), U users and I items:
//
//	min Σ_S a(p − w·v)² + α0 Σ_all (w·v)² + Σ λ_u|w_u|² + Σ λ_i|v_i|²
//	λ_u = λ(n_u + α0 I)    λ_i = λ(n_i + α0 U)
//
// The objective is that of Hu, Koren and Volinsky, "Collaborative filtering for
// implicit feedback datasets" (2008), with the regularisation of Rendle, Krichene,
// Zhang and Koren, "Revisiting the performance of iALS on item recommendation
// benchmarks" (2022). Each row is improved by a few conjugate-gradient steps from
// where it stands: Takács, Pilászy and Tikk, "Applications of the conjugate gradient
// method for implicit feedback collaborative filtering" (2011).
//
// # Memory
//
// A Matrix takes 24 bytes an entry (both orders): 24 MB per million interactions,
// beside 16 MB for the entries handed in, which may be dropped afterwards, and
// 16 bytes a row. Training adds 4·f bytes a row for the factors, 26 MB per 100,000
// users or items at f = 64. FitModel adds, for content of d dimensions, 48·d² bytes
// and 16·d² a worker: 50 and 17 MB at d = 1024.
package als
