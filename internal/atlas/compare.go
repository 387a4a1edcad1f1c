package atlas

import (
	"context"
	"fmt"
	"strconv"

	"github.com/seed-473295a7/vitrine/internal/evaluate"
	"github.com/seed-473295a7/vitrine/internal/space"
)

// Side is one of two spaces that are compared, and the items as it reads them: two spaces may have
// encoders of their own.
type Side struct {
	Space  *space.Space
	Inputs []space.Input
}

// Comparison is P@10 of two spaces on the same queries: by label, and over all of them together.
type Comparison struct {
	Labels []LabelComparison
	All    LabelComparison
}

// LabelComparison is the mean of either side and the paired difference, second less first.
type LabelComparison struct {
	Name          string
	First, Second evaluate.Estimate
	Difference    evaluate.Estimate
}

// mostCompared bounds the items: every one is compared with every other.
const mostCompared = 3000

// Compare asks two spaces which labels their neighbours share, each label without its own block. The
// label that a picture's block was learned from is not asked about. A comparison without labels says
// that there is nothing to ask.
func Compare(ctx context.Context, first, second Side, seed uint64) (Comparison, error) {
	if len(first.Inputs) != len(second.Inputs) {
		return Comparison{}, fmt.Errorf("compare spaces: %d items and %d", len(first.Inputs), len(second.Inputs))
	}
	items := make([]Item, len(first.Inputs))
	for i := range items {
		items[i] = Item{ID: strconv.Itoa(i), Input: first.Inputs[i]}
	}
	items = Sample(items, mostCompared, seed)
	a, b := View{Name: "first", space: first.Space, vectors: make([][]float32, len(items))}, View{Name: "second", space: second.Space, vectors: make([][]float32, len(items))}
	for k, it := range items {
		i, _ := strconv.Atoi(it.ID) // made above
		a.vectors[k], b.vectors[k] = first.Space.Embed(first.Inputs[i]), second.Space.Embed(second.Inputs[i])
	}
	var out Comparison
	var before, after []float64
	for _, name := range usable(items) {
		if name == first.Space.Learned() || name == second.Space.Learned() || len(out.Labels) == mostLabels {
			continue
		}
		x, y, err := purities(ctx, a.without(name), b.without(name), name, items)
		if err != nil {
			return Comparison{}, err
		}
		if len(x) == 0 {
			continue
		}
		out.Labels = append(out.Labels, compared(name, x, y))
		before, after = append(before, x...), append(after, y...)
	}
	out.All = compared("", before, after)
	return out, nil
}

// purities are P@10 of two views on the queries of a label; none where too few items are seen by both.
func purities(ctx context.Context, a, b View, name string, items []Item) (first, second []float64, err error) {
	views, of := common([]View{a, b}, len(items))
	l := newLabel(name, items, of)
	if len(views) < 2 || l.queries() < leastQueries {
		return nil, nil, nil
	}
	x, err := purityOf(ctx, a, l, of)
	if err != nil {
		return nil, nil, err
	}
	y, err := purityOf(ctx, b, l, of)
	if err != nil {
		return nil, nil, err
	}
	return x.p10, y.p10, nil
}

func compared(name string, first, second []float64) LabelComparison {
	return LabelComparison{Name: name, First: evaluate.EstimateOf(first), Second: evaluate.EstimateOf(second), Difference: evaluate.Difference(second, first)}
}
