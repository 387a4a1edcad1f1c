package space

import (
	"math"
	"testing"

	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

// The inner product of two codes is a function of their distance alone and falls with it.
func TestNumberKernelFallsWithDistance(t *testing.T) {
	t.Parallel()
	n := &number{name: "x", floor: 1, spread: 1}
	code := func(z float64) []float32 {
		out := make([]float32, n.dims())
		in := with(Input{}, "x", recsys.Number(z))
		n.code(&in, out)
		return out
	}
	for _, from := range []float64{-3.5, -1, 0, 2} {
		last := 1.001
		for step := 0; from+float64(step)/8 <= numberRange; step++ {
			distance := float64(step) / 8
			got := float64(vecmath.Dot(code(from), code(from+distance)))
			if got >= last+1e-4 {
				t.Errorf("from %v: %v at distance %v, %v nearer", from, got, distance, last)
			}
			if base := float64(vecmath.Dot(code(-3.5), code(-3.5+distance))); math.Abs(base-got) > 1e-5 {
				t.Errorf("from %v: %v at distance %v, elsewhere %v", from, got, distance, base)
			}
			last = got
		}
	}
	if far := vecmath.Dot(code(-3.5), code(3.5)); far > 0 {
		t.Errorf("the ends of the scale have the inner product %v, want below 0", far)
	}
}

func TestFitNumber(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		values         []float64
		encoding       Encoding
		log            bool
		median, spread float64
	}{
		"quartiles":            {[]float64{1, 2, 3, 4, 5}, "", false, 3, 2 / 1.349},
		"one wild value":       {[]float64{1, 2, 3, 4, 1e9}, EncodingRobust, false, 3, 2 / 1.349},
		"log by wish":          {[]float64{1, math.E, math.E * math.E}, EncodingLog, true, 1, 1 / 1.349},
		"heavy tail":           {[]float64{1, 1, 1, 10, 100}, "", true, 0, math.Log(10) / 1.349},
		"zeros with a tail":    {[]float64{0, 1, 1, 10, 100}, "", true, 0, math.Log(10) / 1.349},
		"years":                {[]float64{1999, 2004, 2010, 2018}, "", false, 2007, 9.25 / 1.349},
		"mostly one value":     {[]float64{5, 5, 5, 5, 10}, EncodingRobust, false, 5, 2},
		"constant":             {[]float64{4, 4}, "", false, 4, 1},
		"negative, log wished": {[]float64{-1, -2, -3}, EncodingLog, true, 0, 1},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inputs := make([]Input, len(c.values))
			for i, v := range c.values {
				inputs[i] = with(Input{}, "x", recsys.Number(v))
			}
			n, ok := fitNumber("x", c.encoding, inputs)
			if !ok || n.log != c.log || math.Abs(n.median-c.median) > 1e-9 || math.Abs(n.spread-c.spread) > 1e-9 {
				t.Errorf("%+v, want log %v, median %v, spread %v", n, c.log, c.median, c.spread)
			}
		})
	}
	if _, ok := fitNumber("x", "", labelled([]string{"a"})); ok {
		t.Error("fitted to nothing")
	}
}
