#include "textflag.h"

// A row is a whole number of blocks of 64 bytes, so there are no tails. Each of the two
// instruction sets has one macro for a block of a row, and the four functions below
// differ in where rows come from. Registers, throughout:
//
// SI query, R13 bytes of a row, DI codes, R8 scales, R9 row numbers, R11 out, R12 rows
// left, AX BX CX DX the rows at hand, R10 offset in bytes, X13 bias in four lanes.

// A block of one row with AVX2. Each byte is widened to 16 bits and meets the query's,
// widened once for four rows in Y8 … Y11; pairs of products add up in 32 bits.
#define WIDEN16(off, to) VPMOVSXBW off(SI)(R10*1), to
#define MADD16(off, row, q, sum, tmp) \
	VPMOVZXBW off(row)(R10*1), tmp \
	VPMADDWD  q, tmp, tmp          \
	VPADDD    tmp, sum, sum

#define BLOCK2(row, sum, tmp1, tmp2) \
	MADD16(0, row, Y8, sum, tmp1)  \
	MADD16(16, row, Y9, sum, tmp2) \
	MADD16(32, row, Y10, sum, tmp1) \
	MADD16(48, row, Y11, sum, tmp2)

// Sums of four rows in Y0 … Y3 to scores in X0, given the scales in X12.
#define FINISH4 \
	VPHADDD      Y1, Y0, Y0  \
	VPHADDD      Y3, Y2, Y2  \
	VPHADDD      Y2, Y0, Y0  \
	VEXTRACTI128 $1, Y0, X1  \
	VPADDD       X1, X0, X0  \
	VPSUBD       X13, X0, X0 \
	VCVTDQ2PS    X0, X0      \
	VMULPS       X12, X0, X0

// The same for one row in Y0.
#define FINISH1 \
	VEXTRACTI128 $1, Y0, X1  \
	VPADDD       X1, X0, X0  \
	VPHADDD      X0, X0, X0  \
	VPHADDD      X0, X0, X0  \
	VPSUBD       X13, X0, X0 \
	VCVTDQ2PS    X0, X0      \
	VMULPS       X12, X0, X0

#define FOUR2(loop) \
	VPXOR Y0, Y0, Y0 \
	VPXOR Y1, Y1, Y1 \
	VPXOR Y2, Y2, Y2 \
	VPXOR Y3, Y3, Y3 \
	XORQ  R10, R10   \
loop:                    \
	WIDEN16(0, Y8)   \
	WIDEN16(16, Y9)  \
	WIDEN16(32, Y10) \
	WIDEN16(48, Y11) \
	BLOCK2(AX, Y0, Y4, Y5) \
	BLOCK2(BX, Y1, Y6, Y7) \
	BLOCK2(CX, Y2, Y4, Y5) \
	BLOCK2(DX, Y3, Y6, Y7) \
	ADDQ  $64, R10   \
	CMPQ  R10, R13   \
	JLT   loop       \
	FINISH4

#define ONE2(loop) \
	VPXOR Y0, Y0, Y0 \
	XORQ  R10, R10   \
loop:                    \
	WIDEN16(0, Y8)   \
	WIDEN16(16, Y9)  \
	WIDEN16(32, Y10) \
	WIDEN16(48, Y11) \
	BLOCK2(AX, Y0, Y4, Y5) \
	ADDQ  $64, R10   \
	CMPQ  R10, R13   \
	JLT   loop       \
	FINISH1

// With VNNI one instruction multiplies 64 unsigned by 64 signed bytes and adds them up
// four by four.
#define BLOCK5(row, sum, tmp) \
	VMOVDQU64 (row)(R10*1), tmp \
	VPDPBUSD  Z8, tmp, sum

#define FOLD5(z, y, tmp) \
	VEXTRACTI64X4 $1, z, tmp \
	VPADDD        tmp, y, y

#define FOUR5(loop) \
	VPXORD    Z0, Z0, Z0        \
	VPXORD    Z1, Z1, Z1        \
	VPXORD    Z2, Z2, Z2        \
	VPXORD    Z3, Z3, Z3        \
	XORQ      R10, R10          \
loop:                               \
	VMOVDQU64 (SI)(R10*1), Z8   \
	BLOCK5(AX, Z0, Z4)          \
	BLOCK5(BX, Z1, Z5)          \
	BLOCK5(CX, Z2, Z6)          \
	BLOCK5(DX, Z3, Z7)          \
	ADDQ      $64, R10          \
	CMPQ      R10, R13          \
	JLT       loop              \
	FOLD5(Z0, Y0, Y4)           \
	FOLD5(Z1, Y1, Y5)           \
	FOLD5(Z2, Y2, Y6)           \
	FOLD5(Z3, Y3, Y7)           \
	FINISH4

#define ONE5(loop) \
	VPXORD    Z0, Z0, Z0        \
	XORQ      R10, R10          \
loop:                               \
	VMOVDQU64 (SI)(R10*1), Z8   \
	BLOCK5(AX, Z0, Z4)          \
	ADDQ      $64, R10          \
	CMPQ      R10, R13          \
	JLT       loop              \
	FOLD5(Z0, Y0, Y4)           \
	FINISH1

#define NEXTROWS \
	LEAQ (AX)(R13*1), BX \
	LEAQ (AX)(R13*2), CX \
	LEAQ (BX)(R13*2), DX

// func dotCodesAVX2(signed, codes []uint8, scale []float32, bias int32, out []float32)
TEXT ·dotCodesAVX2(SB), NOSPLIT, $0-104
	MOVQ         signed_base+0(FP), SI
	MOVQ         signed_len+8(FP), R13
	MOVQ         codes_base+24(FP), AX
	MOVQ         scale_base+48(FP), R8
	MOVL         bias+72(FP), BX
	MOVQ         out_base+80(FP), R11
	MOVQ         out_len+88(FP), R12
	VMOVD        BX, X13
	VPBROADCASTD X13, X13
	SUBQ $4, R12
	JLT  rest

by4:
	NEXTROWS
	VMOVUPS (R8), X12
	FOUR2(four)
	VMOVUPS X0, (R11)
	ADDQ    $16, R11
	ADDQ    $16, R8
	LEAQ    (AX)(R13*4), AX
	SUBQ    $4, R12
	JGE     by4

rest:
	ADDQ $4, R12
	JEQ  done

by1:
	VMOVSS (R8), X12
	ONE2(one)
	VMOVSS X0, (R11)
	ADDQ   $4, R11
	ADDQ   $4, R8
	ADDQ   R13, AX
	DECQ   R12
	JNE    by1

done:
	VZEROUPPER
	RET

// func dotCodesVNNI(signed, codes []uint8, scale []float32, bias int32, out []float32)
TEXT ·dotCodesVNNI(SB), NOSPLIT, $0-104
	MOVQ         signed_base+0(FP), SI
	MOVQ         signed_len+8(FP), R13
	MOVQ         codes_base+24(FP), AX
	MOVQ         scale_base+48(FP), R8
	MOVL         bias+72(FP), BX
	MOVQ         out_base+80(FP), R11
	MOVQ         out_len+88(FP), R12
	VMOVD        BX, X13
	VPBROADCASTD X13, X13
	SUBQ $4, R12
	JLT  rest

by4:
	NEXTROWS
	VMOVUPS (R8), X12
	FOUR5(four)
	VMOVUPS X0, (R11)
	ADDQ    $16, R11
	ADDQ    $16, R8
	LEAQ    (AX)(R13*4), AX
	SUBQ    $4, R12
	JGE     by4

rest:
	ADDQ $4, R12
	JEQ  done

by1:
	VMOVSS (R8), X12
	ONE5(one)
	VMOVSS X0, (R11)
	ADDQ   $4, R11
	ADDQ   $4, R8
	ADDQ   R13, AX
	DECQ   R12
	JNE    by1

done:
	VZEROUPPER
	RET

// Asks for the first line of every row and its scale before the first is needed: rows of a
// graph lie anywhere in memory. What follows in a row the hardware guesses; asking for
// more, 2 to 8 lines, was slower at 384 and 1,280 bytes.
#define PREFETCH(loop, end) \
	XORQ        R10, R10          \
loop:                                 \
	CMPQ        R10, R12          \
	JGE         end               \
	MOVL        (R9)(R10*4), AX   \
	PREFETCHT0  (R8)(AX*4)        \
	IMULQ       R13, AX           \
	PREFETCHT0  (DI)(AX*1)        \
	INCQ        R10               \
	JMP         loop              \
end:

#define SCALE4 \
	MOVL      (R9), AX               \
	MOVL      4(R9), BX              \
	MOVL      8(R9), CX              \
	MOVL      12(R9), DX             \
	VMOVSS    (R8)(AX*4), X12        \
	VINSERTPS $16, (R8)(BX*4), X12, X12 \
	VINSERTPS $32, (R8)(CX*4), X12, X12 \
	VINSERTPS $48, (R8)(DX*4), X12, X12 \
	IMULQ     R13, AX                \
	IMULQ     R13, BX                \
	IMULQ     R13, CX                \
	IMULQ     R13, DX                \
	ADDQ      DI, AX                 \
	ADDQ      DI, BX                 \
	ADDQ      DI, CX                 \
	ADDQ      DI, DX

#define SCALE1 \
	MOVL   (R9), AX        \
	VMOVSS (R8)(AX*4), X12 \
	IMULQ  R13, AX         \
	ADDQ   DI, AX

// func dotCodesAtAVX2(signed, codes []uint8, scale []float32, bias int32, ids []uint32, out []float32)
TEXT ·dotCodesAtAVX2(SB), NOSPLIT, $0-128
	MOVQ         signed_base+0(FP), SI
	MOVQ         signed_len+8(FP), R13
	MOVQ         codes_base+24(FP), DI
	MOVQ         scale_base+48(FP), R8
	MOVL         bias+72(FP), BX
	MOVQ         ids_base+80(FP), R9
	MOVQ         out_base+104(FP), R11
	MOVQ         out_len+112(FP), R12
	VMOVD        BX, X13
	VPBROADCASTD X13, X13
	PREFETCH(ahead, ready)
	SUBQ $4, R12
	JLT  rest

by4:
	SCALE4
	FOUR2(four)
	VMOVUPS X0, (R11)
	ADDQ    $16, R11
	ADDQ    $16, R9
	SUBQ    $4, R12
	JGE     by4

rest:
	ADDQ $4, R12
	JEQ  done

by1:
	SCALE1
	ONE2(one)
	VMOVSS X0, (R11)
	ADDQ   $4, R11
	ADDQ   $4, R9
	DECQ   R12
	JNE    by1

done:
	VZEROUPPER
	RET

// func dotCodesAtVNNI(signed, codes []uint8, scale []float32, bias int32, ids []uint32, out []float32)
TEXT ·dotCodesAtVNNI(SB), NOSPLIT, $0-128
	MOVQ         signed_base+0(FP), SI
	MOVQ         signed_len+8(FP), R13
	MOVQ         codes_base+24(FP), DI
	MOVQ         scale_base+48(FP), R8
	MOVL         bias+72(FP), BX
	MOVQ         ids_base+80(FP), R9
	MOVQ         out_base+104(FP), R11
	MOVQ         out_len+112(FP), R12
	VMOVD        BX, X13
	VPBROADCASTD X13, X13
	PREFETCH(ahead, ready)
	SUBQ $4, R12
	JLT  rest

by4:
	SCALE4
	FOUR5(four)
	VMOVUPS X0, (R11)
	ADDQ    $16, R11
	ADDQ    $16, R9
	SUBQ    $4, R12
	JGE     by4

rest:
	ADDQ $4, R12
	JEQ  done

by1:
	SCALE1
	ONE5(one)
	VMOVSS X0, (R11)
	ADDQ   $4, R11
	ADDQ   $4, R9
	DECQ   R12
	JNE    by1

done:
	VZEROUPPER
	RET
