package atlas

import (
	"math/rand/v2"
	"testing"

	"github.com/seed-473295a7/vitrine/internal/space"
)

// inputsOf are what a space reads of items.
func inputsOf(items []Item) []space.Input {
	out := make([]space.Input, len(items))
	for i := range items {
		out[i] = items[i].Input
	}
	return out
}

func TestCompareTellsTheWorseSpace(t *testing.T) {
	t.Parallel()
	items := planted(600)
	inputs := inputsOf(items)
	good := fit(t, items, map[string]float64{"image": .8, "maker": .2})
	bad := fit(t, items, map[string]float64{"image": .1, "room": .9})
	found, err := Compare(t.Context(), Side{good, inputs}, Side{bad, inputs}, 1)
	if err != nil || len(found.Labels) != 3 || found.All.Difference.Mean > -5*found.All.Difference.StdErr {
		t.Errorf("%+v, %v; want three labels and a clear loss", found, err)
	}
	same, err := Compare(t.Context(), Side{good, inputs}, Side{good, inputs}, 1)
	if err != nil || same.All.Difference.Mean != 0 || same.All.First.Mean != same.All.Second.Mean || same.All.Difference.N == 0 {
		t.Errorf("%+v, %v; want no difference", same, err)
	}
	// Another encoder's outputs, which say nothing, are seen to.
	blind := make([]space.Input, len(inputs))
	for i, other := range rand.New(rand.NewPCG(1, 2)).Perm(len(inputs)) {
		blind[i] = inputs[other]
		blind[i].Attributes = inputs[i].Attributes
	}
	found, err = Compare(t.Context(), Side{good, inputs}, Side{good, blind}, 1)
	if err != nil || found.All.Difference.Mean > -5*found.All.Difference.StdErr {
		t.Errorf("%+v, %v; want a clear loss", found, err)
	}
	if _, err := Compare(t.Context(), Side{good, inputs}, Side{good, inputs[:5]}, 1); err == nil {
		t.Error("sides of different items are compared")
	}
	none, err := Compare(t.Context(), Side{good, inputs[:20]}, Side{bad, inputs[:20]}, 1)
	if err != nil || len(none.Labels) != 0 || none.All.Difference.N != 0 {
		t.Errorf("%+v, %v; want nothing to ask about", none, err)
	}
}
