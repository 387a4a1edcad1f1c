package space

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

func TestPlantedGroupsAreNeighbours(t *testing.T) {
	t.Parallel()
	inputs, groups := planted(400)
	plain := smallConfig()
	plain.MinPictures = 1 << 20
	picture := purity(mustFit(t, inputs, Schema{}, plain), inputs, groups)
	projected := purity(mustFit(t, inputs, Schema{}, smallConfig()), inputs, groups)
	all := purity(mustFit(t, inputs, plantedSchema(), smallConfig()), inputs, groups)
	bootstrap := purity(Bootstrap(testRaw), inputs, groups)
	// Chance is .125. Measured: .60, .66, .98, .90.
	if picture < .55 || projected < picture || all < .95 || bootstrap < .8 {
		t.Errorf("P@10 picture %.3f, projected %.3f, with attributes %.3f, bootstrap %.3f", picture, projected, all, bootstrap)
	}
}

// The property every explanation rests on: cosine = Σ share · cosine of the block.
func TestCosineIsWeightedMeanOfBlocks(t *testing.T) {
	t.Parallel()
	inputs, _ := planted(200)
	s := mustFit(t, inputs, plantedSchema(), smallConfig())
	var total float64
	weights := make(map[string]float64)
	for _, b := range s.Layout() {
		weights[b.Name] = b.Weight
		total += b.Weight
	}
	want := map[string]float64{"image": .4, "artist": .2, "price": .1, "tags": .3}
	if diff := cmp.Diff(want, weights, cmpopts.EquateApprox(0, 1e-12)); diff != "" {
		t.Fatalf("weights (-want +got):\n%s", diff)
	}
	for i := range 50 {
		a, b := s.Embed(inputs[i]), s.Embed(inputs[i+100])
		blocks := s.Blocks(a, b)
		if len(blocks) != len(weights) {
			t.Fatalf("blocks of two whole items: %v", blocks)
		}
		var mean float64
		for name, cosine := range blocks {
			mean += weights[name] / total * float64(cosine)
		}
		if got := float64(vecmath.Dot(a, b)); math.Abs(got-mean) > 1e-5 {
			t.Errorf("cosine %v, weighted mean of blocks %v", got, mean)
		}
	}
}

func TestMissingBlocks(t *testing.T) {
	t.Parallel()
	inputs, _ := planted(200)
	s := mustFit(t, inputs, plantedSchema(), smallConfig())
	whole := inputs[0]
	cases := map[string]struct {
		in   Input
		want []string
	}{
		"all":                   {whole, []string{"artist", "image", "price", "tags"}},
		"no picture":            {Input{Attributes: whole.Attributes}, []string{"artist", "price", "tags"}},
		"picture only":          {Input{Image: whole.Image}, []string{"image"}},
		"unseen artist":         {with(Input{Image: whole.Image}, "artist", recsys.Labels("nobody")), []string{"image"}},
		"unknown attribute":     {with(Input{Image: whole.Image}, "colour", recsys.Labels("red")), []string{"image"}},
		"no labels":             {with(Input{Image: whole.Image}, "artist", recsys.Labels()), []string{"image"}},
		"other kind":            {with(Input{Image: whole.Image}, "price", recsys.Labels("9.99")), []string{"image"}},
		"picture of zeros":      {with(Input{Image: make([]float32, testRaw)}, "price", recsys.Number(2)), []string{"price"}},
		"picture too short":     {with(Input{Image: make([]float32, 3)}, "price", recsys.Number(2)), []string{"price"}},
		"picture with NaN":      {with(Input{Image: filled(testRaw, math.NaN())}, "price", recsys.Number(2)), []string{"price"}},
		"picture with infinity": {with(Input{Image: filled(testRaw, math.Inf(1))}, "price", recsys.Number(2)), []string{"price"}},
		"number NaN":            {with(Input{Image: whole.Image}, "price", recsys.Number(math.NaN())), []string{"image"}},
		"nothing":               {Input{}, nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := s.Embed(c.in)
			if c.want == nil {
				if v != nil {
					t.Fatalf("vector %v, want nil", v)
				}
				return
			}
			checkUnit(t, s, v)
			var got []string
			for block, cosine := range s.Blocks(v, v) {
				got = append(got, block)
				if cosine < .999 {
					t.Errorf("block %s: cosine with itself %v", block, cosine)
				}
			}
			slices.Sort(got)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("blocks (-want +got):\n%s", diff)
			}
		})
	}
}

func with(in Input, name string, a recsys.Attribute) Input {
	in.Attributes = map[string]recsys.Attribute{name: a}
	return in
}

func filled(n int, v float64) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(v)
	}
	return out
}

func TestEmbedIgnoresScaleOrderAndRepetition(t *testing.T) {
	t.Parallel()
	inputs, _ := planted(200)
	s := mustFit(t, inputs, plantedSchema(), smallConfig())
	want := s.Embed(inputs[0])
	tags := inputs[0].Attributes["tags"].Labels
	for _, factor := range []float32{1e-30, 1e-3, 1e3, 1e30} {
		in := Input{Image: slices.Clone(inputs[0].Image), Attributes: map[string]recsys.Attribute{
			"artist": inputs[0].Attributes["artist"], "price": inputs[0].Attributes["price"],
			"tags": recsys.Labels(tags[3], tags[1], tags[0], tags[2], tags[1]),
		}}
		for i := range in.Image {
			in.Image[i] *= factor
		}
		if got := s.Embed(in); vecmath.Dot(want, got) < .99999 {
			t.Errorf("factor %g: cosine %v, want 1", factor, vecmath.Dot(want, got))
		}
	}
}

func TestNearNumbersAndSameLabelsAreMoreSimilar(t *testing.T) {
	t.Parallel()
	inputs, _ := planted(300)
	s := mustFit(t, inputs, plantedSchema(), smallConfig())
	embed := func(name string, a recsys.Attribute) []float32 { return s.Embed(with(Input{}, name, a)) }
	at := embed("price", recsys.Number(10))
	last := float32(1.0001)
	for _, price := range []float64{10, 11, 13, 17, 25} {
		got := vecmath.Dot(at, embed("price", recsys.Number(price)))
		if got >= last {
			t.Errorf("similarity of 10 and %v is %v, not below that of the nearer price %v", price, got, last)
		}
		last = got
	}
	artist := func(a, b string) float32 {
		return vecmath.Dot(embed("artist", recsys.Labels(a)), embed("artist", recsys.Labels(b)))
	}
	if same, other := artist("artist 1", "artist 1"), artist("artist 1", "artist 2"); same < .999 || other > 0 {
		t.Errorf("same artist %v, want 1; another %v, want 0 or below", same, other)
	}
	tags := func(labels ...string) float32 {
		return vecmath.Dot(embed("tags", recsys.Labels("t0", "t1", "t2")), embed("tags", recsys.Labels(labels...)))
	}
	if three, two, none := tags("t0", "t1", "t2"), tags("t0", "t1", "t9"), tags("t12", "t13", "t14"); three < .999 || two > .9 || two < .3 || none > .3 {
		t.Errorf("three tags in common %v, two %v, none %v", three, two, none)
	}
}

func TestDegenerateCatalogues(t *testing.T) {
	t.Parallel()
	whole, _ := planted(150)
	labels := func(value string) map[string]recsys.Attribute {
		return map[string]recsys.Attribute{"artist": recsys.Labels(value), "price": recsys.Number(3)}
	}
	same := make([]Input, 150)
	for i := range same {
		same[i] = Input{Image: whole[0].Image, Attributes: labels("x")}
	}
	flat := slices.Clone(whole) // pictures that span two dimensions only
	for i := range flat {
		flat[i].Image = make([]float32, testRaw)
		flat[i].Image[i%2] = 1
	}
	cases := map[string][]Input{
		"one item":              whole[:1],
		"two items":             whole[:2],
		"all equal":             same,
		"no pictures":           {{Attributes: labels("a")}, {Attributes: labels("b")}},
		"pictures only":         {{Image: whole[0].Image}, {Image: whole[1].Image}},
		"pictures of zeros":     {{Image: make([]float32, testRaw), Attributes: labels("a")}},
		"two kinds of picture":  flat,
		"items without a thing": append([]Input{{}, {}}, whole[:3]...),
		"enormous numbers":      numbers(math.MaxFloat64, -math.MaxFloat64, 0, math.SmallestNonzeroFloat64),
		"half the numbers same": numbers(0, 0, 0, 0, 0, 7),
	}
	for name, inputs := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := mustFit(t, inputs, plantedSchema(), smallConfig())
			for i, in := range inputs {
				v := s.Embed(in)
				if absent := in.Image == nil && in.Attributes == nil; absent != (v == nil) {
					t.Fatalf("item %d: vector %v", i, v)
				}
				if v != nil {
					checkUnit(t, s, v)
				}
			}
			for _, in := range whole { // items of later, some of which this space knows nothing of
				if v := s.Embed(in); v != nil {
					checkUnit(t, s, v)
				}
			}
		})
	}
}

func numbers(values ...float64) []Input {
	var out []Input
	for _, v := range values {
		out = append(out, with(Input{}, "price", recsys.Number(v)))
	}
	return out
}

func TestFitRefuses(t *testing.T) {
	t.Parallel()
	inputs, _ := planted(3)
	bad := slices.Clone(inputs)
	bad[1] = with(Input{Image: filled(testRaw, math.NaN())}, "price", recsys.Number(math.Inf(-1)))
	short := slices.Clone(inputs)
	short[2].Image = make([]float32, 5)
	odd := smallConfig()
	odd.ImageDims, odd.ImagePower = 0, .7
	cases := map[string]struct {
		inputs []Input
		schema Schema
		config Config
		fields []string
	}{
		"settings":       {inputs, Schema{}, odd, []string{"image_dims", "image_power"}},
		"schema":         {inputs, Schema{Image: ImageRule{Weight: -1}}, smallConfig(), []string{"image.weight"}},
		"number":         {bad, Schema{}, smallConfig(), []string{"inputs[1].attributes.price"}},
		"picture":        {[]Input{inputs[0], {Image: bad[1].Image}}, Schema{}, smallConfig(), []string{"inputs[1].image"}},
		"picture length": {short, Schema{}, smallConfig(), []string{"inputs[2].image"}},
		"no block":       {[]Input{{}}, plantedSchema(), smallConfig(), []string{"schema"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Fit(context.Background(), c.inputs, c.schema, c.config)
			if !errors.Is(err, recsys.ErrInvalid) {
				t.Fatalf("error %v, want ErrInvalid", err)
			}
			if diff := cmp.Diff(c.fields, fieldsOf(err)); diff != "" {
				t.Errorf("fields (-want +got):\n%s", diff)
			}
		})
	}
}

// fieldsOf lists the fields of all FieldErrors in an error, in order.
func fieldsOf(err error) []string {
	var field *recsys.FieldError
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var out []string
		for _, e := range joined.Unwrap() {
			out = append(out, fieldsOf(e)...)
		}
		return out
	}
	if f, ok := err.(*recsys.FieldError); ok {
		return []string{f.Field}
	}
	if errors.As(err, &field) {
		return fieldsOf(errors.Unwrap(err))
	}
	return nil
}

func TestFitStopsWithItsContext(t *testing.T) {
	t.Parallel()
	inputs, _ := planted(150)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Fit(ctx, inputs, plantedSchema(), smallConfig()); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
}

func TestFitIsDeterministic(t *testing.T) {
	t.Parallel()
	inputs, _ := planted(300)
	first, _ := mustFit(t, inputs, plantedSchema(), smallConfig()).MarshalBinary()
	again, _ := mustFit(t, inputs, plantedSchema(), smallConfig()).MarshalBinary()
	if !slices.Equal(first, again) {
		t.Error("two fits to the same items differ")
	}
}

// A catalogue without pictures must take those of later items.
func TestEncoderDimsKeepThePictureBlock(t *testing.T) {
	t.Parallel()
	cfg := smallConfig()
	cfg.EncoderDims = testRaw
	s := mustFit(t, []Input{with(Input{}, "artist", recsys.Labels("a"))}, plantedSchema(), cfg)
	inputs, _ := planted(2)
	v := s.Embed(Input{Image: inputs[0].Image})
	if v == nil {
		t.Fatal("no vector for a picture")
	}
	checkUnit(t, s, v)
}

func TestManyLabelBlocksGetNarrower(t *testing.T) {
	t.Parallel()
	var schema Schema
	in := Input{Attributes: map[string]recsys.Attribute{}}
	for i := range maxEmbedded {
		name := strings.Repeat("a", i+1)
		schema.Attributes = append(schema.Attributes, AttributeRule{Name: name, Kind: recsys.KindLabels, Encoding: EncodingHash})
		in.Attributes[name] = recsys.Labels("v")
	}
	s := mustFit(t, []Input{in}, schema, ContentConfig())
	if want := ContentConfig().MaxAttributeDims; s.Dims() != want {
		t.Errorf("%d dimensions, want %d", s.Dims(), want)
	}
}

func TestContentSchema(t *testing.T) {
	t.Parallel()
	inputs, _ := planted(200)
	schema := plantedSchema()
	schema.Attributes = append(schema.Attributes, AttributeRule{Name: "sku", Kind: recsys.KindLabels, Use: UseStore})
	s := mustFit(t, inputs, ContentSchema(schema, inputs), ContentConfig())
	want := []Block{{"image", .1, 0, 64}, {"artist", .3, 64, 8}, {"price", .15, 72, 16}, {"tags", .45, 88, 256}}
	got := s.Layout()
	if diff := cmp.Diff(want, got, cmpopts.EquateApprox(0, 1e-12)); diff != "" {
		t.Errorf("layout (-want +got):\n%s", diff)
	}
	pictureless := ContentSchema(Schema{Image: ImageRule{Use: UseStore}, Attributes: schema.Attributes}, inputs)
	if image, _, _ := pictureless.weights(false); image != 0 {
		t.Errorf("a picture that is only stored weighs %v", image)
	}
}

func TestCheckNamesWhatEmbedPassesOver(t *testing.T) {
	t.Parallel()
	inputs, _ := planted(200)
	s := mustFit(t, inputs, plantedSchema(), smallConfig())
	if err := s.Check(inputs[0]); err != nil {
		t.Errorf("a fitted item: %v", err)
	}
	if err := s.Check(with(Input{}, "artist", recsys.Number(7))); err != nil {
		t.Errorf("a number for labels: %v", err)
	}
	err := s.Check(with(Input{Image: make([]float32, 5)}, "price", recsys.Text("cheap")))
	if diff := cmp.Diff([]string{"image", "attributes.price"}, fieldsOf(err)); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
}

func TestBootstrap(t *testing.T) {
	t.Parallel()
	s := Bootstrap(testRaw)
	if !s.Bootstrapped() || s.FittedOn() != 0 || s.Dims() != testRaw+256 {
		t.Errorf("bootstrapped %v, fitted on %d, %d dimensions", s.Bootstrapped(), s.FittedOn(), s.Dims())
	}
	inputs, _ := planted(2)
	checkUnit(t, s, s.Embed(inputs[0]))
	if v := s.Embed(with(Input{}, "item_id", recsys.Labels("7"))); v != nil {
		t.Errorf("an identifier alone has the vector %v", v)
	}
	a, b := s.Embed(with(Input{}, "x", recsys.Labels("v"))), s.Embed(with(Input{}, "y", recsys.Labels("v")))
	if vecmath.Dot(a, a) < .999 || vecmath.Dot(a, b) > .6 {
		t.Errorf("x=v and y=v: %v", vecmath.Dot(a, b))
	}
	if v := Bootstrap(-1).Embed(inputs[0]); v == nil {
		t.Error("without a picture block the labels must still count")
	}
}

func TestBlocksOfOtherVectors(t *testing.T) {
	t.Parallel()
	s := Bootstrap(testRaw)
	nan := filled(s.Dims(), math.NaN())
	for name, v := range map[string][]float32{"nil": nil, "short": {1}, "zeros": make([]float32, s.Dims()), "NaN": nan} {
		if got := s.Blocks(v, v); len(got) != 0 {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	inputs, _ := planted(120)
	s := mustFit(t, inputs, plantedSchema(), smallConfig())
	want := make([][]float32, len(inputs))
	for i := range inputs {
		want[i] = s.Embed(inputs[i])
	}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for i := range inputs {
				got := s.Embed(inputs[i])
				if !slices.Equal(want[i], got) {
					t.Errorf("item %d differs", i)
				}
				s.Blocks(got, want[0])
				if err := s.Check(inputs[i]); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
}

func BenchmarkEmbed(b *testing.B) {
	inputs, _ := planted(200)
	s := mustFit(b, inputs, plantedSchema(), smallConfig())
	b.ReportAllocs()
	for b.Loop() {
		s.Embed(inputs[0])
	}
}
