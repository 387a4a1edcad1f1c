//go:build !amd64

package vecmath

// hasAVX2 is false for good: the compiler drops the branch and the plain twins stay.
const hasAVX2 = false

func dotAVX2(a, b []float32) float32         { return dotPlain(a, b) }
func axpyAVX2(alpha float32, x, y []float32) { axpyPlain(alpha, x, y) }
func dotRowsAVX2(q, rows, out []float32)     { dotRowsPlain(q, rows, out) }
func addRowsAVX2(c, rows, y []float32)       { addRowsPlain(c, rows, y) }
