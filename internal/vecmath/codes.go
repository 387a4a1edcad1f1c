package vecmath

import (
	"math"
	"slices"
)

const (
	// codeBlock is what the lengths of coded vectors are multiples of: the width of the
	// widest kernel and a line of the cache.
	codeBlock = 64
	// codeZero is the byte that stands for 0. Rows hold unsigned bytes because the fastest
	// instruction multiplies unsigned by signed ones; the query is the signed one.
	codeZero = 128
	// codeMax is what the largest element of a vector becomes.
	codeMax = 127
)

// FastCodes reports whether this machine has kernels for codes. Without them coding is
// correct, and slower than float32.
func FastCodes() bool { return hasAVX2 }

// CodeLen returns how many bytes the code of a vector of dims elements takes.
func CodeLen(dims int) int { return (dims + codeBlock - 1) &^ (codeBlock - 1) }

// Encode writes the code of v, CodeLen(len(v)) bytes, so that
//
//	v[i] ≈ scale·(code[i] − 128)      |v − scale·(code − 128)| ≤ scale·fault
//
// with a scale of its own for each vector, by which the largest element becomes ±127; it
// returns the scale, fault, usually about √(len(v)/12), and |code − 128|. The two norms are
// rounded up, so that bounds made of them hold. The bytes after the elements stand for zeros.
//
// v must be finite. A vector without an element above 1e-30 has scale 0 and counts as zero.
func Encode(v []float32, code []uint8) (scale, fault, norm float32) {
	for i := len(v); i < len(code); i++ {
		code[i] = codeZero
	}
	code = code[:len(v)]
	dims, most := len(v), largest(v)
	if most < 1e-30 {
		for i := range code {
			code[i] = codeZero
		}
		return 0, 0, 0
	}
	inverse := codeMax / most
	var faults, squares float64
	for len(v) > codeBlock { // sums of a block are short enough for float32
		f, s := encodeBlock(v[:codeBlock], code[:codeBlock], inverse)
		faults, squares = faults+float64(f), squares+float64(s)
		v, code = v[codeBlock:], code[codeBlock:]
	}
	f, s := encodeBlock(v, code, inverse)
	faults, squares = faults+float64(f), squares+float64(s)
	// Per element, up to 2⁻²³·127 is lost where x is divided, and as much by scale.
	slack := 4e-5 * math.Sqrt(float64(dims))
	const up = 1 + 1e-5 // more than 64 roundings
	return most / codeMax, float32((math.Sqrt(faults) + slack) * up), float32(math.Sqrt(squares) * up)
}

// largest returns the greatest magnitude in v: that of the greatest bits without the sign.
func largest(v []float32) float32 {
	var a, b uint32
	for len(v) >= 2 {
		a = max(a, math.Float32bits(v[0])<<1)
		b = max(b, math.Float32bits(v[1])<<1)
		v = v[2:]
	}
	if len(v) == 1 {
		a = max(a, math.Float32bits(v[0])<<1)
	}
	return math.Float32frombits(max(a, b) >> 1)
}

// encodeBlock writes round(v·inverse) + 128 and sums the squares of what rounding changed
// and of the rounded.
func encodeBlock(v []float32, code []uint8, inverse float32) (faults, squares float32) {
	code = code[:len(v)]
	for i, x := range v {
		// Adding 1.5·2²³ rounds to a whole number and leaves it in the lowest bits.
		const shift = 3 << 22
		t := x * inverse
		shifted := t + shift
		code[i] = uint8(math.Float32bits(shifted)) + codeZero
		n := shifted - shift
		d := t - n
		faults += d * d
		squares += n * n
	}
	return faults, squares
}

// Query is a vector prepared for DotCodes. Its memory is used again by every Encode; the
// zero value is ready for use. It belongs to one goroutine at a time.
type Query struct {
	signed []uint8 // code − 128, two's complement
	bias   int32   // 128·Σ signed: what the rows' bytes have too much
	// Scale is what scores are multiplied with to make inner products.
	Scale float32
	// Fault and Norm are those of Encode: |v − Scale·code| ≤ Scale·Fault, |code| ≤ Norm.
	Fault, Norm float32
}

// Encode makes q stand for v.
func (q *Query) Encode(v []float32) {
	q.signed = slices.Grow(q.signed[:0], CodeLen(len(v)))[:CodeLen(len(v))]
	q.Scale, q.Fault, q.Norm = Encode(v, q.signed)
	q.set(q.signed)
}

// EncodeFrom makes q stand for a row of codes. Fault and Norm are not set.
func (q *Query) EncodeFrom(code []uint8, scale float32) {
	q.signed = slices.Grow(q.signed[:0], len(code))[:len(code)]
	q.Scale, q.Fault, q.Norm = scale, 0, 0
	q.set(code)
}

func (q *Query) set(code []uint8) {
	var sum int32
	for i, b := range code {
		sum += int32(b) - codeZero
		q.signed[i] = b - codeZero
	}
	q.bias = codeZero * sum
}

// Radius bounds by how much what DotCodes gives for a row can be off from what DotRows gives over
// q.Scale: by less than slope·scale + fixed, for rows of dims elements whose fault and norm are at
// most those given. With query and row
//
//	q = s(ĉ + f), x = t(ê + g)      |ĉ| ≤ N, |f| ≤ F, |ê| ≤ norm, |g| ≤ fault
//
// |q·x − st·ĉ·ê| = st·|ĉ·g + f·(ê + g)| ≤ st·(N·fault + F·(norm + fault)); to that comes what
// float32 loses, (d + 16)·2⁻²⁴·|q|·|x|, and where products are denormal 2⁻¹⁴⁹ for each.
// q must stand for a vector that is not zero, by Encode.
func (q *Query) Radius(dims int, fault, norm float32) (slope, fixed float32) {
	f, n := float64(q.Fault), float64(q.Norm)
	size := float64(norm) + float64(fault)
	lost := float64(dims+16) * 0x1p-24 * (n + f) * size
	const up = 1 + 1e-6
	return float32((n*float64(fault) + f*size + lost) * up), float32(float64(dims+1) * 0x1p-148 / float64(q.Scale))
}

// DotCodes sets out[i] to scale[i]·Σ q·(code − 128) over row i of codes; times q.Scale it
// approximates the inner product. Rows are stored one after another. The sum is exact, so
// the result does not depend on the kernel nor on the row's place.
//
// Anything but len(out) scales and rows panics.
func DotCodes(q *Query, codes []uint8, scale, out []float32) {
	if len(scale) != len(out) || len(codes) != len(q.signed)*len(out) {
		panic("vecmath: DotCodes needs one scale and one row for each result")
	}
	switch {
	case hasVNNI:
		dotCodesVNNI(q.signed, codes, scale, q.bias, out)
	case hasAVX2:
		dotCodesAVX2(q.signed, codes, scale, q.bias, out)
	default:
		dotCodesPlain(q.signed, codes, scale, q.bias, out)
	}
}

// DotCodesAt is DotCodes for the rows numbered ids, wherever they are: out[i] belongs to
// row ids[i]. All rows are asked of memory before the first is used, so few, far apart,
// cost little more than their transfer.
//
// A number that is no row panics.
func DotCodesAt(q *Query, codes []uint8, scale []float32, ids []uint32, out []float32) {
	if len(codes) != len(q.signed)*len(scale) || len(out) != len(ids) {
		panic("vecmath: DotCodesAt needs one scale for each row and one result for each id")
	}
	checkRows(ids, len(scale))
	switch {
	case hasVNNI:
		dotCodesAtVNNI(q.signed, codes, scale, q.bias, ids, out)
	case hasAVX2:
		dotCodesAtAVX2(q.signed, codes, scale, q.bias, ids, out)
	default:
		dotCodesAtPlain(q.signed, codes, scale, q.bias, ids, out)
	}
}

// DotAt sets out[i] to the dot product of q and row ids[i]; the result is that of DotRows
// to the bit. A number that is no row panics.
func DotAt(q, rows []float32, ids []uint32, out []float32) {
	if len(out) != len(ids) || len(q) == 0 || len(rows)%len(q) != 0 {
		panic("vecmath: DotAt needs whole rows and one result for each id")
	}
	checkRows(ids, len(rows)/len(q))
	if hasAVX2 {
		dotAtAVX2(q, rows, ids, out)
		return
	}
	dotAtPlain(q, rows, ids, out)
}

// checkRows keeps the assembly, which checks nothing, inside its slices.
func checkRows(ids []uint32, rows int) {
	for _, id := range ids {
		if uint64(id) >= uint64(rows) {
			panic("vecmath: no such row")
		}
	}
}
