#include "textflag.h"

// func addRowsAVX2(c, rows, y []float32)
//
// 64 columns of y stay in eight registers while all rows pass, so that a row costs one
// load and one fused multiply-add per eight columns, and nothing is written in between.
TEXT ·addRowsAVX2(SB), NOSPLIT, $0-72
	MOVQ c_base+0(FP), R8
	MOVQ c_len+8(FP), R9
	MOVQ rows_base+24(FP), SI
	MOVQ y_base+48(FP), DI
	MOVQ y_len+56(FP), CX
	MOVQ CX, DX
	SHLQ $2, DX               // bytes of a row
	TESTQ R9, R9
	JEQ  addRowsDone
	SUBQ $64, CX
	JLT  addRowsRest

addRowsBy64:
	VMOVUPS (DI), Y0
	VMOVUPS 32(DI), Y1
	VMOVUPS 64(DI), Y2
	VMOVUPS 96(DI), Y3
	VMOVUPS 128(DI), Y4
	VMOVUPS 160(DI), Y5
	VMOVUPS 192(DI), Y6
	VMOVUPS 224(DI), Y7
	MOVQ    SI, BX
	MOVQ    R8, R10
	MOVQ    R9, R11

addRowsRow64:
	VBROADCASTSS (R10), Y8
	VFMADD231PS  (BX), Y8, Y0
	VFMADD231PS  32(BX), Y8, Y1
	VFMADD231PS  64(BX), Y8, Y2
	VFMADD231PS  96(BX), Y8, Y3
	VFMADD231PS  128(BX), Y8, Y4
	VFMADD231PS  160(BX), Y8, Y5
	VFMADD231PS  192(BX), Y8, Y6
	VFMADD231PS  224(BX), Y8, Y7
	ADDQ         $4, R10
	ADDQ         DX, BX
	DECQ         R11
	JNE          addRowsRow64
	VMOVUPS      Y0, (DI)
	VMOVUPS      Y1, 32(DI)
	VMOVUPS      Y2, 64(DI)
	VMOVUPS      Y3, 96(DI)
	VMOVUPS      Y4, 128(DI)
	VMOVUPS      Y5, 160(DI)
	VMOVUPS      Y6, 192(DI)
	VMOVUPS      Y7, 224(DI)
	ADDQ         $256, SI
	ADDQ         $256, DI
	SUBQ         $64, CX
	JGE          addRowsBy64

addRowsRest:
	ADDQ $56, CX // columns left, less 8
	JLT  addRowsTail

addRowsBy8:
	VMOVUPS (DI), Y0
	MOVQ    SI, BX
	MOVQ    R8, R10
	MOVQ    R9, R11

addRowsRow8:
	VBROADCASTSS (R10), Y8
	VFMADD231PS  (BX), Y8, Y0
	ADDQ         $4, R10
	ADDQ         DX, BX
	DECQ         R11
	JNE          addRowsRow8
	VMOVUPS      Y0, (DI)
	ADDQ         $32, SI
	ADDQ         $32, DI
	SUBQ         $8, CX
	JGE          addRowsBy8

addRowsTail:
	ADDQ    $8, CX // columns left, 0..7
	JEQ     addRowsDone
	NEGQ    CX
	LEAQ    addRowsMask<>+32(SB), AX
	VMOVUPS (AX)(CX*4), Y9
	VMASKMOVPS (DI), Y9, Y0

addRowsRowTail:
	VBROADCASTSS (R8), Y8
	VMASKMOVPS   (SI), Y9, Y1
	VFMADD231PS  Y1, Y8, Y0
	ADDQ         $4, R8
	ADDQ         DX, SI
	DECQ         R9
	JNE          addRowsRowTail
	VMASKMOVPS   Y0, Y9, (DI)

addRowsDone:
	VZEROUPPER
	RET

// As tailMask of kernels_amd64.s: the words before the middle are ones, those after it zeros.
DATA addRowsMask<>+0(SB)/8, $0xffffffffffffffff
DATA addRowsMask<>+8(SB)/8, $0xffffffffffffffff
DATA addRowsMask<>+16(SB)/8, $0xffffffffffffffff
DATA addRowsMask<>+24(SB)/8, $0xffffffffffffffff
DATA addRowsMask<>+32(SB)/8, $0
DATA addRowsMask<>+40(SB)/8, $0
DATA addRowsMask<>+48(SB)/8, $0
DATA addRowsMask<>+56(SB)/8, $0
GLOBL addRowsMask<>(SB), RODATA|NOPTR, $64
