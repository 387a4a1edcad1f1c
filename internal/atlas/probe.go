package atlas

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"sync"

	"gonum.org/v1/gonum/floats"

	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

// folds is into how many parts items are cut for the probe.
const folds = 5

// mostProbed bounds the rows of a probe, whose cost grows with their cube: at 2,500 the standard
// error of an accuracy is below .01 already.
const mostProbed = 2500

// foldsOf deals the queries of a label out to folds, each value evenly, in an order that depends on
// ids and seed alone. It returns their places in the gallery and the fold of each.
func foldsOf(l *label, items []Item, of gallery, seed uint64) (asked, fold []int) {
	for place := range of {
		if l.asked[place] && len(asked) < mostProbed { // the gallery is in no particular order
			asked = append(asked, place)
		}
	}
	key := func(place int) uint64 {
		h := fnv.New64a()
		fmt.Fprintf(h, "%d %s", seed, items[of[place]].ID) // never fails
		return h.Sum64()
	}
	order := make([]int, len(asked))
	for row := range order {
		order[row] = row
	}
	slices.SortFunc(order, func(a, b int) int {
		a, b = asked[a], asked[b]
		return cmp.Or(cmp.Compare(l.values[a][0], l.values[b][0]), cmp.Compare(key(a), key(b)))
	})
	fold = make([]int, len(asked))
	for k, row := range order {
		fold[row] = k % folds
	}
	return asked, fold
}

// probe tells how well a linear classifier reads a label off a view: 1 for every row of asked whose
// most likely value is one of the item's.
//
// It is a linear discriminant (Fisher's, with a ridge) on standardised features, fitted on four folds
// and asked about the fifth; a regression on one-hot targets, no dearer, hides classes behind each
// other where there are many (Hastie, Tibshirani and Friedman 2009, §4.2). Its penalty is chosen once, within the rows
// that the first fold is fitted on.
func probe(ctx context.Context, v View, l *label, of gallery, asked, fold []int) ([]float64, error) {
	p := newProbing(v, l, of, asked)
	right := make([]float64, len(asked))
	part := func(wanted func(fold int) bool) (rows []int) {
		for row := range asked {
			if wanted(fold[row]) {
				rows = append(rows, row)
			}
		}
		return rows
	}
	inner, outer := part(func(f int) bool { return f > 1 }), part(func(f int) bool { return f == 1 })
	best, most := penalties[0], -1.0
	for _, penalty := range penalties {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		hits := 0.0
		for _, hit := range p.ask(p.fit(inner, penalty), outer) {
			hits += hit
		}
		if hits > most {
			best, most = penalty, hits
		}
	}
	var work sync.WaitGroup
	for k := range folds {
		work.Go(func() {
			test := part(func(f int) bool { return f == k })
			for at, hit := range p.ask(p.fit(part(func(f int) bool { return f != k }), best), test) {
				right[test[at]] = hit
			}
		})
	}
	work.Wait()
	return right, ctx.Err()
}

// penalties are those tried, each a multiple of the mean eigenvalue of the inner products.
var penalties = []float64{.01, .1, 1, 10, 100}

// probing is what a probe reads: all inner products between the rows, and their values.
type probing struct {
	label  *label
	asked  []int     // places of the rows
	kernel []float32 // rows × rows
}

func newProbing(v View, l *label, of gallery, asked []int) probing {
	chosen := make(gallery, len(asked))
	for row, place := range asked {
		chosen[row] = of[place]
	}
	x, d := v.matrix(chosen)
	standardise(x, d)
	p := probing{label: l, asked: asked, kernel: make([]float32, len(asked)*len(asked))}
	for row := range asked {
		vecmath.DotRows(x[row*d:(row+1)*d], x, p.row(row))
	}
	return p
}

// standardise gives every column of rows of length d the mean 0 and the variance 1.
func standardise(rows []float32, d int) {
	n := float64(len(rows) / d)
	mean, squares := make([]float64, d), make([]float64, d)
	for i, v := range rows {
		mean[i%d] += float64(v) / n
	}
	for i, v := range rows {
		squares[i%d] += (float64(v) - mean[i%d]) * (float64(v) - mean[i%d]) / n
	}
	for i, v := range rows {
		rows[i] = 0
		if deviation := math.Sqrt(squares[i%d]); deviation > nothing {
			rows[i] = float32((float64(v) - mean[i%d]) / deviation)
		}
	}
}

func (p probing) row(row int) []float32 { return p.kernel[row*len(p.asked) : (row+1)*len(p.asked)] }

// fitted is a linear discriminant in its dual form. With k̄(x, c) the mean inner product of x with the
// training rows of class c, and rows centred by their class, the score of class c for x is
//
//	δ_c = n/λ·(k̄(x, c) − Σ_i (k(x, i) − k̄(x, c_i))·weight_ci) + offset_c
//
// which is xᵀΣ⁻¹m_c − ½m_cᵀΣ⁻¹m_c + log π_c for Σ = (within-class scatter + λI)/n.
type fitted struct {
	train   []int
	class   []int       // of the training rows
	sizes   []float64   // of the classes
	scale   float64     // n/λ
	weights [][]float32 // by class, then training row
	offsets []float64   // by class; −∞ for one that no training row has
}

// fit factorises the inner products of the rows centred by their class, plus λ, in float32: the
// penalty bounds the condition.
func (p probing) fit(train []int, penalty float64) *fitted {
	n, classes := len(train), len(p.label.names)
	f := &fitted{train: train, class: make([]int, n), sizes: make([]float64, classes), weights: make([][]float32, classes), offsets: make([]float64, classes)}
	for i, row := range train {
		f.class[i] = int(p.label.values[p.asked[row]][0])
		f.sizes[f.class[i]]++
	}
	k, means := make([][]float32, n), make([][]float64, n) // means: k̄(i, c)
	between := make([][]float64, classes)                  // k̄(m_a, c)
	for c := range between {
		between[c] = make([]float64, classes)
	}
	for i, row := range train {
		k[i] = gather(p.row(row), train)
		means[i] = f.classMeans(k[i])
		floats.AddScaled(between[f.class[i]], 1/f.sizes[f.class[i]], means[i])
	}
	var trace float64
	for i := range k {
		for j := range k[i] {
			k[i][j] = float32(float64(k[i][j]) - means[i][f.class[j]] - means[j][f.class[i]] + between[f.class[i]][f.class[j]])
		}
		trace += float64(k[i][i])
	}
	lambda := max(penalty*trace/float64(n), 1e-6)
	for i := range k {
		k[i][i] += float32(lambda)
	}
	f.scale = float64(n) / lambda
	factorise(k)
	for c := range f.weights {
		f.offsets[c] = math.Inf(-1)
		if f.sizes[c] == 0 {
			continue
		}
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(means[i][c] - between[f.class[i]][c])
		}
		f.weights[c] = slices.Clone(v)
		solve(k, f.weights[c])
		length := f.scale * (between[c][c] - float64(vecmath.Dot(v, f.weights[c])))
		f.offsets[c] = math.Log(f.sizes[c]/float64(n)) - length/2
	}
	return f
}

// classMeans are the mean inner products with the training rows of each class; 0 where there is none.
func (f *fitted) classMeans(k []float32) []float64 {
	means := make([]float64, len(f.sizes))
	for j, v := range k {
		means[f.class[j]] += float64(v) / f.sizes[f.class[j]]
	}
	return means
}

// ask returns 1 for every row whose most likely value is right.
func (p probing) ask(f *fitted, rows []int) []float64 {
	out := make([]float64, len(rows))
	for at, row := range rows {
		k := gather(p.row(row), f.train)
		means := f.classMeans(k)
		for j := range k {
			k[j] = float32(float64(k[j]) - means[f.class[j]])
		}
		best, most := 0, math.Inf(-1)
		for c, w := range f.weights {
			if w == nil {
				continue
			}
			if score := f.scale*(means[c]-float64(vecmath.Dot(k, w))) + f.offsets[c]; score > most {
				best, most = c, score
			}
		}
		if slices.Contains(p.label.values[p.asked[row]], int32(best)) {
			out[at] = 1
		}
	}
	return out
}

func gather(from []float32, at []int) []float32 {
	out := make([]float32, len(at))
	for i, j := range at {
		out[i] = from[j]
	}
	return out
}

// factorise replaces the lower triangle of a symmetric, positive definite matrix by its Cholesky
// factor.
func factorise(a [][]float32) {
	for i := range a {
		for j := range i {
			a[i][j] = (a[i][j] - vecmath.Dot(a[i][:j], a[j][:j])) / a[j][j]
		}
		a[i][i] = root(max(float64(a[i][i])-float64(vecmath.SquaredNorm(a[i][:i])), 1e-12))
	}
}

// solve replaces b by the solution of L·Lᵀ·x = b.
func solve(l [][]float32, b []float32) {
	for i := range b {
		b[i] = (b[i] - vecmath.Dot(l[i][:i], b[:i])) / l[i][i]
	}
	for i := len(b) - 1; i >= 0; i-- {
		b[i] /= l[i][i]
		vecmath.Axpy(-b[i], l[i][:i], b[:i])
	}
}
