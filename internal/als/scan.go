package als

import "github.com/seed-473295a7/vitrine/internal/vecmath"

const scanBlock = 256 // rows whose content part is held on the stack

// Scan scores items against a user factor: out[i] = w·r_i + g·(w·m_i).
//
// r and m are row-major with len(w) entries a row and len(out) rows; m nil leaves the
// content part out, as for items that are served by their trained factor. Nothing is
// kept or allocated; safe for concurrent use. It panics if the lengths disagree.
func Scan(w, r, m []float32, g float32, out []float32) {
	f := len(w)
	if len(r) != len(out)*f || (m != nil && len(m) != len(r)) {
		panic("als: Scan: lengths of w, r, m and out disagree")
	}
	vecmath.DotRows(w, r, out)
	if m == nil {
		return
	}
	var content [scanBlock]float32
	for low := 0; low < len(out); low += scanBlock {
		high := min(low+scanBlock, len(out))
		part := content[:high-low]
		vecmath.DotRows(w, m[low*f:high*f], part)
		vecmath.Axpy(g, part, out[low:high])
	}
}
