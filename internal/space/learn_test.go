package space

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

// styled makes n pictures whose direction is mostly noise that says nothing and a little of one
// of twenty styles, which the label names.
func styled(n int) (inputs []Input, groups []int) {
	r := rand.New(rand.NewPCG(3, 5))
	styles := make([][]float32, 20)
	for k := range styles {
		styles[k] = make([]float32, testRaw)
		copy(styles[k][32:], gaussian(r, 32, .5))
	}
	for range n {
		g := r.IntN(len(styles))
		picture := gaussian(r, testRaw, .3)
		vecmath.Axpy(3, gaussian(r, 32, 1), picture[:32]) // half of the encoder's output sees something else
		vecmath.Axpy(1, styles[g], picture)
		inputs = append(inputs, Input{Image: picture, Attributes: map[string]recsys.Attribute{"style": recsys.Labels(fmt.Sprint("style ", g))}})
		groups = append(groups, g)
	}
	return inputs, groups
}

func pictureOnly() Schema {
	return Schema{Attributes: []AttributeRule{{Name: "style", Kind: recsys.KindLabels, Use: UseStore}}}
}

func TestLearnSeesWhatTheLabelNames(t *testing.T) {
	t.Parallel()
	inputs, groups := styled(1600)
	plain := mustFit(t, inputs[:1200], pictureOnly(), DefaultConfig())
	learnt, report, err := Learn(t.Context(), plain, inputs[:1200], "style", 1)
	if err != nil || learnt == nil {
		t.Fatalf("%v, %+v, %v", learnt, report, err)
	}
	if report.Values != 20 || report.Items != 1200 || !report.Seen.better(3) || report.Unseen.Before-report.Unseen.After > report.Unseen.StdErr {
		t.Errorf("report: %+v", report)
	}
	fresh, of := inputs[1200:], groups[1200:]
	before, after := purity(plain, fresh, of), purity(learnt, fresh, of)
	if after < before+.1 {
		t.Errorf("P@10 of items that nothing was fitted to: %.3f, learned %.3f", before, after)
	}
	if learnt.Learned() != "style" || plain.Learned() != "" || learnt.Dims() != plain.Dims()+20 || learnt.FittedOn() != plain.FittedOn() {
		t.Errorf("learned from %q, %d dimensions beside %d", learnt.Learned(), learnt.Dims(), plain.Dims())
	}
	if err := learnt.Check(Input{Image: []float32{1}}); !errors.Is(err, recsys.ErrInvalid) {
		t.Errorf("a picture of another length: %v", err)
	}
	again, _, err := Learn(t.Context(), plain, inputs[:1200], "style", 1)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(learnt.Embed(inputs[3]), again.Embed(inputs[3])); diff != "" {
		t.Errorf("learned again (-first +second):\n%s", diff)
	}
}

// A label that pictures say nothing about must change nothing.
func TestLearnLeavesNoiseAlone(t *testing.T) {
	t.Parallel()
	inputs, _ := styled(1200)
	r := rand.New(rand.NewPCG(1, 1))
	for i := range inputs {
		inputs[i].Attributes = map[string]recsys.Attribute{"style": recsys.Labels(fmt.Sprint("style ", r.IntN(20)))}
	}
	learnt, report, err := Learn(t.Context(), mustFit(t, inputs, pictureOnly(), DefaultConfig()), inputs, "style", 1)
	if err != nil || learnt != nil || report.Weight != 0 || report.Seen.Before != report.Seen.After || report.Seen.Queries == 0 {
		t.Errorf("%v, %+v, %v", learnt, report, err)
	}
}

func TestLearnRefuses(t *testing.T) {
	t.Parallel()
	inputs, _ := styled(60)
	s := mustFit(t, inputs, pictureOnly(), DefaultConfig())
	for name, label := range map[string]string{"too few": "style", "no such label": "shape"} {
		if _, _, err := Learn(t.Context(), s, inputs, label, 1); !errors.Is(err, recsys.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	bare := mustFit(t, []Input{{Attributes: map[string]recsys.Attribute{"a": recsys.Labels("x")}}},
		Schema{Attributes: []AttributeRule{{Name: "a", Kind: recsys.KindLabels}}}, DefaultConfig())
	if _, _, err := Learn(t.Context(), bare, inputs, "style", 1); !errors.Is(err, recsys.ErrInvalid) {
		t.Errorf("without pictures: %v", err)
	}
}
