package vecmath

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// AppendBytes appends the stored form of v to dst and returns the longer slice:
// four bytes an element, IEEE 754 binary32, little-endian, nothing before or after.
func AppendBytes(dst []byte, v []float32) []byte {
	dst = slices.Grow(dst, 4*len(v))
	for _, x := range v {
		dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(x))
	}
	return dst
}

// FromBytes reads what AppendBytes wrote into a new slice that the caller owns.
//
// Every bit pattern is a float32, NaN included, so the only fault is a length that
// is no multiple of four. A caller that needs finite numbers asks Finite.
func FromBytes(b []byte) ([]float32, error) {
	if len(b)%4 != 0 {
		return nil, fmt.Errorf("vector of %d bytes: want a multiple of 4", len(b))
	}
	v := make([]float32, len(b)/4)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return v, nil
}
