//go:build !amd64

package imageprep

func newKernels() kernels { return plainKernels() }
