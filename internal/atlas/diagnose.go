package atlas

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/seed-473295a7/vitrine/internal/evaluate"
	"github.com/seed-473295a7/vitrine/internal/space"
	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

// LeftOut is what becomes of neighbours when a space loses one block.
type LeftOut struct {
	Space string `json:"space"`
	Block string `json:"block"`
	Label string `json:"label"`
	// Change is the paired difference of P@10: the space without the block less the space with it.
	// Above zero, the block makes neighbours worse.
	Change evaluate.Estimate `json:"change"`
}

// Where a figure begins to be worth a warning.
const (
	hubby       = 2.   // hubness
	flat        = 1.2  // distance contrast
	muchAlike   = .1   // twins
	muchNothing = .5   // zero cosines
	dominates   = .8   // share of the similarity's variance
	idle        = .005 // …
	notable     = .03  // share of the weights
	often       = .02  // unseen values, wrong kinds
	givesAway   = .95  // share of the items whose label another attribute tells
)

// most pairs and items that diagnostics look at: both bound time, not what is found.
const mostPairs, mostLeftOut = 20_000, 2000

// diagnose looks at the blocks of every space.
func (r *runner) diagnose(ctx context.Context) error {
	for k := range r.spaces {
		r.blocks(&r.report.Spaces[k], r.spaces[k])
	}
	for _, l := range r.report.Labels {
		for k, s := range r.spaces {
			r.Progress("leave blocks out: "+l.Name, k, len(r.spaces))
			if err := r.leaveOut(ctx, s, l.Name); err != nil {
				return err
			}
		}
		r.Progress("leave blocks out: "+l.Name, len(r.spaces), len(r.spaces))
	}
	for _, s := range r.spaces {
		for _, v := range r.report.Views {
			if v.Name == s.Name {
				r.warnOfShape(v)
			}
		}
	}
	return nil
}

// blocks fills in what a space makes of the items, block by block.
func (r *runner) blocks(into *SpaceReport, s NamedSpace) {
	inputs := make([]space.Input, len(r.items))
	for i := range r.items {
		inputs[i] = r.items[i].Input
	}
	pairs := r.pairs(s)
	for k, use := range s.Space.Use(inputs) {
		b := &into.Blocks[k]
		b.Present, b.Density, b.Dead = float64(use.Present)/float64(len(inputs)), use.Density, use.Dead
		b.Unseen, b.Wrong = float64(use.Unseen)/float64(len(inputs)), float64(use.Wrong)/float64(len(inputs))
		b.Variance, b.Nothing = pairs.variance[k], pairs.nothing[k]
		r.warnOfBlock(s.Name, *b, use, len(into.Blocks))
	}
}

func (r *runner) warnOfBlock(space string, b BlockReport, use space.BlockUse, blocks int) {
	switch {
	case use.Present == 0:
		r.report.warn("%s: no item has %q; the block is dead", space, b.Name)
	case use.Alike:
		r.report.warn("%s: %q is the same for every item that has it and tells nobody apart; store it instead", space, b.Name)
	case blocks > 1 && b.Variance > dominates && b.Variance > 1.3*b.Share:
		r.report.warn("%s: %q makes %s of the differences between similarities at %s of the weights: it drowns the others; give it less", space, b.Name, percent(b.Variance), percent(b.Share))
	case b.Variance < idle && b.Share > notable:
		r.report.warn("%s: %q makes %s of the differences between similarities at %s of the weights: it says next to nothing", space, b.Name, percent(b.Variance), percent(b.Share))
	}
	if b.Unseen > often {
		r.report.warn("%s: %s of the items have a value of %q that the space does not know; fit it anew, or hash the attribute", space, percent(b.Unseen), b.Name)
	}
	if b.Wrong > often {
		r.report.warn("%s: %q is of another kind than the space was fitted on for %s of the items, which are embedded without it", space, b.Name, percent(b.Wrong))
	}
}

func (r *runner) warnOfShape(v ViewReport) {
	if v.Hubness > hubby {
		r.report.warn("%s: hubness is %.1f: a few items are near to everything and crowd the lists (below %g is fine)", v.Name, v.Hubness, hubby)
	}
	if v.Contrast > 0 && v.Contrast < flat {
		r.report.warn("%s: the nearest item is hardly nearer than any other (distance contrast %.2f): distances say little", v.Name, v.Contrast)
	}
	if v.Twins > muchAlike {
		r.report.warn("%s: %s of the items have the very same vector as another; what orders them is chance", v.Name, percent(v.Twins))
	}
	if v.ZeroCosines > muchNothing {
		r.report.warn("%s: %s of the pairs have nothing in common (cosine zero): the space is too sparse to tell them apart", v.Name, percent(v.ZeroCosines))
	}
}

// pairFigures are what random pairs say of the blocks of a space.
type pairFigures struct {
	variance []float64 // Cov(s_b, s)/Var(s), s_b being the block's part of the cosine s; they sum to 1
	nothing  []float64 // share of the pairs that have the block and whose cosine in it is within .05 of zero
}

func (r *runner) pairs(s NamedSpace) pairFigures {
	layout := s.Space.Layout()
	out := pairFigures{variance: make([]float64, len(layout)), nothing: make([]float64, len(layout))}
	var vectors [][]float32
	for _, i := range r.all {
		if v := s.Space.Embed(r.items[i].Input); v != nil {
			vectors = append(vectors, v)
		}
	}
	if len(vectors) < 2 {
		return out
	}
	random := rand.New(rand.NewPCG(r.Seed, 2))
	parts := make([][]float64, len(layout))
	whole := make([]float64, 0, mostPairs)
	with := make([]float64, len(layout))
	for range mostPairs {
		a, b := vectors[random.IntN(len(vectors))], vectors[random.IntN(len(vectors))]
		sum := 0.0
		for k, block := range layout {
			x, y := a[block.Offset:block.Offset+block.Dims], b[block.Offset:block.Offset+block.Dims]
			part := float64(vecmath.Dot(x, y))
			parts[k] = append(parts[k], part)
			sum += part
			if length := math.Sqrt(float64(vecmath.SquaredNorm(x)) * float64(vecmath.SquaredNorm(y))); length > 0 {
				with[k]++
				if math.Abs(part/length) < .05 {
					out.nothing[k]++
				}
			}
		}
		whole = append(whole, sum)
	}
	for k := range layout {
		out.nothing[k] /= max(with[k], 1)
		out.variance[k] = covariance(parts[k], whole) / max(covariance(whole, whole), math.SmallestNonzeroFloat64)
	}
	return out
}

func covariance(a, b []float64) (sum float64) {
	meanA, meanB := evaluate.EstimateOf(a).Mean, evaluate.EstimateOf(b).Mean
	for i := range a {
		sum += (a[i] - meanA) * (b[i] - meanB)
	}
	return sum / float64(len(a))
}

// leaveOut measures purity without each block in turn; the label's own and those that give it away
// are out throughout.
func (r *runner) leaveOut(ctx context.Context, s NamedSpace, name string) error {
	whole := View{Name: s.Name, space: s.Space, vectors: make([][]float32, len(r.items))}
	some := r.all[:min(mostLeftOut, len(r.all))]
	for _, i := range some {
		whole.vectors[i] = s.Space.Embed(r.items[i].Input)
	}
	out := append(r.leaks(s, name), name)
	for _, block := range out {
		whole = whole.without(block)
	}
	for _, block := range s.Space.Layout() {
		if slices.Contains(out, block.Name) {
			continue
		}
		less := whole.without(block.Name)
		var of gallery
		for _, i := range some {
			if whole.vectors[i] != nil && less.vectors[i] != nil {
				of = append(of, i)
			}
		}
		l := newLabel(name, r.items, of)
		if l.queries() < leastQueries {
			continue // there is no other block, or hardly an item has one
		}
		with, err := purityOf(ctx, whole, l, of)
		if err != nil {
			return err
		}
		without, err := purityOf(ctx, less, l, of)
		if err != nil {
			return err
		}
		found := LeftOut{Space: s.Name, Block: block.Name, Label: name, Change: evaluate.Difference(without.p10, with.p10)}
		r.report.LeftOut = append(r.report.LeftOut, found)
		if found.Change.Mean > 2*found.Change.StdErr && found.Change.Mean > .005 {
			r.report.warn("%s: %q makes neighbours worse: without it %.3f ± %.3f more of the ten nearest share the %s; give it less weight, or store it",
				s.Name, block.Name, found.Change.Mean, found.Change.StdErr, name)
		}
	}
	return nil
}

// leaks are the blocks of a space that give a label away. Its figures for the label then say little, and
// what another block does to neighbours cannot be seen beside them.
func (r *runner) leaks(s NamedSpace, name string) []string {
	l := newLabel(name, r.items, r.all)
	var out []string
	for _, block := range s.Space.Layout() {
		if block.Name == name || block.Name == imageBlock {
			continue
		}
		if share := l.toldBy(newLabel(block.Name, r.items, r.all)); share > givesAway {
			out = append(out, block.Name)
			r.report.warn("%s: %q tells the %s of %s of the items; the space's figures for it flatter, those of the picture alone do not", s.Name, block.Name, name, percent(share))
		}
	}
	return out
}

// toldBy is the share of the items with a frequent value of another label that guessing the most
// frequent value beside it gets right; 0 if that label is on less than half of the queries.
func (l *label) toldBy(other *label) float64 {
	together := make(map[[2]int32]int)
	best := make(map[int32]int)
	n := 0
	for place, values := range l.values {
		theirs := other.values[place]
		if len(values) != 1 || len(theirs) != 1 || other.counts[theirs[0]] < leastOfValue {
			continue
		}
		n++
		pair := [2]int32{theirs[0], values[0]}
		together[pair]++
		best[theirs[0]] = max(best[theirs[0]], together[pair])
	}
	if 2*n < l.queries() {
		return 0
	}
	right := 0
	for _, count := range best {
		right += count
	}
	return float64(right) / float64(n)
}

// Cells are the figures of a block in the order of blockColumns.
func (b BlockReport) Cells() []string {
	return []string{percent(b.Share), percent(b.Variance), percent(b.Present), fmt.Sprint(b.Dims), percent(b.Density), fmt.Sprint(b.Dead),
		percent(b.Nothing), percent(b.Unseen), percent(b.Wrong)}
}

var blockColumns = []string{"weight", "of the variance", "items with it", "dimensions", "not zero", "dead", "nothing in common", "unseen values", "wrong kind"}

// Cells are the figures of a lost block in the order of leftOutColumns.
func (l LeftOut) Cells() []string {
	return []string{l.Label, l.Block, fmt.Sprintf("%+.4f", l.Change.Mean), fmt.Sprintf("±%.4f", l.Change.StdErr)}
}

var leftOutColumns = []string{"label", "without", "change", "s.e."}
