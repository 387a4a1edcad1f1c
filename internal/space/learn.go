package space

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/mat"

	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

// LearnReport tells what Learn found on items that it did not learn from.
type LearnReport struct {
	Label  string  `json:"label"`
	Values int     `json:"values"` // that it learned to tell apart
	Items  int     `json:"items"`  // with a picture and such a value
	Weight float64 `json:"weight"` // w, the share of the learned part; 0: nothing was better
	Ridge  float64 `json:"ridge"`  // in units of the mean variance of a component
	// Seen and Unseen are P@5, the share of the five nearest with a value in common, of held-out items of
	// values that were learned and of items of values that were not.
	Seen   LearnFigure `json:"seen"`
	Unseen LearnFigure `json:"unseen"`
}

// LearnFigure is P@5 without and with the learned part, with the standard error of the paired
// difference.
type LearnFigure struct {
	Queries int     `json:"queries"`
	Before  float64 `json:"before"`
	After   float64 `json:"after"`
	StdErr  float64 `json:"std_err"`
}

// better reports whether the difference lies more than so many standard errors above zero.
func (f LearnFigure) better(by float64) bool { return f.After-f.Before > by*f.StdErr }

const (
	leastLearned = 100 // items to learn from, below which there is no telling
	leastOfValue = 5   // items that a value must have to be learned
	mostLearned  = 512 // values, the most frequent ones
	mostHeldOut  = 1500
	learnedPage  = 5 // the nearest that are looked at
)

// chance is by how many standard errors a setting must be better: the best of twelve that do nothing
// is better by one more often than not.
const chance = 2.5

var learnRidges, learnWeights = []float64{.01, .1, 1, 10}, []float64{.15, .3, .5}

// Learn adds to the picture's block of a fitted space a linear map learned from a labels attribute:
// ridge regression from the picture to the item's values. How much is regularised and how much of it
// is mixed in is chosen on a fifth of the items that were held out, among what does no harm to
// values that were left out altogether; then it is fitted to all. The space is nil if nothing was
// better than the picture as it is by more than chance.
//
// Equal arguments give equal results. Cost is O(items·f² + held-out²·(f + values)), f the components of the picture.
//
// Errors: recsys.ErrInvalid if the space has no picture block or too few items have the label.
//
// Method: a linear probe as a projection, blended with what it was made of, which keeps what
// the shop's labels do not tell apart (pure ridge or LDA cost up to .1 P@5 there).
func Learn(ctx context.Context, s *Space, inputs []Input, label string, seed uint64) (*Space, LearnReport, error) {
	base := s.picture()
	if base == nil {
		return nil, LearnReport{}, recsys.Invalid("learn", "%q: the space has no picture", label)
	}
	l := newLearner(base, inputs, label, seed)
	report := LearnReport{Label: label, Values: len(l.names), Items: len(l.rows)}
	if len(l.rows) < leastLearned || len(l.names) < 2 {
		return nil, report, recsys.Invalid("learn", "%q: %d items with a picture share %d values with four others, want at least %d and 2", label, len(l.rows), len(l.names), leastLearned)
	}
	if err := l.choose(ctx, &report); err != nil || report.Weight == 0 {
		return nil, report, err
	}
	coder, err := l.fit(l.rows, report.Ridge)
	if err != nil {
		return nil, report, err
	}
	coder.weight = report.Weight
	return s.withPicture(coder), report, nil
}

// picture is the plain picture block; nil if there is none.
func (s *Space) picture() *block {
	for i := range s.blocks {
		if _, ok := s.blocks[i].coder.(*image); ok {
			return &s.blocks[i]
		}
	}
	return nil
}

// withPicture is the space with another coder in the picture's block.
func (s *Space) withPicture(c *learned) *Space {
	blocks := slices.Clone(s.blocks)
	for i := range blocks {
		if _, ok := blocks[i].coder.(*image); ok {
			blocks[i].coder, blocks[i].mean = c, nil
		}
	}
	return newSpace(blocks, s.schema, s.fittedOn)
}

// learner holds the pictures and labels of one Learn.
type learner struct {
	base   *image
	centre []float32
	label  string
	names  []string  // values, most frequent first
	rows   []labeled // in an order that depends on the seed
}

type labeled struct {
	u      []float32 // centred unit picture
	values []int32
	part   part
}

// part is what a row is for while settings are chosen.
type part uint8

const (
	train  part = iota
	seen        // held out, its values are learned
	unseen      // its values are not
)

func newLearner(base *block, inputs []Input, label string, seed uint64) *learner {
	l := &learner{base: base.coder.(*image), centre: base.mean, label: label}
	if l.centre == nil {
		l.centre = make([]float32, l.base.kept)
	}
	l.countValues(inputs)
	place := make(map[string]int32, len(l.names))
	for k, name := range l.names {
		place[name] = int32(k)
	}
	random := rand.New(rand.NewPCG(seed, 0x6c6561726e))
	left := l.leftOut(random)
	for _, i := range random.Perm(len(inputs)) {
		row := labeled{u: make([]float32, l.base.kept)}
		for _, name := range labelsOf(inputs[i].Attributes[label]) {
			if k, ok := place[name]; ok {
				row.values = append(row.values, k)
			}
		}
		if len(row.values) == 0 || !l.base.code(&inputs[i], row.u) {
			continue
		}
		vecmath.Axpy(-1, l.centre, row.u)
		if !vecmath.Normalize(row.u) {
			continue
		}
		if random.IntN(5) == 0 {
			row.part = seen
		}
		if slices.ContainsFunc(row.values, func(k int32) bool { return left[k] }) {
			row.part = unseen
		}
		l.rows = append(l.rows, row)
	}
	return l
}

func (l *learner) countValues(inputs []Input) {
	count := make(map[string]int)
	for i := range inputs {
		if inputs[i].Image != nil {
			for _, name := range labelsOf(inputs[i].Attributes[l.label]) {
				count[name]++
			}
		}
	}
	for name, n := range count {
		if n >= leastOfValue {
			l.names = append(l.names, name)
		}
	}
	slices.SortFunc(l.names, func(a, b string) int { return cmp.Or(cmp.Compare(count[b], count[a]), cmp.Compare(a, b)) })
	l.names = l.names[:min(len(l.names), mostLearned)]
}

// leftOut chooses a fifth of the values; none of fewer than five.
func (l *learner) leftOut(random *rand.Rand) []bool {
	left := make([]bool, len(l.names))
	for _, k := range random.Perm(len(l.names))[:len(l.names)/5] {
		left[k] = true
	}
	return left
}

func (l *learner) of(p part, limit int) (out []labeled) {
	for _, row := range l.rows {
		if row.part == p && len(out) < limit {
			out = append(out, row)
		}
	}
	return out
}

// choose tries all settings on what was held out, and fills in the report.
func (l *learner) choose(ctx context.Context, report *LearnReport) error {
	rows, held, strange := l.of(train, len(l.rows)), l.of(seen, mostHeldOut), l.of(unseen, mostHeldOut)
	if len(rows) < leastLearned/2 || len(held) < leastLearned/10 {
		return recsys.Invalid("learn", "%q: %d items are left to learn from and %d to try it on", l.label, len(rows), len(held))
	}
	for _, ridge := range learnRidges {
		coder, err := l.fit(rows, ridge)
		if err != nil {
			return err
		}
		onSeen, err := coder.purities(ctx, held)
		if err != nil {
			return err
		}
		onUnseen, err := coder.purities(ctx, strange)
		if err != nil {
			return err
		}
		for k, w := range learnWeights {
			a, b := figureOf(onSeen[0], onSeen[k+1]), figureOf(onUnseen[0], onUnseen[k+1])
			if report.Seen.Queries == 0 {
				report.Seen, report.Unseen = LearnFigure{a.Queries, a.Before, a.Before, 0}, LearnFigure{b.Queries, b.Before, b.Before, 0}
			}
			if a.better(chance) && !(b.Before-b.After > b.StdErr) && a.After > report.Seen.After {
				report.Seen, report.Unseen, report.Weight, report.Ridge = a, b, w, ridge
			}
		}
	}
	return nil
}

// fit is the ridge regression of the values on the pictures of rows:
//
//	W = C(G + λI)⁻¹    G = Σ (u−ū)(u−ū)ᵀ    C = Σ (y−ȳ)(u−ū)ᵀ    b = −Wū    λ = ridge·tr G/f
//
// y is the item's values as a unit vector. Rows of u and of y are centred; ȳ is left out of b, so
// that a picture that says nothing is near zero.
func (l *learner) fit(rows []labeled, ridge float64) (*learned, error) {
	f, n := l.base.kept, len(l.names)
	g, c := mat.NewSymDense(f, nil), mat.NewDense(f, n, nil)
	meanU, meanY := make([]float64, f), make([]float64, n)
	wide := make([]float64, f)
	for _, row := range rows {
		for j, v := range row.u {
			wide[j] = float64(v)
			meanU[j] += wide[j] / float64(len(rows))
		}
		g.SymRankOne(g, 1, mat.NewVecDense(f, wide))
		y := 1 / math.Sqrt(float64(len(row.values)))
		for _, k := range row.values {
			meanY[k] += y / float64(len(rows))
			for j, v := range wide {
				c.Set(j, int(k), c.At(j, int(k))+y*v)
			}
		}
	}
	count := float64(len(rows))
	mu := mat.NewVecDense(f, meanU)
	g.SymRankOne(g, -count, mu)
	c.RankOne(c, -count, mu, mat.NewVecDense(n, meanY))
	lambda := ridge * mat.Trace(g) / float64(f)
	for j := range f {
		g.SetSym(j, j, g.At(j, j)+lambda)
	}
	var factor mat.Cholesky
	if !factor.Factorize(g) {
		return nil, fmt.Errorf("learn from %q: pictures are all alike: %w", l.label, recsys.ErrInvalid)
	}
	var solution mat.Dense
	if err := factor.SolveTo(&solution, c); err != nil {
		return nil, fmt.Errorf("learn from %q: %w: %w", l.label, err, recsys.ErrInvalid)
	}
	out := &learned{image: *l.base, centre: l.centre, label: l.label, outputs: n, head: make([]float32, 0, n*f), offset: make([]float32, n)}
	for k := range n {
		var b float64
		for j := range f {
			w := solution.At(j, k)
			out.head = append(out.head, float32(w))
			b -= w * meanU[j]
		}
		out.offset[k] = float32(b)
	}
	return out, nil
}

// purities are P@5 of rows among each other, a value a query: without the learned part, then with
// each of learnWeights.
func (c *learned) purities(ctx context.Context, rows []labeled) ([][]float64, error) {
	n := len(rows)
	us, vs := make([]float32, n*c.kept), make([]float32, n*c.outputs)
	for i, row := range rows {
		copy(us[i*c.kept:], row.u)
		c.apply(row.u, vs[i*c.outputs:(i+1)*c.outputs])
	}
	out := make([][]float64, 1+len(learnWeights))
	su, sv := make([]float32, n), make([]float32, n)
	for i, row := range rows {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		vecmath.DotRows(row.u, us, su)
		vecmath.DotRows(vs[i*c.outputs:(i+1)*c.outputs], vs, sv)
		for k := range out {
			w := float32(0)
			if k > 0 {
				w = float32(learnWeights[k-1])
			}
			out[k] = append(out[k], nearestShare(rows, i, func(j int) float32 { return (1-w)*su[j] + w*sv[j] }))
		}
	}
	return out, nil
}

// nearestShare is the share of the nearest of a row that have a value in common with it.
func nearestShare(rows []labeled, of int, similarity func(j int) float32) float64 {
	top := vecmath.NewTopK(learnedPage)
	for j := range rows {
		if j != of {
			top.Push(uint32(j), similarity(j))
		}
	}
	alike := 0
	for _, hit := range top.Sorted() {
		if slices.ContainsFunc(rows[hit.ID].values, func(v int32) bool { return slices.Contains(rows[of].values, v) }) {
			alike++
		}
	}
	return float64(alike) / learnedPage
}

// figureOf compares values of the same queries.
func figureOf(before, after []float64) LearnFigure {
	n := float64(len(before))
	f := LearnFigure{Queries: len(before)}
	if n == 0 {
		return f
	}
	var sum, squares float64
	for i := range before {
		d := after[i] - before[i]
		f.Before += before[i] / n
		f.After += after[i] / n
		sum, squares = sum+d, squares+d*d
	}
	if n > 1 {
		f.StdErr = math.Sqrt(max(0, squares-sum*sum/n) / (n - 1) / n)
	}
	return f
}
