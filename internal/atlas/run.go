package atlas

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"slices"

	"github.com/seed-473295a7/vitrine/internal/evaluate"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// Options say what is measured.
type Options struct {
	// Labels are the attributes that neighbours are asked to share; empty: the best covered ones.
	Labels []string
	Seed   uint64
	// Progress is told how far the work has come; nil: nobody watches.
	Progress func(stage string, done, total int)
}

// mostLabels is how many labels are asked about where none is named.
const mostLabels = 3

// runner is one Run.
type runner struct {
	Options
	items  []Item
	spaces []NamedSpace
	views  []View
	all    gallery // items that every view sees
	report *Report
	near   map[string][][]int32 // nearest by view, over all
	far    []outlier
}

// Run compares spaces, the first of which is the reference, on items. items are put into an order
// that depends on ids and seed alone.
//
// Errors: recsys.ErrInvalid where there are too few items to say anything, or a label is none.
func Run(ctx context.Context, items []Item, spaces []NamedSpace, o Options) (*Report, error) {
	if o.Progress == nil {
		o.Progress = func(string, int, int) {}
	}
	r := &runner{Options: o, items: Sample(items, len(items), o.Seed), spaces: spaces, near: make(map[string][][]int32)}
	for _, s := range spaces {
		r.views = append(r.views, spaceViews(s, r.items)...)
	}
	r.views = append(r.views, rawViews(r.items, o.Seed)...)
	asked := r.views
	r.views, r.all = common(asked, len(r.items))
	if len(r.all) < leastQueries {
		return nil, fmt.Errorf("%d items can be compared, want at least %d; no figure would mean anything: %w", len(r.all), leastQueries, recsys.ErrInvalid)
	}
	r.report = newReport(r, asked)
	for _, step := range []func(context.Context) error{r.labels, r.structure, r.diagnose, r.maps} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	r.sheets()
	return r.report, nil
}

// Sample orders items by a hash of their ids and a seed, so that ties between neighbours favour
// nobody, and returns the first most of them.
func Sample(items []Item, most int, seed uint64) []Item {
	key := func(it Item) uint64 {
		h := fnv.New64a()
		fmt.Fprintf(h, "%d %s", seed, it.ID) // never fails
		return h.Sum64()
	}
	out := slices.Clone(items)
	slices.SortFunc(out, func(a, b Item) int { return cmp.Or(cmp.Compare(key(a), key(b)), cmp.Compare(a.ID, b.ID)) })
	return out[:min(most, len(out))]
}

// labels asks all views about all labels.
func (r *runner) labels(ctx context.Context) error {
	names := r.Labels
	if len(names) == 0 {
		names = usable(r.items)
		names = names[:min(mostLabels, len(names))]
	}
	for k, name := range names {
		stage, err := r.label(ctx, name, k, len(names))
		if err != nil {
			return fmt.Errorf("label %s: %w", name, err)
		}
		r.report.Labels = append(r.report.Labels, stage)
	}
	return nil
}

// label asks all views about one label, each without the block that would give it away.
func (r *runner) label(ctx context.Context, name string, at, total int) (LabelReport, error) {
	masked := make([]View, len(r.views))
	for i, v := range r.views {
		masked[i] = v.without(name)
	}
	masked, of := common(masked, len(r.items))
	l := newLabel(name, r.items, of)
	out := LabelReport{Name: name, Values: len(l.names), Queries: l.queries(), Items: len(of)}
	if out.Queries < leastQueries || len(l.names) < 2 {
		return out, recsys.Invalid("label", "%q: %d items share a value with ten others, want at least %d and two values", name, out.Queries, leastQueries)
	}
	probed, fold := foldsOf(l, r.items, of, r.Seed)
	var reference *purity
	var read []float64
	for k, v := range masked {
		r.Progress(fmt.Sprintf("label %s (%d of %d)", name, at+1, total), k, len(masked))
		p, err := purityOf(ctx, v, l, of)
		if err != nil {
			return out, err
		}
		if v.Name == r.spaces[0].Name {
			reference = p
		}
		metrics := p.metrics(reference)
		if !v.Euclidean && v.Name != viewRandom { // a classifier does not look at the metric
			hits, err := probe(ctx, v, l, of, probed, fold)
			if err != nil {
				return out, err
			}
			metrics = append(metrics, metricOf(MetricProbe, hits, read))
			if reference == p {
				read = hits
			}
		}
		out.Views = append(out.Views, evaluate.ModelReport{Name: v.Name, Metrics: metrics})
	}
	r.Progress(fmt.Sprintf("label %s (%d of %d)", name, at+1, total), len(masked), len(masked))
	return out, nil
}

// structure measures what needs no label: hubs, contrast, and what neighbours have to do with pixels
// and attributes.
func (r *runner) structure(ctx context.Context) error {
	shapes := make([]*geometry, len(r.views))
	var attributes [][]int32
	for k, v := range r.views {
		r.Progress("neighbours", k, len(r.views))
		g, err := geometryOf(ctx, v, r.all)
		if err != nil {
			return err
		}
		shapes[k], r.near[v.Name] = g, g.nearest
		if v.Name == r.spaces[0].Name {
			r.far = farthest(g.first)
		}
		if v.Name == r.spaces[0].Name+viewAttributes {
			attributes = g.nearest
		}
	}
	r.Progress("neighbours", len(r.views), len(r.views))
	pixels := r.near[viewPixels]
	var reference []float64
	for k, v := range r.views {
		g := shapes[k]
		s := ViewReport{Name: v.Name, Dims: len(v.vectors[r.all[0]]), Hubness: g.hubness, Orphans: g.orphans, Contrast: g.contrast, Twins: g.twins, ZeroCosines: g.zero}
		if pixels != nil && v.Name != viewPixels {
			values := agreement(g.nearest, pixels)
			m := metricOf(MetricPixels, values, reference)
			s.Pixels = &m
			if reference == nil {
				reference = values
			}
		}
		if attributes != nil && v.Name != r.spaces[0].Name+viewAttributes {
			m := metricOf(MetricAttribute, agreement(g.nearest, attributes), nil)
			s.Attributes = &m
		}
		r.report.Views = append(r.report.Views, s)
	}
	return nil
}
