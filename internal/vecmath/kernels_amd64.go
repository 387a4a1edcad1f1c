package vecmath

import "golang.org/x/sys/cpu"

// hasAVX2 chooses the assembly. x/sys/cpu also asks the operating system whether it
// saves the wide registers. Set once at start-up, never written again.
var hasAVX2 = cpu.X86.HasAVX2 && cpu.X86.HasFMA

// hasVNNI chooses the kernels that multiply bytes 64 at a time (Ice Lake, Zen 4 and later).
var hasVNNI = hasAVX2 && cpu.X86.HasAVX512F && cpu.X86.HasAVX512BW && cpu.X86.HasAVX512VNNI

// The lengths are the caller's business: assembly checks nothing.

//go:noescape
func dotAVX2(a, b []float32) float32

//go:noescape
func axpyAVX2(alpha float32, x, y []float32)

//go:noescape
func dotRowsAVX2(q, rows, out []float32)

//go:noescape
func dotAtAVX2(q, rows []float32, ids []uint32, out []float32)

//go:noescape
func dotCodesAVX2(signed, codes []uint8, scale []float32, bias int32, out []float32)

//go:noescape
func dotCodesVNNI(signed, codes []uint8, scale []float32, bias int32, out []float32)

//go:noescape
func dotCodesAtAVX2(signed, codes []uint8, scale []float32, bias int32, ids []uint32, out []float32)

//go:noescape
func dotCodesAtVNNI(signed, codes []uint8, scale []float32, bias int32, ids []uint32, out []float32)

//go:noescape
func prefetch(p *uint32)

//go:noescape
func addRowsAVX2(c, rows, y []float32)
