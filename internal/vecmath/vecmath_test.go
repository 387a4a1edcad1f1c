package vecmath

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNormalize(t *testing.T) {
	t.Parallel()
	nan, inf := float32(math.NaN()), float32(math.Inf(-1))
	for _, c := range []struct {
		name string
		in   []float32
		ok   bool
		want []float32
	}{
		{"plain", []float32{3, 4}, true, []float32{.6, .8}},
		{"already unit", []float32{0, -1, 0}, true, []float32{0, -1, 0}},
		{"huge", []float32{3e38, 0, -3e38}, true, []float32{math.Sqrt2 / 2, 0, -math.Sqrt2 / 2}},
		{"denormal", []float32{0, 1e-45}, true, []float32{0, 1}},
		{"zero", []float32{0, 0, 0}, false, []float32{0, 0, 0}},
		{"empty", []float32{}, false, []float32{}},
		{"NaN", []float32{1, nan}, false, []float32{0, 0}},
		{"infinity", []float32{inf, 2}, false, []float32{0, 0}},
		{"both", []float32{inf, nan}, false, []float32{0, 0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if ok := Normalize(c.in); ok != c.ok {
				t.Errorf("Normalize reports %v, want %v", ok, c.ok)
			}
			if diff := cmp.Diff(c.want, c.in); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestNormalizeGivesLengthOne(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(5, 5))
	for n := 1; n < 300; n += 7 {
		scale := float32(math.Pow(10, rng.Float64()*60-30))
		v := make([]float32, n)
		for i := range v {
			v[i] = scale * float32(rng.NormFloat64())
		}
		if !Normalize(v) {
			t.Fatalf("no direction at length %d, scale %v", n, scale)
		}
		if norm := SquaredNorm(v); math.Abs(float64(norm)-1) > 1e-6 {
			t.Errorf("squared norm %v at length %d, scale %v", norm, n, scale)
		}
	}
}

func TestSquaredNormLeavesTheRange(t *testing.T) {
	t.Parallel()
	if got := SquaredNorm([]float32{1, 2, -3}); got != 14 {
		t.Errorf("SquaredNorm = %v, want 14", got)
	}
	if got := SquaredNorm([]float32{1e30, 1}); !math.IsInf(float64(got), 1) {
		t.Errorf("SquaredNorm = %v, want +Inf", got)
	}
}

func TestFinite(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		in   []float32
		want bool
	}{
		{"empty", nil, true},
		{"extremes", []float32{math.MaxFloat32, -math.MaxFloat32, math.SmallestNonzeroFloat32, 0}, true},
		{"NaN", []float32{1, 2, float32(math.NaN())}, false},
		{"NaN with a sign and a payload", []float32{math.Float32frombits(0xffabcdef)}, false},
		{"+Inf", []float32{float32(math.Inf(1)), 1}, false},
		{"−Inf", []float32{0, float32(math.Inf(-1))}, false},
	} {
		if got := Finite(c.in); got != c.want {
			t.Errorf("%s: Finite = %v, want %v", c.name, got, c.want)
		}
	}
}

func TestBytesLayout(t *testing.T) {
	t.Parallel()
	got := AppendBytes([]byte{7}, []float32{1, -2, float32(math.Inf(1))})
	want := []byte{7, 0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0, 0, 0, 0x80, 0x7f}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func FuzzBytes(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{1, 2, 3})
	f.Add([]byte{0, 0, 0x80, 0x3f, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := FromBytes(data)
		if (err == nil) != (len(data)%4 == 0) {
			t.Fatalf("%d bytes: error %v", len(data), err)
		}
		if err != nil {
			return
		}
		if diff := cmp.Diff(data, AppendBytes([]byte{}, v)); diff != "" {
			t.Errorf("bytes do not come back (-want +got):\n%s", diff)
		}
	})
}
