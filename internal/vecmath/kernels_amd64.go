package vecmath

import "golang.org/x/sys/cpu"

// hasAVX2 chooses the assembly. x/sys/cpu also asks the operating system whether it
// saves the wide registers. Set once at start-up, never written again.
var hasAVX2 = cpu.X86.HasAVX2 && cpu.X86.HasFMA

// The lengths are the caller's business: assembly checks nothing.

//go:noescape
func dotAVX2(a, b []float32) float32

//go:noescape
func axpyAVX2(alpha float32, x, y []float32)

//go:noescape
func dotRowsAVX2(q, rows, out []float32)

//go:noescape
func addRowsAVX2(c, rows, y []float32)
