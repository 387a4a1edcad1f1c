#include "textflag.h"

// As in kernels_amd64.s; a symbol of one file is not seen in another.
DATA tailMask<>+0(SB)/8, $0xffffffffffffffff
DATA tailMask<>+8(SB)/8, $0xffffffffffffffff
DATA tailMask<>+16(SB)/8, $0xffffffffffffffff
DATA tailMask<>+24(SB)/8, $0xffffffffffffffff
DATA tailMask<>+32(SB)/8, $0
DATA tailMask<>+40(SB)/8, $0
DATA tailMask<>+48(SB)/8, $0
DATA tailMask<>+56(SB)/8, $0
GLOBL tailMask<>(SB), RODATA|NOPTR, $64

// func dotAtAVX2(q, rows []float32, ids []uint32, out []float32)
//
// dotRowsAVX2 for rows that lie anywhere: the same sums in the same order. The first lines
// of the next four rows are asked of memory while four are computed.
//
// SI query, CX its length, R13 bytes of a row, DI rows, R14 ids, R12 ids left, R11 out,
// AX BX R8 R9 the four rows, DX offset in bytes, R10 elements left, Y15 tail mask.
#define ROW(off, to) \
	MOVL  off(R14), to \
	IMULQ R13, to      \
	ADDQ  DI, to

#define AHEAD(off) \
	MOVL       off(R14), AX \
	IMULQ      R13, AX      \
	PREFETCHT0 (DI)(AX*1)   \
	PREFETCHT0 64(DI)(AX*1) \
	PREFETCHT0 128(DI)(AX*1) \
	PREFETCHT0 192(DI)(AX*1)

TEXT ·dotAtAVX2(SB), NOSPLIT, $0-96
	MOVQ    q_base+0(FP), SI
	MOVQ    q_len+8(FP), CX
	MOVQ    rows_base+24(FP), DI
	MOVQ    ids_base+48(FP), R14
	MOVQ    out_base+72(FP), R11
	MOVQ    out_len+80(FP), R12
	MOVQ    CX, R13
	SHLQ    $2, R13
	MOVQ    CX, R10
	ANDQ    $7, R10
	NEGQ    R10
	LEAQ    tailMask<>+32(SB), DX
	VMOVUPS (DX)(R10*4), Y15
	CMPQ    R12, $4
	JLT     few
	AHEAD(0)
	AHEAD(4)
	AHEAD(8)
	AHEAD(12)

few:
	SUBQ $4, R12
	JLT  rowsRest

rowsBy4:
	CMPQ R12, $4
	JLT  last
	AHEAD(16)
	AHEAD(20)
	AHEAD(24)
	AHEAD(28)

last:
	ROW(0, AX)
	ROW(4, BX)
	ROW(8, R8)
	ROW(12, R9)
	ADDQ   $16, R14
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
	SUBQ         $4, R12
	JGE          rowsBy4

rowsRest:
	ADDQ $4, R12 // rows left, 0..3
	JEQ  rowsDone

rowsBy1:
	ROW(0, AX)
	ADDQ   $4, R14
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
	DECQ         R12
	JNE          rowsBy1

rowsDone:
	VZEROUPPER
	RET
