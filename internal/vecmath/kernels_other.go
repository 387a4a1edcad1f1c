//go:build !amd64

package vecmath

// they are false for good: the compiler drops the branch and the plain twins stay.
const (
	hasAVX2 = false
	hasVNNI = false
)

func dotAVX2(a, b []float32) float32         { return dotPlain(a, b) }
func axpyAVX2(alpha float32, x, y []float32) { axpyPlain(alpha, x, y) }
func dotRowsAVX2(q, rows, out []float32)     { dotRowsPlain(q, rows, out) }
func addRowsAVX2(c, rows, y []float32)       { addRowsPlain(c, rows, y) }

func dotAtAVX2(q, rows []float32, ids []uint32, out []float32) { dotAtPlain(q, rows, ids, out) }

func dotCodesAVX2(signed, codes []uint8, scale []float32, bias int32, out []float32) {
	dotCodesPlain(signed, codes, scale, bias, out)
}

func dotCodesVNNI(signed, codes []uint8, scale []float32, bias int32, out []float32) {
	dotCodesPlain(signed, codes, scale, bias, out)
}

func dotCodesAtAVX2(signed, codes []uint8, scale []float32, bias int32, ids []uint32, out []float32) {
	dotCodesAtPlain(signed, codes, scale, bias, ids, out)
}

func dotCodesAtVNNI(signed, codes []uint8, scale []float32, bias int32, ids []uint32, out []float32) {
	dotCodesAtPlain(signed, codes, scale, bias, ids, out)
}

func prefetch(*uint32) {}
