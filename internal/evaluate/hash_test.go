package evaluate

import "testing"

// The vectors are part of the protocol: another implementation must find the same.
func TestHashVectors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ s, a, b, want uint64 }{
		{1, 1, 0, 0x778b1aa9c29bc868},
		{1, 2, 0, 0xa6c7188e0551111e},
		{1, 943, 0, 0x48163cd67399e9ca},
		{2, 1, 1, 0xd3934b8ac6f64241},
	} {
		if got := Hash(c.s, c.a, c.b); got != c.want {
			t.Errorf("H(%d,%d,%d) = %016x, want %016x", c.s, c.a, c.b, got, c.want)
		}
	}
}
