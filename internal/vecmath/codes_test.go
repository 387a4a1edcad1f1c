package vecmath

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// codeKernels is one implementation of the two kernels for codes.
type codeKernels struct {
	name string
	all  func(signed, codes []uint8, scale []float32, bias int32, out []float32)
	at   func(signed, codes []uint8, scale []float32, bias int32, ids []uint32, out []float32)
}

func codeImplementations() []codeKernels {
	all := []codeKernels{{"plain", dotCodesPlain, dotCodesAtPlain}}
	if hasAVX2 {
		all = append(all, codeKernels{"avx2", dotCodesAVX2, dotCodesAtAVX2})
	}
	if hasVNNI {
		all = append(all, codeKernels{"vnni", dotCodesVNNI, dotCodesAtVNNI})
	}
	return all
}

// coded is a set of random codes with extremes among them.
type coded struct {
	codes []uint8
	scale []float32
}

func newCoded(rng *rand.Rand, rows, size int) coded {
	c := coded{make([]uint8, rows*size), make([]float32, rows)}
	for i := range c.codes {
		c.codes[i] = uint8(1 + rng.IntN(255))
		if i/size%5 == 4 {
			c.codes[i] = 1 + 254*uint8(rng.IntN(2)) // all ±127
		}
	}
	for i := range c.scale {
		c.scale[i] = float32(rng.ExpFloat64())
	}
	return c
}

// twin is what row i must give with q, to the bit: the sum is exact.
func (c coded) twin(q *Query, i int) float32 {
	var sum int32
	for j, b := range c.codes[i*len(q.signed) : (i+1)*len(q.signed)] {
		sum += int32(int8(q.signed[j])) * (int32(b) - codeZero)
	}
	return float32(sum) * c.scale[i]
}

func TestCodeKernelsAgainstTheSum(t *testing.T) {
	t.Parallel()
	for _, k := range codeImplementations() {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(81, 1))
			for _, size := range []int{64, 128, 192, 640, 1280, 4096} {
				for rows := range 14 {
					c := newCoded(rng, rows, size)
					var q Query
					q.EncodeFrom(newCoded(rng, 5, size).codes[(rows%2)*4*size:][:size], 1)
					out := newGuarded(rng, rows, rows%9)
					k.all(q.signed, c.codes, c.scale, q.bias, out.v)
					what := fmt.Sprintf("%d rows of %d", rows, size)
					out.checkIntact(t, what)
					for i, got := range out.v {
						if want := c.twin(&q, i); got != want {
							t.Fatalf("%s: row %d gives %v, want %v", what, i, got, want)
						}
					}
					if rows == 0 {
						continue
					}
					ids := make([]uint32, rng.IntN(14))
					for i := range ids {
						ids[i] = uint32(rng.IntN(rows))
					}
					some := newGuarded(rng, len(ids), rows%9)
					k.at(q.signed, c.codes, c.scale, q.bias, ids, some.v)
					some.checkIntact(t, what)
					for i, id := range ids {
						if some.v[i] != out.v[id] {
							t.Fatalf("%s: row %d alone gives %v, want %v", what, id, some.v[i], out.v[id])
						}
					}
				}
			}
		})
	}
}

// The longest vectors at their extremes fill 32 bits almost, and no more.
func TestCodesDoNotOverflow(t *testing.T) {
	t.Parallel()
	const dims = 1 << 16
	most, least := make([]float32, dims), make([]float32, dims)
	for i := range most {
		most[i], least[i] = 1, -1
	}
	codes, scale := make([]uint8, 2*dims), make([]float32, 2)
	scale[0], _, _ = Encode(most, codes[:dims])
	scale[1], _, _ = Encode(least, codes[dims:])
	for _, k := range codeImplementations() {
		for sign, v := range map[float32][]float32{1: most, -1: least} {
			var q Query
			q.Encode(v)
			out := make([]float32, 2)
			k.all(q.signed, codes, scale, q.bias, out)
			for i, want := range []float32{sign * dims, -sign * dims} {
				if got := out[i] * q.Scale; math.Abs(float64(got-want)) > 1e-3*dims {
					t.Errorf("%s: %v, want %v", k.name, got, want)
				}
			}
		}
	}
}

// checkCode holds what Encode says of v against v.
func checkCode(t *testing.T, v []float32) {
	t.Helper()
	code := make([]uint8, CodeLen(len(v)))
	scale, fault, norm := Encode(v, code)
	var faults, squares float64
	for i, b := range code {
		var x float64
		if i < len(v) {
			x = float64(v[i])
		}
		n := float64(b) - codeZero
		if n < -codeMax || i >= len(v) && n != 0 {
			t.Fatalf("code[%d] = %d of %d elements", i, b, len(v))
		}
		d := x - float64(scale)*n
		faults, squares = faults+d*d, squares+n*n
	}
	if scale == 0 {
		if faults > 1e-60*float64(len(v)) || fault != 0 || norm != 0 {
			t.Fatalf("scale 0, fault %v and norm %v for a vector of norm %v", fault, norm, math.Sqrt(faults))
		}
		return
	}
	if got := math.Sqrt(faults) / float64(scale); got > float64(fault) || float64(fault) > math.Sqrt(float64(len(v)))*.51 {
		t.Fatalf("fault %v of %d elements, actually %v", fault, len(v), got)
	}
	if got := math.Sqrt(squares); got > float64(norm) || float64(norm) > got*1.001 {
		t.Fatalf("norm %v, actually %v", norm, got)
	}
}

func TestEncodeKeepsItsWord(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(82, 1))
	for n := range 300 {
		for _, size := range []float32{1, 1e-25, 1e18, 3e37} {
			v := make([]float32, n)
			for i := range v {
				v[i] = float32(rng.NormFloat64()) * size
				if n%3 == 0 {
					v[i] = float32(math.Pow(10, -20*rng.Float64())) * size // few elements count
				}
			}
			checkCode(t, v)
		}
	}
	checkCode(t, make([]float32, 100))
	checkCode(t, []float32{1e-31, -1e-31})
	checkCode(t, []float32{-math.MaxFloat32, math.MaxFloat32, 1, 0})
}

func FuzzEncode(f *testing.F) {
	f.Add(AppendBytes(nil, []float32{1, -2, 3.5, 1e-12}))
	f.Add(AppendBytes(nil, []float32{3e38, -3e38}))
	f.Fuzz(func(t *testing.T, data []byte) {
		v := make([]float32, min(len(data)/4, 1<<12))
		for i := range v {
			v[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
		}
		if Finite(v) {
			checkCode(t, v)
		}
	})
}

// Two codes approximate an inner product as well as their faults promise.
func TestDotCodesApproximatesDot(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(83, 1))
	for _, n := range []int{1, 63, 64, 65, 384, 1000} {
		x, y := make([]float32, n), make([]float32, n)
		for i := range x {
			x[i], y[i] = float32(rng.NormFloat64()), float32(rng.NormFloat64())
		}
		codes := make([]uint8, CodeLen(n))
		scale, fault, norm := Encode(y, codes)
		var q Query
		q.Encode(x)
		var out [1]float32
		DotCodes(&q, codes, []float32{scale}, out[:])
		want, bound := dotTwin(x, y)
		bound += float64(q.Scale*scale) * 1.0001 * float64(q.Norm*fault+q.Fault*(norm+fault))
		near(t, fmt.Sprintf("product of %d", n), out[0]*q.Scale, want, bound)

		var again Query // a code as query is the query it came from
		yCode := make([]uint8, CodeLen(n))
		xScale, _, _ := Encode(x, yCode)
		again.EncodeFrom(yCode, xScale)
		if diff := cmp.Diff(q.signed, again.signed); diff != "" || again.bias != q.bias || again.Scale != q.Scale {
			t.Errorf("EncodeFrom differs from Encode (-want +got):\n%s", diff)
		}
	}
}

// Rows anywhere must score as they do in a scan, to the bit.
func TestDotAtIsDotRows(t *testing.T) {
	t.Parallel()
	impls := map[string]func(q, rows []float32, ids []uint32, out []float32){"chosen": DotAt, "plain": dotAtPlain}
	twins := map[string]func(q, rows, out []float32){"chosen": DotRows, "plain": dotRowsPlain}
	for name, at := range impls {
		rng := rand.New(rand.NewPCG(84, 1))
		for n := 1; n < 80; n++ {
			const rows = 37
			q, m, want := newGuarded(rng, n, n%9).v, newGuarded(rng, n*rows, n*5%9).v, make([]float32, rows)
			twins[name](q, m, want)
			for count := range 14 {
				ids := make([]uint32, count)
				for i := range ids {
					ids[i] = uint32(rng.IntN(rows))
				}
				out := newGuarded(rng, count, n%7)
				at(q, m, ids, out.v)
				out.checkIntact(t, name)
				for i, id := range ids {
					if out.v[i] != want[id] {
						t.Fatalf("%s: row %d of %d elements gives %v, want %v", name, id, n, out.v[i], want[id])
					}
				}
			}
		}
	}
}

func TestRowsThatAreNotTherePanic(t *testing.T) {
	t.Parallel()
	var q Query
	q.Encode([]float32{1, 2})
	rows, scale, out := make([]uint8, 2*64), make([]float32, 2), make([]float32, 1)
	for name, call := range map[string]func(){
		"codes at 2 of 2":  func() { DotCodesAt(&q, rows, scale, []uint32{2}, out) },
		"codes at 2³²−1":   func() { DotCodesAt(&q, rows, scale, []uint32{math.MaxUint32}, out) },
		"codes, one scale": func() { DotCodesAt(&q, rows, scale[:1], []uint32{0}, out) },
		"codes, no result": func() { DotCodesAt(&q, rows, scale, []uint32{0}, nil) },
		"rows of codes":    func() { DotCodes(&q, rows, scale, out) },
		"scales of codes":  func() { DotCodes(&q, rows[:64], scale, out) },
		"row 3 of 3":       func() { DotAt(make([]float32, 2), make([]float32, 6), []uint32{3}, out) },
		"half a row":       func() { DotAt(make([]float32, 2), make([]float32, 5), []uint32{0}, out) },
		"no query":         func() { DotAt(nil, nil, []uint32{0}, out) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			call()
		})
	}
}
