package space

import (
	"context"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

// update rewrites the golden files: go test ./internal/space -update
var update = flag.Bool("update", false, "rewrite the golden files")

const testRaw = 64 // length of the raw encoder outputs in tests

// planted makes n items of 8 groups. The picture of an item is its group's direction plus noise;
// artist is the group's in four of five items; tags are the group's three plus one of 300 at
// random; price grows with the group; a common component in all pictures is what centring removes.
func planted(n int) (inputs []Input, groups []int) {
	r := rand.New(rand.NewPCG(7, 11))
	directions := make([][]float32, 8)
	for g := range directions {
		directions[g] = gaussian(r, testRaw, 1)
	}
	common := gaussian(r, testRaw, 3)
	for range n {
		g := r.IntN(len(directions))
		picture := gaussian(r, testRaw, 1.5)
		vecmath.Axpy(1, directions[g], picture)
		vecmath.Axpy(1, common, picture)
		artist := g
		if r.IntN(5) == 0 {
			artist = r.IntN(len(directions))
		}
		inputs = append(inputs, Input{Image: picture, Attributes: map[string]recsys.Attribute{
			"artist": recsys.Labels(fmt.Sprintf("artist %d", artist)),
			"tags": recsys.Labels(fmt.Sprintf("t%d", 3*g), fmt.Sprintf("t%d", 3*g+1), fmt.Sprintf("t%d", 3*g+2),
				fmt.Sprintf("rare %d", r.IntN(300))),
			"price": recsys.Number(math.Exp(float64(g)/2 + r.NormFloat64()/4)),
		}})
		groups = append(groups, g)
	}
	return inputs, groups
}

func gaussian(r *rand.Rand, n int, scale float64) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(r.NormFloat64() * scale)
	}
	return out
}

func plantedSchema() Schema {
	return Schema{Attributes: []AttributeRule{
		{Name: "artist", Kind: recsys.KindLabels, Weight: .2},
		{Name: "price", Kind: recsys.KindNumber, Weight: .1},
		{Name: "tags", Kind: recsys.KindLabels, Encoding: EncodingHash, Weight: .3},
	}}
}

// smallConfig projects 64 dimensions to 16, from 100 pictures on.
func smallConfig() Config {
	c := DefaultConfig()
	c.ImageDims, c.MinPictures = 16, 100
	return c
}

func mustFit(t testing.TB, inputs []Input, schema Schema, cfg Config) *Space {
	t.Helper()
	s, err := Fit(context.Background(), inputs, schema, cfg)
	if err != nil {
		t.Fatalf("Fit: %v", err)
	}
	return s
}

// purity is the share of the ten nearest neighbours that are of the item's own group.
func purity(s *Space, inputs []Input, groups []int) float64 {
	vectors := make([][]float32, len(inputs))
	for i := range inputs {
		vectors[i] = s.Embed(inputs[i])
	}
	hits := 0
	for i := range vectors {
		top := vecmath.NewTopK(10)
		for j := range vectors {
			if i != j {
				top.Push(uint32(j), vecmath.Dot(vectors[i], vectors[j]))
			}
		}
		for _, hit := range top.Sorted() {
			if groups[hit.ID] == groups[i] {
				hits++
			}
		}
	}
	return float64(hits) / float64(10*len(inputs))
}

func checkUnit(t testing.TB, s *Space, v []float32) {
	t.Helper()
	if len(v) != s.Dims() {
		t.Fatalf("vector has %d entries, want %d", len(v), s.Dims())
	}
	if !vecmath.Finite(v) {
		t.Fatal("vector is not finite")
	}
	if n := length(v); math.Abs(n-1) > 1e-5 {
		t.Fatalf("vector has length %v, want 1", n)
	}
}
