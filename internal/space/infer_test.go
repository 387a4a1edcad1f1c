package space

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

type choice struct {
	Use      Use
	Encoding Encoding
	Weight   float64
}

func choices(s Schema) map[string]choice {
	out := make(map[string]choice)
	for _, r := range s.Attributes {
		out[r.Name] = choice{r.Use, r.Encoding, r.Weight}
	}
	return out
}

func items(n int, attributes func(i int, r *rand.Rand) map[string]recsys.Attribute) []Input {
	r := rand.New(rand.NewPCG(13, 17))
	out := make([]Input, n)
	for i := range out {
		out[i].Attributes = attributes(i, r)
	}
	return out
}

// films look like MovieLens with IMDb's columns.
func films() []Input {
	genres := []string{"Drama", "Comedy", "War", "Action", "Thriller", "Romance"}
	return items(500, func(i int, r *rand.Rand) map[string]recsys.Attribute {
		list := []string{genres[r.IntN(6)]}
		if other := genres[r.IntN(6)]; other != list[0] {
			list = append(list, other)
		}
		return map[string]recsys.Attribute{
			"year": recsys.Number(float64(1999 + r.IntN(20))), "genres": recsys.Labels(list...),
			"imdb_id": recsys.Labels(fmt.Sprintf("tt%07d", i)), "tmdb_id": recsys.Number(float64(r.IntN(400_000))),
			"imdb_score": recsys.Number(math.Round(10*(6+r.NormFloat64()))/10 + .05),
		}
	})
}

// cliparts look like openclipart.
func cliparts() []Input {
	return items(800, func(i int, r *rand.Rand) map[string]recsys.Attribute {
		var keywords []string
		for range 1 + r.IntN(6) {
			keywords = append(keywords, fmt.Sprintf("word %d", int(600*math.Pow(r.Float64(), 2))))
		}
		return map[string]recsys.Attribute{
			"category": recsys.Labels(fmt.Sprintf("category %d", r.IntN(16))), "keywords": recsys.Labels(keywords...),
			"artist": recsys.Labels(fmt.Sprintf("artist %d", int(319*math.Pow(r.Float64(), 3)))),
			"width":  recsys.Number(float64(100 + r.IntN(156))), "height": recsys.Number(256),
			"source_path": recsys.Labels(fmt.Sprintf("animals/%d.png", i)),
		}
	})
}

func TestInferSortsTheColumnsOfRealCatalogues(t *testing.T) {
	t.Parallel()
	store := choice{Use: UseStore}
	cases := map[string]struct {
		inputs []Input
		image  float64
		want   map[string]choice
	}{
		"films": {films(), .65, map[string]choice{
			"genres": {UseEmbed, EncodingOneHot, .25}, "year": {UseEmbed, EncodingRobust, .05},
			"imdb_score": {UseEmbed, EncodingRobust, .05}, "imdb_id": store, "tmdb_id": store,
		}},
		"cliparts": {cliparts(), .4, map[string]choice{
			"category": {UseEmbed, EncodingOneHot, .1}, "artist": {UseEmbed, EncodingOneHot, .1},
			"keywords": {UseEmbed, EncodingHash, .4}, "width": store, "height": store, "source_path": store,
		}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := Infer(c.inputs, DefaultInferConfig())
			if diff := cmp.Diff(c.want, choices(got)); diff != "" {
				t.Errorf("choices (-want +got):\n%s", diff)
			}
			if got.Image.Use != UseEmbed || got.Image.Weight != c.image {
				t.Errorf("picture %+v, want weight %v", got.Image, c.image)
			}
			for _, r := range got.Attributes {
				if r.Reason == "" {
					t.Errorf("%s: no reason", r.Name)
				}
			}
			if err := got.Validate(); err != nil {
				t.Error(err)
			}
			mustFit(t, c.inputs, got, DefaultConfig())
		})
	}
}

func TestInferByColumn(t *testing.T) {
	t.Parallel()
	embedNumber := choice{UseEmbed, EncodingRobust, .05}
	embedLabel := choice{UseEmbed, EncodingOneHot, .1}
	cases := map[string]struct {
		name  string
		value func(i int, r *rand.Rand) recsys.Attribute
		n     int
		want  choice
	}{
		"price with cents, all different": {"price", func(i int, r *rand.Rand) recsys.Attribute { return recsys.Number(5 + float64(i)*.37) }, 100, embedNumber},
		"prices over decades":             {"price", func(i int, r *rand.Rand) recsys.Attribute { return recsys.Number(math.Exp(r.NormFloat64() * 1.5)) }, 100, choice{UseEmbed, EncodingLog, .05}},
		"serial number":                   {"stock", func(i int, _ *rand.Rand) recsys.Attribute { return recsys.Number(float64(1000 + i)) }, 100, choice{Use: UseStore}},
		"id in capitals":                  {"Shop_ID", func(i int, _ *rand.Rand) recsys.Attribute { return recsys.Labels("a", "b") }, 100, choice{Use: UseStore}},
		"only id":                         {"id", func(i int, _ *rand.Rand) recsys.Attribute { return recsys.Number(float64(i % 3)) }, 100, choice{Use: UseStore}},
		"not an id":                       {"grid", func(i int, _ *rand.Rand) recsys.Attribute { return recsys.Labels([]string{"a", "b"}[i%2]) }, 100, embedLabel},
		"size of a shoe as a label":       {"size", func(i int, _ *rand.Rand) recsys.Attribute { return recsys.Labels([]string{"S", "M", "L"}[i%3]) }, 100, embedLabel},
		"size of a file":                  {"file-size", func(i int, r *rand.Rand) recsys.Attribute { return recsys.Number(r.Float64()) }, 100, choice{Use: UseStore}},
		"picture's block":                 {"image", func(i int, _ *rand.Rand) recsys.Attribute { return recsys.Labels([]string{"a", "b"}[i%2]) }, 100, choice{Use: UseStore}},
		"constant":                        {"shop", func(int, *rand.Rand) recsys.Attribute { return recsys.Labels("ours") }, 100, choice{Use: UseStore}},
		"constant number":                 {"tax", func(int, *rand.Rand) recsys.Attribute { return recsys.Number(.2) }, 100, choice{Use: UseStore}},
		"free text":                       {"story", func(i int, _ *rand.Rand) recsys.Attribute { return recsys.Text(fmt.Sprint("once ", i%2)) }, 100, choice{Use: UseStore}},
		"unique labels, too few to tell":  {"place", func(i int, _ *rand.Rand) recsys.Attribute { return recsys.Labels(fmt.Sprint("p", i)) }, 10, embedLabel},
		"unique labels":                   {"place", func(i int, _ *rand.Rand) recsys.Attribute { return recsys.Labels(fmt.Sprint("p", i)) }, 100, choice{Use: UseStore}},
		"labels, now and then two": {"maker", func(i int, _ *rand.Rand) recsys.Attribute {
			return recsys.Labels([]string{"a", "b", "c"}[:1+i%20/19]...)
		}, 100, embedLabel},
		"numbers and labels are labels": {"volume", func(i int, _ *rand.Rand) recsys.Attribute {
			return either(i%2 == 0, recsys.Number(7), recsys.Labels("x"))
		}, 100, embedLabel},
		"one of two hundred has it": {"rare", func(i int, _ *rand.Rand) recsys.Attribute {
			return either(i%200 < 2, recsys.Labels(fmt.Sprint(i)), recsys.Attribute{})
		}, 400, choice{Use: UseStore}},
		"numbers that are not finite only": {"broken", func(int, *rand.Rand) recsys.Attribute { return recsys.Number(math.NaN()) }, 100, choice{Use: UseStore}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inputs := items(c.n, func(i int, r *rand.Rand) map[string]recsys.Attribute {
				return map[string]recsys.Attribute{c.name: c.value(i, r)}
			})
			got := Infer(inputs, DefaultInferConfig())
			if diff := cmp.Diff(map[string]choice{c.name: c.want}, choices(got)); diff != "" {
				t.Errorf("choice (-want +got):\n%s\nreason: %s", diff, got.Attributes[0].Reason)
			}
		})
	}
}

func either(first bool, a, b recsys.Attribute) recsys.Attribute {
	if first {
		return a
	}
	return b
}

func TestInferBoundsWhatTakesPart(t *testing.T) {
	t.Parallel()
	inputs := items(100, func(i int, r *rand.Rand) map[string]recsys.Attribute {
		out := map[string]recsys.Attribute{"bad\x00name": recsys.Labels("a")}
		for k := range 50 {
			if k < 10 || i%2 == 0 { // a00..a09 are on all items
				out[fmt.Sprintf("a%02d", k)] = recsys.Labels(fmt.Sprint(r.IntN(5)))
			}
		}
		return out
	})
	cfg := DefaultInferConfig()
	cfg.MaxEmbedded = 10
	got := Infer(inputs, cfg)
	var total float64
	for i, r := range got.Attributes {
		total += r.Weight
		if embedded := i < 10; r.Embedded() != embedded || r.Name != fmt.Sprintf("a%02d", i) {
			t.Errorf("attribute %d: %+v", i, r)
		}
	}
	if len(got.Attributes) != 50 || math.Abs(total-.6) > 1e-9 || math.Abs(got.Image.Weight-.4) > 1e-9 {
		t.Errorf("%d attributes weigh %v, the picture %v", len(got.Attributes), total, got.Image.Weight)
	}
}

func TestInferOfNothing(t *testing.T) {
	t.Parallel()
	want := Schema{Image: ImageRule{Use: UseEmbed, Weight: 1, Reason: "what the attributes leave"}}
	if diff := cmp.Diff(want, Infer(nil, DefaultInferConfig())); diff != "" {
		t.Errorf("schema (-want +got):\n%s", diff)
	}
}
