package vecmath

import "math"

// Dot returns Σ a[i]·b[i]; 0 for empty vectors.
//
// The slices must have one length: a difference is a bug in the caller and panics.
func Dot(a, b []float32) float32 {
	if len(a) != len(b) {
		panic("vecmath: Dot of vectors of different lengths")
	}
	if hasAVX2 {
		return dotAVX2(a, b)
	}
	return dotPlain(a, b)
}

// Axpy adds alpha·x to y, element by element, in place.
//
// The slices must have one length (a difference panics) and must be the same slice
// or not overlap at all.
func Axpy(alpha float32, x, y []float32) {
	if len(x) != len(y) {
		panic("vecmath: Axpy of vectors of different lengths")
	}
	if hasAVX2 {
		axpyAVX2(alpha, x, y)
		return
	}
	axpyPlain(alpha, x, y)
}

// DotRows sets out[i] to the dot product of q and row i. Rows are stored one after
// another, len(q) elements each, so len(rows) must be len(q)·len(out): anything
// else panics. out must not overlap q or rows.
//
// The result for a row does not depend on the other rows (see the package comment).
// Four rows share each load of the query: 256 × 64 in 0.64 µs against 1.67 µs for
// Dot row by row (AMD EPYC, one core); past the caches memory is the limit.
func DotRows(q, rows, out []float32) {
	if len(rows) != len(q)*len(out) {
		panic("vecmath: DotRows needs len(rows) = len(q)·len(out)")
	}
	if hasAVX2 {
		dotRowsAVX2(q, rows, out)
		return
	}
	dotRowsPlain(q, rows, out)
}

// Prefetch asks memory for the 128 bytes that begin at p and does not wait for them. It is
// a hint: it reads nothing, and on some machines it does nothing.
func Prefetch(p *uint32) { prefetch(p) }

// AddRows adds Σ_k c[k]·row k to y, in place: the transpose of DotRows. Rows are stored one
// after another, len(y) elements each, so len(rows) must be len(c)·len(y): anything else
// panics. y must not overlap c or rows.
//
// It does what Axpy does row by row, in the same order, and keeps y in registers: 50 × 64 in
// 0.09 µs against 0.48 µs (AMD EPYC, one core).
func AddRows(c, rows, y []float32) {
	if len(rows) != len(c)*len(y) {
		panic("vecmath: AddRows needs len(rows) = len(c)·len(y)")
	}
	if hasAVX2 {
		addRowsAVX2(c, rows, y)
		return
	}
	addRowsPlain(c, rows, y)
}

// SquaredNorm returns Σ a[i]²; +Inf where that leaves the range of float32, NaN if
// an element is NaN.
func SquaredNorm(a []float32) float32 { return Dot(a, a) }

// Normalize scales a to length 1, in place, and reports whether it could.
//
// It sums in float64, so neither 1e30 nor 1e-30 overflows or vanishes. A vector of
// norm 0 and one that holds NaN or an infinity have no direction: such a vector is
// set to zeros and the result is false.
func Normalize(a []float32) bool {
	var sum float64
	for _, x := range a {
		sum += float64(x) * float64(x)
	}
	// Σ of float32 squares cannot overflow float64, so an infinite sum means an infinite element.
	if !(sum > 0) || math.IsInf(sum, 1) {
		clear(a)
		return false
	}
	scale := 1 / math.Sqrt(sum)
	for i, x := range a {
		a[i] = float32(float64(x) * scale)
	}
	return true
}

// Finite reports whether no element is NaN or infinite; true for an empty vector.
func Finite(a []float32) bool {
	const exponent = 0x7f800000 // all ones marks NaN and ±Inf
	for _, x := range a {
		if math.Float32bits(x)&exponent == exponent {
			return false
		}
	}
	return true
}
