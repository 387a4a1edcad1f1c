package ann

import "github.com/seed-473295a7/vitrine/internal/vecmath"

// minCoded is the length from which rows have codes. Shorter vectors would not save
// memory traffic: a code takes whole lines of the cache.
const minCoded = 48

// rows are vectors stored one after another and, where that makes scans and walks
// faster, their codes: a quarter of the bytes to read, and exact enough to tell which few
// rows have to be read in full. The last rows may be appended to in place by the owner.
type rows struct {
	dims   int
	floats []float32
	codes  []uint8   // vecmath.CodeLen(dims) bytes a row; nil: not coded
	scale  []float32 // of vecmath.Encode, as are:
	fault  float32   // the greatest of all rows
	norm   float32   // the greatest of all rows
}

// newRows returns no rows, of which those appended are to have codes or not.
func newRows(dims int, coded bool) rows {
	r := rows{dims: dims}
	if coded {
		r.codes, r.scale = []uint8{}, []float32{}
	}
	return r
}

// coded reports whether vectors of dims elements should have codes on this machine.
func coded(dims int) bool { return dims >= minCoded && vecmath.FastCodes() }

func (r *rows) len() int { return len(r.floats) / r.dims }

// bytes is the memory of vectors and codes.
func (r *rows) bytes() int { return 4*cap(r.floats) + cap(r.codes) + 4*cap(r.scale) }

// row is a view of row i that cannot be appended to.
func (r *rows) row(i int) []float32 { return r.floats[i*r.dims : (i+1)*r.dims : (i+1)*r.dims] }

func (r *rows) code(i int) []uint8 {
	n := vecmath.CodeLen(r.dims)
	return r.codes[i*n : (i+1)*n]
}

// encode writes the code of row i, for which there is room.
func (r *rows) encode(i int) {
	scale, fault, norm := vecmath.Encode(r.row(i), r.code(i))
	r.scale[i] = scale
	r.fault, r.norm = max(r.fault, fault), max(r.norm, norm)
}

// encodeAll gives all rows codes.
func (r *rows) encodeAll() {
	n := r.len()
	r.codes, r.scale = make([]uint8, n*vecmath.CodeLen(r.dims)), make([]float32, n)
	for i := range n {
		r.encode(i)
	}
}

// part is rows from … to−1.
func (r *rows) part(from, to int) rows {
	p := *r
	p.floats = r.floats[from*r.dims : to*r.dims]
	if r.codes != nil {
		n := vecmath.CodeLen(r.dims)
		p.codes, p.scale = r.codes[from*n:to*n], r.scale[from:to]
	}
	return p
}

// probe is a query as rows are compared with it. If it is coded, the scores it gives are
// approximate inner products over code.Scale, otherwise exact inner products.
type probe struct {
	vector []float32
	code   vecmath.Query
	coded  bool
}

// set makes p stand for a vector of positive norm, which is kept and must not change.
func (p *probe) set(vector []float32, coded bool) {
	p.vector, p.coded = vector, coded
	if coded {
		p.code.Encode(vector)
	}
}

// setRow makes p stand for row i.
func (p *probe) setRow(r *rows, i uint32) {
	p.vector, p.coded = r.row(int(i)), r.codes != nil
	if p.coded {
		p.code.EncodeFrom(r.code(int(i)), r.scale[i])
	}
}

// unit is what scores are multiplied with to make inner products.
func (p *probe) unit() float32 {
	if p.coded {
		return p.code.Scale
	}
	return 1
}

// score sets out to the scores of the rows numbered ids.
func (p *probe) score(r *rows, ids []uint32, out []float32) {
	if p.coded {
		vecmath.DotCodesAt(&p.code, r.codes, r.scale, ids, out)
	} else {
		vecmath.DotAt(p.vector, r.floats, ids, out)
	}
}

// scoreAll sets out to the scores of all rows.
func (p *probe) scoreAll(r *rows, out []float32) {
	if p.coded {
		vecmath.DotCodes(&p.code, r.codes, r.scale, out)
	} else {
		vecmath.DotRows(p.vector, r.floats, out)
	}
}

// radius bounds by how much the score of row i can be off from what DotRows gives over
// code.Scale: by slope·scale[i] + fixed at most, 0 if the probe is not coded.
func (p *probe) radius(r *rows) (slope, fixed float32) {
	if !p.coded {
		return 0, 0
	}
	return p.code.Radius(r.dims, r.fault, r.norm)
}
