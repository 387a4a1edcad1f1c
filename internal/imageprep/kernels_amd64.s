#include "textflag.h"

// One half in the fixed point of the weights.
DATA half<>+0(SB)/4, $0x200000
GLOBL half<>(SB), RODATA|NOPTR, $4

// Packing works on the two 128-bit halves of a register apart; this puts pixels back in order.
DATA inOrder<>+0(SB)/4, $0
DATA inOrder<>+4(SB)/4, $4
DATA inOrder<>+8(SB)/4, $1
DATA inOrder<>+12(SB)/4, $5
DATA inOrder<>+16(SB)/4, $2
DATA inOrder<>+20(SB)/4, $6
DATA inOrder<>+24(SB)/4, $3
DATA inOrder<>+28(SB)/4, $7
GLOBL inOrder<>(SB), RODATA|NOPTR, $32

// func horizontalAVX2(upper, lower, columns *uint64, first, weights *int32, taps, n int)
//
// A column is eight bytes: a pixel of the upper row, one of the lower. Widened to eight sums
// they fill one register.
TEXT ·horizontalAVX2(SB), NOSPLIT, $0-56
	MOVQ         upper+0(FP), DI
	MOVQ         lower+8(FP), SI
	MOVQ         columns+16(FP), R8
	MOVQ         first+24(FP), R9
	MOVQ         weights+32(FP), R10
	MOVQ         taps+40(FP), R11
	MOVQ         n+48(FP), R12
	VPBROADCASTD half<>(SB), Y7

output:
	MOVLQSX (R9), BX
	LEAQ    (R8)(BX*8), BX
	VMOVDQA Y7, Y0
	MOVQ    R11, CX

tap:
	VPMOVZXBD    (BX), Y1
	VPBROADCASTD (R10), Y2
	VPMULLD      Y2, Y1, Y1
	VPADDD       Y1, Y0, Y0
	ADDQ         $8, BX
	ADDQ         $4, R10
	DECQ         CX
	JNZ          tap

	// Saturation does the clipping, first to 16 bits with a sign, then to 8 without.
	VPSRAD       $22, Y0, Y0
	VPACKSSDW    Y0, Y0, Y0
	VPACKUSWB    Y0, Y0, Y0
	VEXTRACTI128 $1, Y0, X1
	VMOVD        X0, (DI)
	VMOVD        X1, (SI)
	ADDQ         $4, R9
	ADDQ         $4, DI
	ADDQ         $4, SI
	DECQ         R12
	JNZ          output
	VZEROUPPER
	RET

// func verticalAVX2(dst, ring *uint64, places *int, weights *int32, rows, blocks int)
//
// Eight pixels at a time, in 32 sums.
TEXT ·verticalAVX2(SB), NOSPLIT, $0-48
	MOVQ         dst+0(FP), DI
	MOVQ         ring+8(FP), SI
	MOVQ         blocks+40(FP), R12
	VPBROADCASTD half<>(SB), Y7
	VMOVDQU      inOrder<>(SB), Y6

block:
	MOVQ    places+16(FP), R9
	MOVQ    weights+24(FP), R10
	MOVQ    rows+32(FP), CX
	VMOVDQA Y7, Y0
	VMOVDQA Y7, Y1
	VMOVDQA Y7, Y2
	VMOVDQA Y7, Y3

row:
	MOVQ         (R9), BX
	LEAQ         (SI)(BX*8), BX
	VPBROADCASTD (R10), Y5
	VPMOVZXBD    (BX), Y8
	VPMOVZXBD    8(BX), Y9
	VPMOVZXBD    16(BX), Y10
	VPMOVZXBD    24(BX), Y11
	VPMULLD      Y5, Y8, Y8
	VPMULLD      Y5, Y9, Y9
	VPMULLD      Y5, Y10, Y10
	VPMULLD      Y5, Y11, Y11
	VPADDD       Y8, Y0, Y0
	VPADDD       Y9, Y1, Y1
	VPADDD       Y10, Y2, Y2
	VPADDD       Y11, Y3, Y3
	ADDQ         $8, R9
	ADDQ         $4, R10
	DECQ         CX
	JNZ          row

	VPSRAD    $22, Y0, Y0
	VPSRAD    $22, Y1, Y1
	VPSRAD    $22, Y2, Y2
	VPSRAD    $22, Y3, Y3
	VPACKSSDW Y1, Y0, Y0
	VPACKSSDW Y3, Y2, Y2
	VPACKUSWB Y2, Y0, Y0
	VPERMD    Y0, Y6, Y0
	VMOVDQU   Y0, (DI)
	ADDQ      $32, DI
	ADDQ      $32, SI
	DECQ      R12
	JNZ       block
	VZEROUPPER
	RET
