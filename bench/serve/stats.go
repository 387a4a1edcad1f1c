package main

import (
	"slices"

	"github.com/seed-473295a7/vitrine/bench/internal/serving"
)

func median(x []float64) float64 {
	if len(x) == 0 {
		return 0
	}
	x = slices.Sorted(slices.Values(x))
	if n := len(x); n%2 == 0 {
		return (x[n/2-1] + x[n/2]) / 2
	}
	return x[len(x)/2]
}

func sum(x []float64) (s float64) {
	for _, v := range x {
		s += v
	}
	return s
}

func mean(x []float64) float64 { return sum(x) / float64(max(len(x), 1)) }

// span prints the least and the greatest of at least one value.
func span(x []float64) string {
	return serving.Number(slices.Min(x)) + " to " + serving.Number(slices.Max(x))
}
