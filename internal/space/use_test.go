package space

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

func attributes(pairs ...any) Input {
	in := Input{Attributes: make(map[string]recsys.Attribute)}
	for k := 0; k < len(pairs); k += 2 {
		in.Attributes[pairs[k].(string)] = pairs[k+1].(recsys.Attribute)
	}
	return in
}

func TestUseFindsDeadAlikeAndUnseen(t *testing.T) {
	t.Parallel()
	schema := Schema{Image: ImageRule{Use: UseStore}, Attributes: []AttributeRule{
		{Name: "colour", Kind: recsys.KindLabels}, {Name: "country", Kind: recsys.KindLabels}, {Name: "price", Kind: recsys.KindNumber}}}
	var inputs []Input
	for i := range 40 {
		inputs = append(inputs, attributes("colour", recsys.Labels(fmt.Sprint("c", i%4)), "country", recsys.Labels("here"), "price", recsys.Number(float64(i))))
	}
	s := mustFit(t, inputs, schema, smallConfig())
	later := []Input{
		attributes("colour", recsys.Labels("c0", "c9"), "country", recsys.Labels("here"), "price", recsys.Text("cheap")),
		attributes("colour", recsys.Labels("c1"), "country", recsys.Labels("here"), "price", recsys.Number(1)),
		attributes("colour", recsys.Number(7)),
	}
	want := []BlockUse{
		{Name: "colour", Present: 2, Density: .25, Dead: 2, Unseen: 2},
		{Name: "country", Present: 2, Density: 1, Alike: true},
		{Name: "price", Present: 1, Density: 1, Wrong: 1},
	}
	if diff := cmp.Diff(want, s.Use(later)); diff != "" {
		t.Errorf("use (-want +got):\n%s", diff)
	}
	if unseen, wrong := s.Overlooked(later[0].Attributes); unseen != 1 || wrong != 1 {
		t.Errorf("%d unseen values and %d of a wrong kind, want 1 and 1", unseen, wrong)
	}
	if v := s.Embed(later[0]); v == nil || !vecmath.Finite(v) {
		t.Errorf("an item with an unseen value and a changed type is embedded as %v", v)
	}
}

func TestCheckKindsNamesTheAttribute(t *testing.T) {
	t.Parallel()
	schema := Schema{Attributes: []AttributeRule{{Name: "year", Kind: recsys.KindLabels}, {Name: "price", Kind: recsys.KindNumber}, {Name: "size", Kind: recsys.KindNumber}}}
	inputs := []Input{
		attributes("year", recsys.Number(1999), "price", recsys.Labels("12 euro"), "size", recsys.Labels("large")),
		attributes("year", recsys.Labels("2000"), "price", recsys.Labels("13 euro"), "size", recsys.Number(4)),
	}
	err := schema.CheckKinds(inputs)
	if diff := cmp.Diff([]string{"attributes[1].kind"}, fieldsOf(err)); diff != "" || !errors.Is(err, recsys.ErrInvalid) {
		t.Errorf("fields (-want +got):\n%s%v", diff, err)
	}
	if err := schema.CheckKinds(nil); err != nil {
		t.Errorf("no items: %v", err)
	}
}

// A hundred thousand values are hashed by themselves, and where one-hot is asked for the most frequent
// have the places; nothing grows with their number but the fit.
func TestHundredThousandCategories(t *testing.T) {
	t.Parallel()
	const values = 100_000
	inputs := make([]Input, 0, values+100)
	for i := range values {
		inputs = append(inputs, attributes("artist", recsys.Labels(fmt.Sprint("artist ", i))))
	}
	for range 100 {
		inputs = append(inputs, attributes("artist", recsys.Labels("artist 7")))
	}
	for _, encoding := range []Encoding{"", EncodingOneHot, EncodingHash} {
		schema := Schema{Image: ImageRule{Use: UseStore}, Attributes: []AttributeRule{{Name: "artist", Kind: recsys.KindLabels, Encoding: encoding}}}
		s := mustFit(t, inputs, schema, DefaultConfig())
		if s.Dims() > DefaultConfig().HashDims {
			t.Errorf("encoding %q: %d dimensions", encoding, s.Dims())
		}
		same := s.Embed(inputs[7])
		if got := vecmath.Dot(same, s.Embed(inputs[values+3])); math.Abs(float64(got)-1) > 1e-4 {
			t.Errorf("encoding %q: equal artists have a cosine of %v", encoding, got)
		}
		if other := s.Embed(inputs[8]); other != nil && vecmath.Dot(same, other) > .9 {
			t.Errorf("encoding %q: other artists have a cosine of %v", encoding, vecmath.Dot(same, other))
		}
	}
	schema := Infer(inputs[:5000], DefaultInferConfig())
	if i := slices.IndexFunc(schema.Attributes, func(r AttributeRule) bool { return r.Name == "artist" }); schema.Attributes[i].Use != UseStore {
		t.Errorf("values that are all different are inferred as %+v, want store", schema.Attributes[i])
	}
}
