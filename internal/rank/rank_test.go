package rank

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func items(list []Candidate) []uint32 {
	var out []uint32
	for _, c := range list {
		out = append(out, c.Item)
	}
	return out
}

func TestSortBreaksTiesByItem(t *testing.T) {
	t.Parallel()
	list := []Candidate{{Item: 9, Parts: Parts{Content: 1}}, {Item: 2, Parts: Parts{Collaborative: 1}}, {Item: 5, Parts: Parts{Popularity: 2}}}
	Sort(list)
	if diff := cmp.Diff([]uint32{5, 2, 9}, items(list)); diff != "" {
		t.Error(diff)
	}
}

// The slow twin: standardise both scores by hand and mix them.
func TestJoinContextEqualsTheFormula(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 1))
	var list []Candidate
	var personal, similarity []float64
	for i := range 50 {
		p := Parts{Content: r.NormFloat64(), Collaborative: 3 * r.NormFloat64(), Popularity: r.Float64()}
		list = append(list, Candidate{Item: uint32(i), Parts: p})
		personal = append(personal, p.Score())
		similarity = append(similarity, r.Float64())
	}
	const weight = .3
	JoinContext(list, similarity, weight)
	z := func(v []float64, i int) float64 {
		mean, variance := 0.0, 0.0
		for _, x := range v {
			mean += x / float64(len(v))
		}
		for _, x := range v {
			variance += (x - mean) * (x - mean) / float64(len(v))
		}
		return (v[i] - mean) / math.Sqrt(variance)
	}
	for i := range list {
		want := (1-weight)*z(personal, i) + weight*z(similarity, i)
		if diff := cmp.Diff(want, list[i].Parts.Score(), cmpopts.EquateApprox(0, 1e-9)); diff != "" {
			t.Errorf("candidate %d: %s", i, diff)
		}
	}
}

func TestJoinContextOfEqualsIsFinite(t *testing.T) {
	t.Parallel()
	list := []Candidate{{Item: 1, Parts: Parts{Content: 2}}, {Item: 2, Parts: Parts{Content: 2}}}
	JoinContext(list, []float64{.5, .5}, .5)
	for _, c := range list {
		if s := c.Parts.Score(); math.IsNaN(s) || math.IsInf(s, 0) {
			t.Errorf("item %d: score %v", c.Item, s)
		}
	}
	JoinContext(nil, nil, .5)
}

func TestDiversify(t *testing.T) {
	t.Parallel()
	// Three near-copies of one direction lead; the fourth points elsewhere.
	vectors := map[uint32][]float32{1: {1, 0}, 2: {1, 0}, 3: {1, 0}, 4: {0, 1}}
	list := func() []Candidate {
		return []Candidate{{1, Parts{Content: 1}}, {2, Parts{Content: .99}}, {3, Parts{Content: .98}}, {4, Parts{Content: .9}}, {5, Parts{}}}
	}
	vector := func(item uint32) []float32 { return vectors[item] }
	for name, test := range map[string]struct {
		diversity float64
		k         int
		want      []uint32
	}{
		"none keeps the order":                      {0, 3, []uint32{1, 2, 3}},
		"full brings the other direction":           {1, 3, []uint32{1, 4, 5}},
		"an item without a vector is like no other": {1, 5, []uint32{1, 4, 5, 2, 3}},
		"more than there are":                       {.5, 9, []uint32{1, 4, 2, 3, 5}},
		"nothing asked for":                         {.5, 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := Diversify(list(), test.k, test.diversity, vector)
			if diff := cmp.Diff(test.want, items(got)); diff != "" {
				t.Error(diff)
			}
			for i := 1; i < len(got); i++ {
				if got[i].Parts.Score() > got[i-1].Parts.Score()+1e-12 {
					t.Errorf("score rises at %d: %v after %v", i, got[i].Parts.Score(), got[i-1].Parts.Score())
				}
			}
		})
	}
}
