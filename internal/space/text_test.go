package space

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

const (
	testTextRaw = 24
	testEncoder = "words@1"
)

// plantedTexts is planted with blurred pictures, and a text for four of five items that tells the
// group more plainly.
func plantedTexts(n int) (inputs []Input, groups []int) {
	inputs, groups = planted(n)
	r := rand.New(rand.NewPCG(3, 5))
	directions := make([][]float32, 8)
	for g := range directions {
		directions[g] = gaussian(r, testTextRaw, 1)
	}
	for i, g := range groups {
		vecmath.Axpy(1, gaussian(r, testRaw, 2.5), inputs[i].Image)
		if i%5 == 4 {
			continue
		}
		inputs[i].Text = gaussian(r, testTextRaw, .7)
		vecmath.Axpy(1, directions[g], inputs[i].Text)
		inputs[i].TextEncoder = testEncoder
	}
	return inputs, groups
}

func TestTextBlock(t *testing.T) {
	t.Parallel()
	inputs, groups := plantedTexts(400)
	cfg := smallConfig()
	cfg.TextDims = 12
	with, without := mustFit(t, inputs, Schema{}, cfg), mustFit(t, inputs, Schema{Text: TextRule{Use: UseStore}}, cfg)
	want := []Block{{"image", .75, 0, 16}, {"text", .25, 16, 12}}
	if diff := cmp.Diff(want, with.Layout()); diff != "" || with.TextEncoder() != testEncoder {
		t.Errorf("encoder %q, layout (-want +got):\n%s", with.TextEncoder(), diff)
	}
	if diff := cmp.Diff([]Block{{"image", 1, 0, 16}}, without.Layout()); diff != "" || without.TextEncoder() != "" {
		t.Errorf("stored only: layout (-want +got):\n%s", diff)
	}
	plain, better := purity(without, inputs, groups), purity(with, inputs, groups)
	if better < plain+.1 {
		t.Errorf("purity %.3f with texts, %.3f without", better, plain)
	}
	a, b := with.Embed(inputs[0]), with.Embed(inputs[1])
	checkUnit(t, with, a)
	blocks := with.Blocks(a, b)
	sum := .75*float64(blocks["image"]) + .25*float64(blocks["text"])
	if len(blocks) != 2 || math.Abs(sum-float64(vecmath.Dot(a, b))) > 1e-5 {
		t.Errorf("blocks %v sum to %v, the cosine is %v", blocks, sum, vecmath.Dot(a, b))
	}
}

// An item without a text, or with one of another encoder, is embedded by what else it has.
func TestTextOfAnotherEncoderCountsAsMissing(t *testing.T) {
	t.Parallel()
	inputs, _ := plantedTexts(200)
	s := mustFit(t, inputs, Schema{}, smallConfig())
	missing, other := inputs[0], inputs[0]
	missing.Text, missing.TextEncoder = nil, ""
	other.TextEncoder = "words@2"
	want := s.Embed(missing)
	checkUnit(t, s, want)
	if blocks := s.Blocks(want, s.Embed(inputs[0])); len(blocks) != 1 {
		t.Errorf("blocks %v, want the picture's alone", blocks)
	}
	if diff := cmp.Diff(want, s.Embed(other)); diff != "" {
		t.Errorf("another encoder's text (-missing +got):\n%s", diff)
	}
	short, nan := inputs[0], inputs[0]
	short.Text, nan.Text = short.Text[1:], filled(testTextRaw, math.NaN())
	for name, in := range map[string]Input{"another encoder": other, "short": short, "NaN": nan} {
		if diff := cmp.Diff([]string{"text"}, fieldsOf(s.Check(in))); diff != "" {
			t.Errorf("%s: Check (-want +got):\n%s", name, diff)
		}
	}
	if err := errors.Join(s.Check(missing), s.Check(inputs[0])); err != nil {
		t.Errorf("Check: %v", err)
	}
}

func TestFitRefusesTexts(t *testing.T) {
	t.Parallel()
	inputs, _ := plantedTexts(10)
	changed := func(change func(*Input)) []Input {
		out := slices.Clone(inputs)
		change(&out[1])
		return out
	}
	clash := Schema{Attributes: []AttributeRule{{Name: "text", Kind: recsys.KindLabels}}}
	for name, c := range map[string]struct {
		inputs []Input
		schema Schema
		field  string
	}{
		"another length":    {changed(func(in *Input) { in.Text = in.Text[1:] }), Schema{}, "inputs[1].text"},
		"NaN":               {changed(func(in *Input) { in.Text = filled(testTextRaw, math.NaN()) }), Schema{}, "inputs[1].text"},
		"two encoders":      {changed(func(in *Input) { in.TextEncoder = "words@2" }), Schema{}, "inputs[1].text_encoder"},
		"no encoder's name": {changed(func(in *Input) { in.TextEncoder = "" }), Schema{}, "inputs[1].text_encoder"},
		"the block's name":  {inputs, clash, "attributes"},
	} {
		_, err := Fit(context.Background(), c.inputs, c.schema, smallConfig())
		if diff := cmp.Diff([]string{c.field}, fieldsOf(err)); diff != "" || !errors.Is(err, recsys.ErrInvalid) {
			t.Errorf("%s: %v, fields (-want +got):\n%s", name, err, diff)
		}
	}
	for i := range inputs {
		inputs[i].Text = nil
		inputs[i].Attributes["text"] = recsys.Labels("a", "b")
	}
	if s := mustFit(t, inputs, clash, smallConfig()); s.Layout()[1].Name != "text" || s.TextEncoder() != "" {
		t.Error("without texts the attribute of that name is no block")
	}
}

func TestInferWithTexts(t *testing.T) {
	t.Parallel()
	inputs, _ := plantedTexts(50)
	for i := range inputs {
		inputs[i].Attributes["text"] = recsys.Labels([]string{"a", "b"}[i%2])
	}
	s := Infer(inputs, DefaultInferConfig())
	want := TextRule{Use: UseEmbed, Weight: .23, Reason: "title and description of 40 of 50 items"}
	if diff := cmp.Diff(want, s.Text, cmpopts.EquateApprox(0, .03)); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
	total := s.Image.Weight + s.Text.Weight
	for _, r := range s.Attributes {
		total += r.Weight
		if r.Name == "text" && r.Use != UseStore {
			t.Errorf("the attribute %q is embedded", r.Name)
		}
	}
	if math.Abs(total-1) > 1e-9 || s.Image.Weight < 1-maxInferredShare-.01 {
		t.Errorf("weights sum to %v, the picture's is %v", total, s.Image.Weight)
	}
	for i := range inputs {
		inputs[i].Text = nil
	}
	if s := Infer(inputs, DefaultInferConfig()); s.Text != (TextRule{}) || !s.embeds("text") {
		t.Errorf("without texts: %+v", s)
	}
}

// Where there are texts the factor model's content weighs them among the attributes; a schema
// fitted without them gives what it gave before there were any.
func TestContentSchemaWithTexts(t *testing.T) {
	t.Parallel()
	inputs, _ := plantedTexts(200)
	schema := plantedSchema()
	schema.Text.Weight = .2
	s := mustFit(t, inputs, ContentSchema(schema, inputs), ContentConfig())
	want := []Block{{"image", .1, 0, 64}, {"text", .225, 64, 24}, {"artist", .225, 88, 8}, {"price", .1125, 96, 16}, {"tags", .3375, 112, 256}}
	if diff := cmp.Diff(want, s.Layout(), cmpopts.EquateApprox(0, 1e-12)); diff != "" {
		t.Errorf("layout (-want +got):\n%s", diff)
	}
	plain, _ := planted(200)
	s = mustFit(t, plain, ContentSchema(schema, plain), ContentConfig())
	if got := s.Layout()[1]; got.Name != "artist" || math.Abs(got.Weight-.3) > 1e-12 {
		t.Errorf("without texts: %+v, want the artist at .3", got)
	}
	alone := ContentSchema(Schema{}, inputs)
	if alone.Image.Weight != contentImageShare || math.Abs(alone.Text.Weight-.9) > 1e-12 {
		t.Errorf("texts alone: %+v", alone)
	}
}
