package als

import "math"

// cholesky replaces the lower triangle of the symmetric positive definite n × n
// matrix a by L, a = L Lᵀ; the upper triangle is not read. It returns false if a is
// not numerically positive definite or not finite; a is then spoilt.
func cholesky(a []float64, n int) bool {
	for i := range n {
		row := a[i*n : i*n+i+1]
		for j := range i {
			above := a[j*n : j*n+j+1]
			row[j] = (row[j] - dot64(row[:j], above[:j])) / above[j]
		}
		pivot := row[i] - dot64(row[:i], row[:i])
		if !(pivot > 0) || math.IsInf(pivot, 1) {
			return false
		}
		row[i] = math.Sqrt(pivot)
	}
	return true
}

// choleskySolve replaces b by the solution x of L Lᵀ x = b.
func choleskySolve(l []float64, n int, b []float64) {
	for i := range n {
		row := l[i*n : i*n+i+1]
		b[i] = (b[i] - dot64(row[:i], b[:i])) / row[i]
	}
	for i := n - 1; i >= 0; i-- { // by rows of L, the columns of Lᵀ, so that memory is read in order
		row := l[i*n : i*n+i+1]
		b[i] /= row[i]
		for j, v := range row[:i] {
			b[j] -= v * b[i]
		}
	}
}

// dot64 keeps four sums so that additions need not wait for each other.
func dot64(a, b []float64) float64 {
	var s0, s1, s2, s3 float64
	for len(a) >= 4 && len(b) >= 4 {
		s0 += a[0] * b[0]
		s1 += a[1] * b[1]
		s2 += a[2] * b[2]
		s3 += a[3] * b[3]
		a, b = a[4:], b[4:]
	}
	for k, v := range a {
		s0 += v * b[k]
	}
	return (s0 + s1) + (s2 + s3)
}
