package atlas

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-473295a7/vitrine/internal/evaluate"
	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/space"
	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

const plantedKinds = 6

// planted is a catalogue of kinds that show in the encoder's output, in the maker of four items in
// five, and not at all in the pixels or in the room.
func planted(n int) []Item {
	random := rand.New(rand.NewPCG(5, 6))
	directions := make([][]float32, plantedKinds)
	for k := range directions {
		directions[k] = normal(random, 32)
	}
	items := make([]Item, n)
	for i := range items {
		kind := i % plantedKinds
		output := normal(random, 32)
		vecmath.Axpy(.45, directions[kind], output)
		maker := kind
		if random.IntN(5) == 0 {
			maker = random.IntN(plantedKinds)
		}
		pixels := make([]byte, 3*side*side)
		for j := range pixels {
			pixels[j] = byte(random.IntN(256))
		}
		items[i] = Item{ID: fmt.Sprint("item ", i), Title: fmt.Sprintf("<b>%d & more</b>", i), Picture: &Picture{Pixels: pixels, Width: 40, Height: 60},
			Input: space.Input{Image: output, Attributes: map[string]recsys.Attribute{
				"kind":  recsys.Labels(fmt.Sprint("kind ", kind)),
				"maker": recsys.Labels(fmt.Sprint("maker ", maker)),
				"room":  recsys.Labels(fmt.Sprint("room ", random.IntN(3))),
				"price": recsys.Number(random.Float64()),
			}}}
	}
	return items
}

func normal(random *rand.Rand, n int) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(random.NormFloat64())
	}
	return out
}

func fit(t *testing.T, items []Item, weights map[string]float64) *space.Space {
	t.Helper()
	schema := space.Schema{Image: space.ImageRule{Use: space.UseEmbed, Weight: weights["image"]}}
	if weights["image"] == 0 {
		schema.Image.Use = space.UseStore
	}
	inputs := make([]space.Input, len(items))
	for i := range items {
		inputs[i] = items[i].Input
	}
	for _, name := range []string{"kind", "maker", "room"} {
		rule := space.AttributeRule{Name: name, Kind: recsys.KindLabels, Weight: weights[name]}
		if rule.Weight == 0 {
			rule.Use = space.UseStore
		}
		schema.Attributes = append(schema.Attributes, rule)
	}
	s, err := space.Fit(t.Context(), inputs, schema, space.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func run(t *testing.T, items []Item, spaces []NamedSpace, o Options) *Report {
	t.Helper()
	o.Seed = 1
	r, err := Run(t.Context(), items, spaces, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// metric looks a figure up.
func metric(t *testing.T, l LabelReport, view, name string) evaluate.Metric {
	t.Helper()
	for _, v := range l.Views {
		for _, m := range v.Metrics {
			if v.Name == view && m.Name == name {
				return m
			}
		}
	}
	t.Fatalf("%s of %s was not measured", name, view)
	return evaluate.Metric{}
}

func TestRunFindsWhatIsPlanted(t *testing.T) {
	t.Parallel()
	items := planted(360)
	r := run(t, items, []NamedSpace{{"whole", fit(t, items, map[string]float64{"image": .6, "kind": .2, "maker": .2})},
		{"astray", fit(t, items, map[string]float64{"room": 1})}}, Options{Labels: []string{"kind"}})
	kind := r.Labels[0]
	chance := 1.0 / plantedKinds
	for _, name := range []string{MetricP10, MetricProbe} {
		if m := metric(t, kind, viewPixels, name); m.Mean > chance+4*m.StdErr {
			t.Errorf("%s of noise is %.3f ± %.3f, want chance, %.3f", name, m.Mean, m.StdErr, chance)
		}
		encoder, whole := metric(t, kind, viewEncoder, name), metric(t, kind, "whole", name)
		if encoder.Mean < 2*chance || whole.Mean < encoder.Mean+.02 || whole.Mean > .99 {
			t.Errorf("%s: encoder %.3f, with the maker %.3f: want well above chance, well above that, and not the label itself", name, encoder.Mean, whole.Mean)
		}
	}
	if d := metric(t, kind, "astray", MetricP10).Difference; d == nil || d.Mean > -3*d.StdErr {
		t.Errorf("a space that looks at rooms differs by %v, want clearly worse", d)
	}
	if got := r.Maps[1].Explained; got[0] < got[1] || got[1] < got[2] || got[2] <= 0 {
		t.Errorf("explained variance %v, want descending and positive", got)
	}
	if want := []string{"kind", "maker", "room"}; !cmp.Equal(usable(items), want) {
		t.Errorf("usable labels %v, want %v", usable(items), want)
	}
}

func TestOutliersAreListed(t *testing.T) {
	t.Parallel()
	items := planted(120)
	stray := rand.New(rand.NewPCG(0, 9)) // a picture of no kind, by a maker of nothing else
	items[17].Input = space.Input{Image: normal(stray, 32), Attributes: map[string]recsys.Attribute{"kind": recsys.Labels("kind 1"), "maker": recsys.Labels("nobody")}}
	s := fit(t, items, map[string]float64{"image": .5, "maker": .5})
	r := run(t, items, []NamedSpace{{"s", s}}, Options{Labels: []string{"kind"}})
	if len(r.Outliers) != mostOutliers || r.Outliers[0].ItemID != items[17].ID {
		t.Errorf("the stray item is not the first of %+v", r.Outliers)
	}
	for k := range r.Outliers[1:] {
		if r.Outliers[k].Similarity > r.Outliers[k+1].Similarity {
			t.Errorf("%+v comes before %+v", r.Outliers[k], r.Outliers[k+1])
		}
	}
}

func TestRunIsReproducible(t *testing.T) {
	t.Parallel()
	items := planted(120)
	spaces := []NamedSpace{{"a", fit(t, items, map[string]float64{"image": .7, "maker": .3})}}
	first := run(t, items, spaces, Options{})
	slices.Reverse(items)
	second := run(t, items, spaces, Options{})
	var pages [2]bytes.Buffer
	for k, r := range []*Report{first, second} {
		if err := errors.Join(r.WriteHTML(&pages[k]), r.WriteJSON(&pages[k])); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(pages[0].Bytes(), pages[1].Bytes()) {
		t.Error("another order of items gives another report")
	}
	if strings.Contains(pages[0].String(), "<b>0 &") {
		t.Error("a title stands in the page unescaped")
	}
}

func TestReportAsTableAndPictures(t *testing.T) {
	t.Parallel()
	items := planted(120)
	items[3].Picture = nil
	r := run(t, items, []NamedSpace{{"my space", fit(t, items, map[string]float64{"image": .7, "maker": .3})}}, Options{Labels: []string{"kind"}})
	var table bytes.Buffer
	if err := r.WriteTable(&table); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"my space: ", "kind: 6 values, 119 queries among 119 items", "probe accuracy", "hubness", "principal components explain"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, table.String())
		}
	}
	folder := filepath.Join(t.TempDir(), "new")
	if err := r.WritePNGs(folder); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"my-space-map.png", "my-space-pictures.png", "neighbours.png"} {
		file, err := os.Open(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := png.Decode(file); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		file.Close()
	}
}

func TestRunRefuses(t *testing.T) {
	t.Parallel()
	items := planted(120)
	spaces := []NamedSpace{{"a", fit(t, items, map[string]float64{"image": 1})}}
	for name, run := range map[string]func() error{
		"too few items": func() error { _, err := Run(t.Context(), items[:20], spaces, Options{}); return err },
		"no such label": func() error {
			_, err := Run(t.Context(), items, spaces, Options{Labels: []string{"colour"}})
			return err
		},
		"cancelled": func() error {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			_, err := Run(ctx, items, spaces, Options{})
			return err
		},
	} {
		if err := run(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestWithoutIsAFitWithout holds leaving a block out of vectors against a space that never had it.
func TestWithoutIsAFitWithout(t *testing.T) {
	t.Parallel()
	items := planted(120)
	with := spaceViews(NamedSpace{"with", fit(t, items, map[string]float64{"image": .5, "maker": .3, "room": .2})}, items)[0].without("room")
	never := spaceViews(NamedSpace{"never", fit(t, items, map[string]float64{"image": .5, "maker": .3})}, items)[0]
	for i := range items {
		for j := range i {
			got := vecmath.Dot(with.vectors[i], with.vectors[j])
			want := vecmath.Dot(never.vectors[i], never.vectors[j])
			if math.Abs(float64(got-want)) > 1e-5 {
				t.Fatalf("cosine of %d and %d is %v, want %v", i, j, got, want)
			}
		}
	}
}
