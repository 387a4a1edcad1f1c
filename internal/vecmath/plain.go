package vecmath

// The plain twins: what runs where there is no AVX2, and what the tests hold the
// assembly against. Four sums break the chain of dependent additions, which makes
// them about three times as fast as the obvious loop.

func dotPlain(a, b []float32) float32 {
	b = b[:len(a)]
	var s0, s1, s2, s3 float32
	i := 0
	for ; i+4 <= len(a); i += 4 {
		s0 += a[i] * b[i]
		s1 += a[i+1] * b[i+1]
		s2 += a[i+2] * b[i+2]
		s3 += a[i+3] * b[i+3]
	}
	for ; i < len(a); i++ {
		s0 += a[i] * b[i]
	}
	return (s0 + s1) + (s2 + s3)
}

func axpyPlain(alpha float32, x, y []float32) {
	y = y[:len(x)]
	for i, v := range x {
		y[i] += alpha * v
	}
}

func dotRowsPlain(q, rows, out []float32) {
	for i := range out {
		out[i] = dotPlain(q, rows[i*len(q):(i+1)*len(q)])
	}
}

func dotAtPlain(q, rows []float32, ids []uint32, out []float32) {
	for i, id := range ids {
		at := int(id) * len(q)
		out[i] = dotPlain(q, rows[at:at+len(q)])
	}
}

// dotCodePlain is Σ q·code, the bias still in it.
func dotCodePlain(signed, code []uint8) (sum int32) {
	code = code[:len(signed)]
	for i, b := range signed {
		sum += int32(int8(b)) * int32(code[i])
	}
	return sum
}

func dotCodesPlain(signed, codes []uint8, scale []float32, bias int32, out []float32) {
	for i := range out {
		out[i] = float32(dotCodePlain(signed, codes[i*len(signed):])-bias) * scale[i]
	}
}

func dotCodesAtPlain(signed, codes []uint8, scale []float32, bias int32, ids []uint32, out []float32) {
	for i, id := range ids {
		out[i] = float32(dotCodePlain(signed, codes[int(id)*len(signed):])-bias) * scale[id]
	}
}

func addRowsPlain(c, rows, y []float32) {
	for k, alpha := range c {
		axpyPlain(alpha, rows[k*len(y):(k+1)*len(y)], y)
	}
}
