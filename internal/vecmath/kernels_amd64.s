#include "textflag.h"

// Eight words of ones, then eight of zeros. Read 4·r bytes before the middle it is
// the mask of the first r lanes (1 ≤ r ≤ 7). A masked load of the tail reads no byte
// past the slice and gives zeros in the other lanes, and 0·0 adds nothing, so the
// tail needs no scalar loop and NaN beyond the end never gets in.
DATA tailMask<>+0(SB)/8, $0xffffffffffffffff
DATA tailMask<>+8(SB)/8, $0xffffffffffffffff
DATA tailMask<>+16(SB)/8, $0xffffffffffffffff
DATA tailMask<>+24(SB)/8, $0xffffffffffffffff
DATA tailMask<>+32(SB)/8, $0
DATA tailMask<>+40(SB)/8, $0
DATA tailMask<>+48(SB)/8, $0
DATA tailMask<>+56(SB)/8, $0
GLOBL tailMask<>(SB), RODATA|NOPTR, $64

// func dotAVX2(a, b []float32) float32
//
// Four sums of eight lanes hide the latency of the fused multiply-add.
TEXT ·dotAVX2(SB), NOSPLIT, $0-52
	MOVQ   a_base+0(FP), SI
	MOVQ   a_len+8(FP), CX
	MOVQ   b_base+24(FP), DI
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	VXORPS Y2, Y2, Y2
	VXORPS Y3, Y3, Y3
	SUBQ   $32, CX
	JLT    dotRest

dotBy32:
	VMOVUPS     (SI), Y4
	VMOVUPS     32(SI), Y5
	VMOVUPS     64(SI), Y6
	VMOVUPS     96(SI), Y7
	VFMADD231PS (DI), Y4, Y0
	VFMADD231PS 32(DI), Y5, Y1
	VFMADD231PS 64(DI), Y6, Y2
	VFMADD231PS 96(DI), Y7, Y3
	ADDQ        $128, SI
	ADDQ        $128, DI
	SUBQ        $32, CX
	JGE         dotBy32

dotRest:
	ADDQ $24, CX // elements left, less 8
	JLT  dotTail

dotBy8:
	VMOVUPS     (SI), Y4
	VFMADD231PS (DI), Y4, Y0
	ADDQ        $32, SI
	ADDQ        $32, DI
	SUBQ        $8, CX
	JGE         dotBy8

dotTail:
	ADDQ        $8, CX // elements left, 0..7
	JEQ         dotSum
	NEGQ        CX
	LEAQ        tailMask<>+32(SB), AX
	VMOVUPS     (AX)(CX*4), Y5
	VMASKMOVPS  (SI), Y5, Y4
	VMASKMOVPS  (DI), Y5, Y6
	VFMADD231PS Y6, Y4, Y1

dotSum:
	VADDPS       Y1, Y0, Y0
	VADDPS       Y3, Y2, Y2
	VADDPS       Y2, Y0, Y0
	VEXTRACTF128 $1, Y0, X1
	VADDPS       X1, X0, X0
	VMOVHLPS     X0, X0, X1
	VADDPS       X1, X0, X0
	VMOVSHDUP    X0, X1
	VADDSS       X1, X0, X0
	VMOVSS       X0, ret+48(FP)
	VZEROUPPER
	RET

// func axpyAVX2(alpha float32, x, y []float32)
TEXT ·axpyAVX2(SB), NOSPLIT, $0-56
	VBROADCASTSS alpha+0(FP), Y0
	MOVQ         x_base+8(FP), SI
	MOVQ         x_len+16(FP), CX
	MOVQ         y_base+32(FP), DI
	SUBQ         $32, CX
	JLT          axpyRest

axpyBy32:
	VMOVUPS     (DI), Y1
	VMOVUPS     32(DI), Y2
	VMOVUPS     64(DI), Y3
	VMOVUPS     96(DI), Y4
	VFMADD231PS (SI), Y0, Y1
	VFMADD231PS 32(SI), Y0, Y2
	VFMADD231PS 64(SI), Y0, Y3
	VFMADD231PS 96(SI), Y0, Y4
	VMOVUPS     Y1, (DI)
	VMOVUPS     Y2, 32(DI)
	VMOVUPS     Y3, 64(DI)
	VMOVUPS     Y4, 96(DI)
	ADDQ        $128, SI
	ADDQ        $128, DI
	SUBQ        $32, CX
	JGE         axpyBy32

axpyRest:
	ADDQ $24, CX
	JLT  axpyTail

axpyBy8:
	VMOVUPS     (DI), Y1
	VFMADD231PS (SI), Y0, Y1
	VMOVUPS     Y1, (DI)
	ADDQ        $32, SI
	ADDQ        $32, DI
	SUBQ        $8, CX
	JGE         axpyBy8

axpyTail:
	ADDQ        $8, CX
	JEQ         axpyDone
	NEGQ        CX
	LEAQ        tailMask<>+32(SB), AX
	VMOVUPS     (AX)(CX*4), Y5
	VMASKMOVPS  (SI), Y5, Y2
	VMASKMOVPS  (DI), Y5, Y1
	VFMADD231PS Y2, Y0, Y1
	VMASKMOVPS  Y1, Y5, (DI)

axpyDone:
	VZEROUPPER
	RET

// func dotRowsAVX2(q, rows, out []float32)
//
// Four rows at a time, each with two sums of eight lanes (eight independent chains
// are what two FMA ports of latency four can use), then the last one to three rows
// one by one. Both parts add up a row in the same order — even blocks of eight and
// the rest of sixteen in the first sum, odd blocks and the masked tail in the
// second, then pairs, quads and halves — so a row's result does not tell its place.
//
// SI query, CX its length, R13 bytes of a row, R12 rows left, R11 out,
// AX BX R8 R9 the four rows, DX offset in bytes, R10 elements left, Y15 tail mask.
TEXT ·dotRowsAVX2(SB), NOSPLIT, $0-72
	MOVQ    q_base+0(FP), SI
	MOVQ    q_len+8(FP), CX
	MOVQ    rows_base+24(FP), AX
	MOVQ    out_base+48(FP), R11
	MOVQ    out_len+56(FP), R12
	MOVQ    CX, R13
	SHLQ    $2, R13
	MOVQ    CX, R10
	ANDQ    $7, R10
	NEGQ    R10
	LEAQ    tailMask<>+32(SB), DI
	VMOVUPS (DI)(R10*4), Y15
	SUBQ    $4, R12
	JLT     rowsRest

rowsBy4:
	LEAQ   (AX)(R13*1), BX
	LEAQ   (AX)(R13*2), R8
	LEAQ   (BX)(R13*2), R9
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	VXORPS Y2, Y2, Y2
	VXORPS Y3, Y3, Y3
	VXORPS Y4, Y4, Y4
	VXORPS Y5, Y5, Y5
	VXORPS Y6, Y6, Y6
	VXORPS Y7, Y7, Y7
	XORQ   DX, DX
	MOVQ   CX, R10
	SUBQ   $16, R10
	JLT    fourRest

fourBy16:
	VMOVUPS     (SI)(DX*1), Y8
	VMOVUPS     32(SI)(DX*1), Y9
	VFMADD231PS (AX)(DX*1), Y8, Y0
	VFMADD231PS (BX)(DX*1), Y8, Y1
	VFMADD231PS (R8)(DX*1), Y8, Y2
	VFMADD231PS (R9)(DX*1), Y8, Y3
	VFMADD231PS 32(AX)(DX*1), Y9, Y4
	VFMADD231PS 32(BX)(DX*1), Y9, Y5
	VFMADD231PS 32(R8)(DX*1), Y9, Y6
	VFMADD231PS 32(R9)(DX*1), Y9, Y7
	ADDQ        $64, DX
	SUBQ        $16, R10
	JGE         fourBy16

fourRest:
	ADDQ        $8, R10 // elements left, less 8
	JLT         fourTail
	VMOVUPS     (SI)(DX*1), Y8
	VFMADD231PS (AX)(DX*1), Y8, Y0
	VFMADD231PS (BX)(DX*1), Y8, Y1
	VFMADD231PS (R8)(DX*1), Y8, Y2
	VFMADD231PS (R9)(DX*1), Y8, Y3
	ADDQ        $32, DX
	SUBQ        $8, R10

fourTail:
	ADDQ        $8, R10
	JEQ         fourSum
	VMASKMOVPS  (SI)(DX*1), Y15, Y8
	VMASKMOVPS  (AX)(DX*1), Y15, Y9
	VMASKMOVPS  (BX)(DX*1), Y15, Y10
	VMASKMOVPS  (R8)(DX*1), Y15, Y11
	VMASKMOVPS  (R9)(DX*1), Y15, Y12
	VFMADD231PS Y9, Y8, Y4
	VFMADD231PS Y10, Y8, Y5
	VFMADD231PS Y11, Y8, Y6
	VFMADD231PS Y12, Y8, Y7

fourSum:
	VADDPS       Y4, Y0, Y0
	VADDPS       Y5, Y1, Y1
	VADDPS       Y6, Y2, Y2
	VADDPS       Y7, Y3, Y3
	VHADDPS      Y1, Y0, Y0
	VHADDPS      Y3, Y2, Y2
	VHADDPS      Y2, Y0, Y0
	VEXTRACTF128 $1, Y0, X1
	VADDPS       X1, X0, X0
	VMOVUPS      X0, (R11)
	ADDQ         $16, R11
	LEAQ         (AX)(R13*4), AX
	SUBQ         $4, R12
	JGE          rowsBy4

rowsRest:
	ADDQ $4, R12 // rows left, 0..3
	JEQ  rowsDone

rowsBy1:
	VXORPS Y0, Y0, Y0
	VXORPS Y4, Y4, Y4
	XORQ   DX, DX
	MOVQ   CX, R10
	SUBQ   $16, R10
	JLT    oneRest

oneBy16:
	VMOVUPS     (SI)(DX*1), Y8
	VMOVUPS     32(SI)(DX*1), Y9
	VFMADD231PS (AX)(DX*1), Y8, Y0
	VFMADD231PS 32(AX)(DX*1), Y9, Y4
	ADDQ        $64, DX
	SUBQ        $16, R10
	JGE         oneBy16

oneRest:
	ADDQ        $8, R10
	JLT         oneTail
	VMOVUPS     (SI)(DX*1), Y8
	VFMADD231PS (AX)(DX*1), Y8, Y0
	ADDQ        $32, DX
	SUBQ        $8, R10

oneTail:
	ADDQ        $8, R10
	JEQ         oneSum
	VMASKMOVPS  (SI)(DX*1), Y15, Y8
	VMASKMOVPS  (AX)(DX*1), Y15, Y9
	VFMADD231PS Y9, Y8, Y4

oneSum:
	VADDPS       Y4, Y0, Y0
	VHADDPS      Y0, Y0, Y0
	VHADDPS      Y0, Y0, Y0
	VEXTRACTF128 $1, Y0, X1
	VADDPS       X1, X0, X0
	VMOVSS       X0, (R11)
	ADDQ         $4, R11
	ADDQ         R13, AX
	DECQ         R12
	JNE          rowsBy1

rowsDone:
	VZEROUPPER
	RET
