package space

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

func labelled(lists ...[]string) []Input {
	out := make([]Input, len(lists))
	for i, labels := range lists {
		out[i] = with(Input{}, "l", recsys.Labels(labels...))
	}
	return out
}

func TestFitLabelsChoosesTheCoder(t *testing.T) {
	t.Parallel()
	few := labelled([]string{"b", "b", "c"}, []string{"b", "a"}, []string{"c"}, []string{"b"})
	var many []Input
	for i := range 20 {
		many = append(many, labelled([]string{fmt.Sprintf("v%02d", i), "all"})...)
	}
	cfg := DefaultConfig()
	cfg.MaxOneHot, cfg.HashDims = 10, 32
	cases := map[string]struct {
		inputs   []Input
		encoding Encoding
		width    int
		values   []string // of a one-hot coder
		dims     int
	}{
		"most frequent first, ties by name":    {few, "", 100, []string{"b", "c", "a"}, 3},
		"many values are hashed":               {many, "", 100, nil, 32},
		"narrower than asked":                  {many, "", 20, nil, 20},
		"hashed by wish":                       {few, EncodingHash, 100, nil, 32},
		"one-hot by wish keeps the commonest":  {many, EncodingOneHot, 3, []string{"all", "v00", "v01"}, 3},
		"few values, but more than fit: hash":  {few, "", 2, nil, 2},
		"numbers are labels of their decimals": {[]Input{with(Input{}, "l", recsys.Number(1e8)), with(Input{}, "l", recsys.Number(.5))}, "", 9, []string{"0.5", "100000000"}, 2},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			coder, ok := fitLabels(AttributeRule{Name: "l", Encoding: c.encoding}, c.inputs, cfg, c.width)
			if !ok || coder.dims() != c.dims {
				t.Fatalf("ok %v, %d dimensions, want %d", ok, coder.dims(), c.dims)
			}
			var values []string
			if o, ok := coder.(*oneHot); ok {
				values = o.values
			}
			if diff := cmp.Diff(c.values, values); diff != "" {
				t.Errorf("values (-want +got):\n%s", diff)
			}
		})
	}
}

// Two sets of labels keep about the cosine of their one-hot vectors when hashed.
func TestHashKeepsCosines(t *testing.T) {
	t.Parallel()
	h := &hashed{name: "l", width: 256}
	code := func(from, to int) []float32 {
		var labels []string
		for i := from; i < to; i++ {
			labels = append(labels, fmt.Sprintf("label %d", i))
		}
		out := make([]float32, h.width)
		if in := with(Input{}, "l", recsys.Labels(labels...)); !h.code(&in, out) {
			t.Fatal("no code")
		}
		return out
	}
	var sum, squares float64
	const pairs = 400
	for i := range pairs {
		off := float64(vecmath.Dot(code(10*i, 10*i+6), code(10*i+3, 10*i+9))) - .5 // three of six in common
		sum += off / pairs
		squares += off * off / pairs
	}
	if sum < -.02 || sum > .02 || squares > .07*.07 {
		t.Errorf("cosine off by %.4f on average, %.5f squared; want 0 and at most .0049", sum, squares)
	}
}

// The places are part of the stored form: vectors computed by one release are compared with
// those of the next.
func TestHashNeverChanges(t *testing.T) {
	t.Parallel()
	places := func(width int, label string) map[int]float32 {
		out := make([]float32, width)
		addHash(out, hashString(hashStart, label))
		at := make(map[int]float32)
		for i, v := range out {
			if v != 0 {
				at[i] = v
			}
		}
		return at
	}
	want := []map[int]float32{{16: 1, 44: 1, 84: -1, 195: 1}, {29: -1, 87: -1, 141: 1, 182: 1},
		{1242: -1, 1340: 1, 2101: -1, 3997: 1}}
	got := []map[int]float32{places(256, ""), places(256, "animal"), places(4096, "żółw")}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("places (-want +got):\n%s", diff)
	}
}

func TestCodersOverwriteNothingElse(t *testing.T) {
	t.Parallel()
	in := with(Input{}, "l", recsys.Labels("a", "b", "a"))
	for _, c := range []coder{newOneHot("l", []string{"b", "x", "a"}), &hashed{name: "l", width: 40}, &allLabels{width: 40}} {
		out := make([]float32, c.dims())
		if !c.code(&in, out) || length(out) < .9999 || length(out) > 1.0001 {
			t.Errorf("%T: %v", c, out)
		}
		if diff := cmp.Diff([]string{"a", "b", "a"}, in.Attributes["l"].Labels); diff != "" {
			t.Errorf("%T changed its input", c)
		}
		again := make([]float32, c.dims())
		twice := with(Input{}, "l", recsys.Labels("b", "a"))
		if c.code(&twice, again); !slices.Equal(out, again) {
			t.Errorf("%T: repetition or order counts: %v, %v", c, out, again)
		}
	}
}
