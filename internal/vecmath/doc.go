// Package vecmath holds the float32 kernels under every similarity, every factor
// and every scan: Dot, Axpy, DotRows, AddRows, DotAt, norms, the stored byte form and TopK; and
// codes, vectors in a byte an element, with the same scans over those.
//
// It knows nothing of items, users or spaces, allocates nothing unless it says so,
// never starts a goroutine and never changes an argument it does not name as a
// destination. Everything is safe for concurrent use as long as callers do not
// write to a slice that another goroutine is reading; a TopK belongs to one
// goroutine.
//
// Invariants:
//   - A kernel reads and writes exactly the elements of its slices, whatever their
//     length and alignment (tails go through masked loads and stores).
//   - NaN and infinities propagate as IEEE 754 says; nothing is refused here. Who
//     takes vectors from outside asks Finite first.
//   - What DotRows gives for a row depends on the query and that row only, to the
//     bit: not on the row's place nor on the number of rows. Identical rows
//     therefore tie exactly. Dot sums in another order and may differ from DotRows
//     in the last bits, so scores that are compared come from one of the two. DotAt is
//     DotRows for rows anywhere.
//   - What DotCodes gives is exact for the codes, so every implementation gives the same,
//     and what codes are off by from their vectors is bounded by what Encode returns.
//
// On amd64 with AVX2 and FMA the kernels are hand-written assembly, those for codes once
// more for AVX-512 with VNNI; anywhere else, and as the reference in the tests, they are
// the plain Go twins in plain.go. The float32 ones round differently (fused multiply-add,
// eight-lane sums); both stay within the usual bound n·2⁻²⁴·Σ|aᵢbᵢ| of the real sum.
package vecmath
