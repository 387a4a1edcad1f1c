package main

import (
	"fmt"
	"strings"

	"github.com/seed-473295a7/vitrine/bench/internal/peers"
	"github.com/seed-473295a7/vitrine/internal/als"
	"github.com/seed-473295a7/vitrine/internal/engine"
)

const (
	implicitLabel = "implicit 0.7.3"
	easeLabel     = "EASE"
	lightFMLabel  = "LightFM 1.17"
)

func isPeer(name string) bool {
	return strings.HasPrefix(name, implicitLabel) || strings.HasPrefix(name, easeLabel) || strings.HasPrefix(name, lightFMLabel)
}

// Six settings a method: around the best that the papers, the defaults and our own trials of each
// suggest for small shops.

// listFamilies are the peers that make lists for people by what they liked alone.
func listFamilies() [][]peers.Method {
	var implicit, ease []peers.Method
	for _, s := range [][2]float64{{1, 5}, {1, 10}, {5, 10}, {5, 20}, {10, 30}, {10, 60}} {
		implicit = append(implicit, peers.Method{Name: "implicit", Label: implicitLabel, Factors: als.DefaultConfig().Factors,
			Setting: map[string]float64{"alpha": s[0], "regularization": s[1], "epochs": 15}})
	}
	for _, ridge := range []float64{50, 100, 200, 400, 800, 1600} {
		ease = append(ease, peers.Method{Name: "ease", Label: easeLabel, Setting: map[string]float64{"ridge": ridge}})
	}
	return [][]peers.Method{implicit, ease}
}

// hybrids are LightFM's settings, with item features.
func hybrids() (out []peers.Method) {
	for _, factors := range []int{32, 64} {
		for _, epochs := range []float64{10, 30, 60} {
			out = append(out, peers.Method{Name: "lightfm", Label: fmt.Sprintf("%s f %d", lightFMLabel, factors), Factors: factors,
				Setting: map[string]float64{"epochs": epochs, "alpha": 1e-5}})
		}
	}
	return out
}

// recipes are ours.
func recipes() map[string]engine.Recipe {
	out := make(map[string]engine.Recipe)
	for _, lambda := range []float64{.01, .02, .04} {
		for _, alpha := range []float64{.1, .2} {
			recipe := engine.DefaultConfig().Recipe
			recipe.ALS.Regularization, recipe.ALS.Alpha0 = lambda, alpha
			out[fmt.Sprintf("λ %g α0 %g", lambda, alpha)] = recipe
		}
	}
	return out
}
