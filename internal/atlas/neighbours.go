package atlas

import (
	"context"
	"math"
	"slices"
	"sync"

	"github.com/seed-473295a7/vitrine/internal/evaluate"
)

// The metrics of neighbours. Those of a label are means over its queries.
const (
	MetricP1        = "P@1"
	MetricP5        = "P@5"
	MetricP10       = "P@10"
	MetricRecall5   = "recall@5"
	MetricRecall10  = "recall@10"
	MetricMAP       = "mAP"
	MetricProbe     = "probe accuracy"
	MetricPixels    = "agreement with pixels"
	MetricAttribute = "agreement with attributes"
)

// page is how many neighbours are looked at.
const page = 10

// purity is how alike the neighbours of the queries are, a value a query.
type purity struct {
	p1, p5, p10       []float64 // share of the nearest with a value of the query
	recall5, recall10 []float64 // 1 if there is one among the nearest
	ap                []float64 // average precision over the whole gallery
}

// purityOf asks a view about a label.
func purityOf(ctx context.Context, v View, l *label, of gallery) (*purity, error) {
	slot, n := make([]int, len(of)), 0
	for place, asked := range l.asked {
		if asked {
			slot[place], n = n, n+1
		}
	}
	p := &purity{}
	for _, values := range []*[]float64{&p.p1, &p.p5, &p.p10, &p.recall5, &p.recall10, &p.ap} {
		*values = make([]float64, n)
	}
	err := v.rank(ctx, of, func(r ranking) {
		if l.asked[r.place] {
			p.set(slot[r.place], r, l)
		}
	})
	return p, err
}

// set fills in one query's values.
func (p *purity) set(at int, r ranking, l *label) {
	found, precision := 0, 0.0
	for k, other := range r.order {
		if l.share(r.place, int(other)) {
			found++
			precision += float64(found) / float64(k+1)
		}
		switch k + 1 {
		case 1:
			p.p1[at] = float64(found)
		case 5:
			p.p5[at], p.recall5[at] = float64(found)/5, float64(min(found, 1))
		case page:
			p.p10[at], p.recall10[at] = float64(found)/page, float64(min(found, 1))
		}
	}
	if found > 0 {
		p.ap[at] = precision / float64(found)
	}
}

// metrics turns the values into figures beside those of a reference.
func (p *purity) metrics(of *purity) []evaluate.Metric {
	var out []evaluate.Metric
	add := func(name string, values, reference []float64) {
		out = append(out, metricOf(name, values, reference))
	}
	if of == nil || of == p {
		of = &purity{}
	}
	add(MetricP1, p.p1, of.p1)
	add(MetricP5, p.p5, of.p5)
	add(MetricP10, p.p10, of.p10)
	add(MetricRecall5, p.recall5, of.recall5)
	add(MetricRecall10, p.recall10, of.recall10)
	add(MetricMAP, p.ap, of.ap)
	return out
}

// metricOf is a mean with its error; reference, where it has as many values, gives the paired difference.
func metricOf(name string, values, reference []float64) evaluate.Metric {
	e := evaluate.EstimateOf(values)
	m := evaluate.Metric{Name: name, Mean: e.Mean, StdErr: e.StdErr, N: e.N}
	if len(reference) == len(values) && len(values) > 0 {
		d := evaluate.Difference(values, reference)
		m.Difference = &d
	}
	return m
}

// geometry is what the nearest neighbours of all items say about a view.
type geometry struct {
	nearest  [][]int32 // by place, at most page
	first    []float64 // by place: the score of the nearest
	hubness  float64   // skewness of how often an item is among the nearest of others
	orphans  float64   // share of the items that are nobody's neighbour
	contrast float64   // mean distance over that of the nearest, median over items without a twin; 0: all have one
	twins    float64   // share of the items that another equals
	zero     float64   // share of the pairs with a cosine of zero
}

// nothing is a cosine that is zero but for rounding.
const nothing = 1e-6

func geometryOf(ctx context.Context, v View, of gallery) (*geometry, error) {
	g := &geometry{nearest: make([][]int32, len(of)), first: make([]float64, len(of))}
	contrasts := make([]float64, len(of))
	var mu sync.Mutex
	var zero int
	err := v.rank(ctx, of, func(r ranking) {
		g.nearest[r.place] = append([]int32(nil), r.order[:min(page, len(r.order))]...)
		g.first[r.place] = float64(r.scores[r.order[0]])
		contrast, zeros := v.spread(r)
		contrasts[r.place] = contrast
		mu.Lock()
		defer mu.Unlock()
		zero += zeros
	})
	if err != nil || len(of) < 2 {
		return g, err
	}
	g.zero = float64(zero) / float64(len(of)*(len(of)-1))
	without := slices.DeleteFunc(contrasts, func(c float64) bool { return c == 0 })
	g.twins = 1 - float64(len(without))/float64(len(of))
	g.contrast = median(without)
	g.count()
	return g, nil
}

// spread is mean distance over nearest distance around one item, 0 if the nearest equals it, and
// how many cosines are zero.
func (v View) spread(r ranking) (contrast float64, zeros int) {
	var sum float64
	for _, other := range r.order {
		score := float64(r.scores[other])
		if !v.Euclidean && math.Abs(score) < nothing {
			zeros++
		}
		sum += v.distance(score)
	}
	const equal = 1e-3 // at cosines of 1 in float32
	nearest := v.distance(float64(r.scores[r.order[0]]))
	if nearest < equal {
		return 0, zeros
	}
	return sum / float64(len(r.order)) / nearest, zeros
}

// distance is that between the two vectors of a score.
func (v View) distance(score float64) float64 {
	if v.Euclidean {
		return math.Sqrt(max(-score, 0))
	}
	return math.Sqrt(max(2-2*score, 0))
}

// median is that of values, which it sorts; 0 of none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// count fills in what the occurrences among neighbours say.
func (g *geometry) count() {
	occurrences := make([]float64, len(g.nearest))
	for _, nearest := range g.nearest {
		for _, other := range nearest {
			occurrences[other]++
		}
	}
	var mean, squares, cubes float64
	for _, n := range occurrences {
		mean += n / float64(len(occurrences))
		if n == 0 {
			g.orphans += 1 / float64(len(occurrences))
		}
	}
	for _, n := range occurrences {
		squares += (n - mean) * (n - mean) / float64(len(occurrences))
		cubes += (n - mean) * (n - mean) * (n - mean) / float64(len(occurrences))
	}
	if squares > 0 {
		g.hubness = cubes / math.Pow(squares, 1.5)
	}
}

// agreement is, by item, the share of the nearest in one view that are among the nearest in another.
func agreement(a, b [][]int32) []float64 {
	out := make([]float64, len(a))
	for place := range a {
		known := make(map[int32]bool, page)
		for _, other := range b[place] {
			known[other] = true
		}
		for _, other := range a[place] {
			if known[other] {
				out[place] += 1 / float64(max(len(a[place]), 1))
			}
		}
	}
	return out
}
