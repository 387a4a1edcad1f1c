package space

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

func gallerySchema() Schema {
	return Schema{
		Image: ImageRule{Use: UseEmbed, Weight: .4, Reason: "what text and attributes leave"},
		Text:  TextRule{Use: UseEmbed, Weight: .15, Reason: "title and description of 90 of 100 items"},
		Attributes: []AttributeRule{
			{Name: "artist", Kind: recsys.KindLabels, Use: UseEmbed, Encoding: EncodingHash, Weight: .1, Reason: "319 values, one per item; more than 256 are hashed"},
			{Name: "keywords: free", Kind: recsys.KindLabels, Use: UseEmbed, Encoding: EncodingOneHot, Weight: .4},
			{Name: "2020", Kind: recsys.KindNumber, Use: UseEmbed, Encoding: EncodingLog, Weight: 1e-5, Reason: "# not a comment"},
			{Name: "yes", Kind: recsys.KindNumber, Use: UseEmbed, Encoding: EncodingRobust},
			{Name: "- note", Kind: recsys.KindText, Use: UseStore, Reason: "free text"},
			{Name: "żółw \"a\" 'b' \\ é", Kind: recsys.KindLabels, Use: UseStore},
		},
	}
}

func TestSchemaFile(t *testing.T) {
	t.Parallel()
	got, err := gallerySchema().YAML()
	if err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "schema.yaml")
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", golden, diff)
	}
	back, err := ParseSchema(got)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(gallerySchema(), back); diff != "" {
		t.Errorf("read back (-want +got):\n%s", diff)
	}
}

func TestParseSchemaFillsIn(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		file string
		want Schema
	}{
		"empty":         {"", Schema{}},
		"comments only": {"# nothing\n", Schema{}},
		"names and kinds": {"attributes:\n- {name: a, kind: labels}\n- {name: b, kind: number, weight: 1e-1}\n- {name: c, kind: text}\n",
			Schema{Attributes: []AttributeRule{{Name: "a", Kind: recsys.KindLabels}, {Name: "b", Kind: recsys.KindNumber, Weight: .1}, {Name: "c", Kind: recsys.KindText}}}},
		"picture left out": {"image:\n  use: store\nattributes:\n", Schema{Image: ImageRule{Use: UseStore}}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := ParseSchema([]byte(c.file))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("schema (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseSchemaReportsAllFaults(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		file   string
		fields []string
	}{
		"every kind of fault": {`
version: 2
imagee: {}
image: {use: maybe, weight: -1, colour: red}
text: {use: perhaps, weight: 0, language: en}
attributes:
  - {name: a, kind: labels, weight: heavy}
  - {name: a, kind: number, encoding: hash}
  - {kind: colour, use: embed}
  - {name: b, kind: text, use: embed}
  - {name: image, kind: labels}
  - {name: c, kind: number, weight: 0}
  - {name: 7, kind: [labels]}
  - just text
`, []string{"imagee", "version", "image.colour", "text.language", "text.weight", "attributes[0].weight", "attributes[5].weight",
			"attributes[6].name", "attributes[6].kind", "attributes[7]", "image.use", "image.weight", "text.use",
			"attributes[1].encoding", "attributes[1].name", "attributes[2].name", "attributes[2].kind",
			"attributes[3].use", "attributes[4].use"}},
		"not a mapping":       {"- a\n- b\n", []string{"schema"}},
		"not a list":          {"attributes: {a: b}\n", []string{"attributes"}},
		"not YAML":            {"attributes: [", []string{"schema"}},
		"a key twice":         {"image: {}\nimage: {}\n", []string{"schema"}},
		"weights beyond":      {"image: {weight: .inf}\nattributes: [{name: a, kind: number, weight: 1e300}]\n", []string{"image.weight", "attributes[0].weight"}},
		"not a number":        {"image: {weight: .nan}\n", []string{"image.weight"}},
		"aliases":             {"a: &x 1\nb: *x\n", []string{"schema"}},
		"two documents":       {"version: 1\n---\nversion: 1\n", []string{"schema"}},
		"nested":              {strings.Repeat("[", 100_000), []string{"schema"}},
		"nested another way":  {strings.Repeat("- ", 100_000), []string{"schema"}},
		"not UTF-8":           {"version: \xff\n", []string{"schema"}},
		"too long":            {strings.Repeat("#", 2<<20), []string{"schema"}},
		"control characters":  {`attributes: [{name: "a\u0007", kind: labels, reason: "two\nlines"}]`, []string{"attributes[0].name", "attributes[0].reason"}},
		"too many take part":  {"attributes:\n" + manyAttributes(65), []string{"attributes"}},
		"name of a long line": {"attributes: [{name: " + strings.Repeat("x", 129) + ", kind: labels}]", []string{"attributes[0].name"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := ParseSchema([]byte(c.file))
			if !errors.Is(err, recsys.ErrInvalid) {
				t.Fatalf("error %v, want ErrInvalid", err)
			}
			if diff := cmp.Diff(c.fields, fieldsOf(err)); diff != "" {
				t.Errorf("fields (-want +got):\n%s\n%v", diff, err)
			}
		})
	}
}

func manyAttributes(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString("- {name: a" + strings.Repeat("a", i) + ", kind: labels}\n")
	}
	return b.String()
}

func TestFaultsStayShort(t *testing.T) {
	t.Parallel()
	file := "image: {use: " + strings.Repeat("x", 400_000) + "}\n" + strings.Repeat("x", 400_000) + ": 1\nattributes:\n" + strings.Repeat("- 1\n", 1900)
	_, err := ParseSchema([]byte(file))
	if err == nil || len(err.Error()) > 100_000 {
		t.Errorf("an error of %d bytes", len(err.Error()))
	}
}

func TestWeights(t *testing.T) {
	t.Parallel()
	number := AttributeRule{Name: "n", Kind: recsys.KindNumber}
	labels := AttributeRule{Name: "l", Kind: recsys.KindLabels}
	hash := AttributeRule{Name: "h", Kind: recsys.KindLabels, Encoding: EncodingHash}
	heavy := AttributeRule{Name: "w", Kind: recsys.KindLabels, Weight: 3}
	stored := AttributeRule{Name: "s", Kind: recsys.KindLabels, Use: UseStore, Weight: 5}
	type weights struct {
		Image, Text float64
		Attributes  []float64
	}
	cases := map[string]struct {
		schema Schema
		texts  bool
		want   weights
	}{
		"picture alone":     {Schema{}, false, weights{1, 0, []float64{}}},
		"picture and text":  {Schema{}, true, weights{.75, .25, []float64{}}},
		"defaults":          {Schema{Attributes: []AttributeRule{number, labels, hash}}, false, weights{.6, 0, []float64{.05, .1, .25}}},
		"and text":          {Schema{Attributes: []AttributeRule{number, labels, hash}}, true, weights{.35, .25, []float64{.05, .1, .25}}},
		"a quarter is kept": {Schema{Attributes: []AttributeRule{heavy}}, false, weights{1, 0, []float64{3}}},
		"stored ones":       {Schema{Attributes: []AttributeRule{stored, labels}}, false, weights{.9, 0, []float64{0, .1}}},
		"given": {Schema{Image: ImageRule{Weight: 2}, Text: TextRule{Weight: .5}, Attributes: []AttributeRule{heavy}}, true,
			weights{2, .5, []float64{3}}},
		"no texts":   {Schema{Text: TextRule{Use: UseEmbed, Weight: .5}}, false, weights{1, 0, []float64{}}},
		"stored":     {Schema{Text: TextRule{Use: UseStore, Weight: .5}}, true, weights{1, 0, []float64{}}},
		"no picture": {Schema{Image: ImageRule{Use: UseStore, Weight: 2}, Attributes: []AttributeRule{labels}}, false, weights{0, 0, []float64{.1}}},
	}
	for name, c := range cases {
		var got weights
		got.Image, got.Text, got.Attributes = c.schema.weights(c.texts)
		if diff := cmp.Diff(c.want, got, cmpopts.EquateApprox(0, 1e-9)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestConfigsValidate(t *testing.T) {
	t.Parallel()
	if err := errors.Join(DefaultConfig().Validate(), ContentConfig().Validate(), DefaultInferConfig().Validate()); err != nil {
		t.Errorf("defaults: %v", err)
	}
	want := []string{"encoder_dims", "image_dims", "text_dims", "min_pictures", "max_onehot", "hash_dims", "max_attribute_dims", "image_power"}
	if diff := cmp.Diff(want, fieldsOf(Config{EncoderDims: -1, ImagePower: -1}.Validate())); diff != "" {
		t.Errorf("Config (-want +got):\n%s", diff)
	}
	want = []string{"max_onehot", "max_embedded", "min_items", "min_coverage", "near_unique"}
	if diff := cmp.Diff(want, fieldsOf(InferConfig{MaxEmbedded: -1, MinCoverage: 2}.Validate())); diff != "" {
		t.Errorf("InferConfig (-want +got):\n%s", diff)
	}
}

// What is accepted can be written, and reads back as itself.
func FuzzParseSchema(f *testing.F) {
	whole, err := gallerySchema().YAML()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(whole))
	f.Add("attributes:\n- {name: \"a\\tb\", kind: labels, weight: 1e3, reason: '~'}\n")
	f.Add("text: {weight: .5, reason: why}\n")
	f.Add("image: {use: store}\nattributes: [{name: null, kind: text}]\n")
	f.Add("version: 0x1\nimage:\n  weight: 1_0\nattributes:\n  - name: |\n      a\n    kind: number\n    encoding: log\n")
	f.Fuzz(func(t *testing.T, file string) {
		s, err := ParseSchema([]byte(file))
		if err != nil {
			if !errors.Is(err, recsys.ErrInvalid) || len(fieldsOf(err)) == 0 {
				t.Fatalf("error %v names no field", err)
			}
			return
		}
		written, err := s.YAML()
		if err != nil {
			t.Fatalf("write %+v: %v", s, err)
		}
		back, err := ParseSchema(written)
		if err != nil {
			t.Fatalf("read back: %v\n%s", err, written)
		}
		if diff := cmp.Diff(spelled(s), spelled(back)); diff != "" {
			t.Fatalf("read back (-want +got):\n%s", diff)
		}
	})
}

// spelled writes the uses out, as YAML does.
func spelled(s Schema) Schema {
	use := func(embed bool) Use {
		if embed {
			return UseEmbed
		}
		return UseStore
	}
	out := Schema{Image: s.Image, Text: s.Text}
	out.Image.Use = use(s.Image.Use != UseStore)
	if s.Text != (TextRule{}) {
		out.Text.Use = use(s.Text.Use != UseStore)
	}
	for _, r := range s.Attributes {
		r.Use = use(r.Embedded())
		out.Attributes = append(out.Attributes, r)
	}
	return out
}
