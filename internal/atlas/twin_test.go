package atlas

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"gonum.org/v1/gonum/mat"

	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

// scattered is n items of which every label has two or three, and a view of them with equal vectors
// among it.
func scattered(n int) ([]Item, View, gallery) {
	random := rand.New(rand.NewPCG(1, 9))
	items := make([]Item, n)
	v := View{vectors: make([][]float32, n)}
	of := make(gallery, n)
	for i := range items {
		labels := []string{string(rune('a' + random.IntN(4)))}
		if random.IntN(3) == 0 {
			labels = append(labels, "shared")
		}
		items[i].Input.Attributes = map[string]recsys.Attribute{"label": recsys.Labels(labels...)}
		v.vectors[i], of[i] = normal(random, 8), i
		if i%7 == 6 {
			v.vectors[i] = v.vectors[i-1]
		}
	}
	return items, v, of
}

// purityTwin ranks by sorting distances in float64.
func purityTwin(items []Item, v View, l *label) (p10, ap []float64) {
	for i := range items {
		if !l.asked[i] {
			continue
		}
		type other struct {
			at    int
			score float64
		}
		var others []other
		for j := range items {
			var dot, distance float64
			for k := range v.vectors[i] {
				dot += float64(v.vectors[i][k]) * float64(v.vectors[j][k])
				distance += math.Pow(float64(v.vectors[i][k])-float64(v.vectors[j][k]), 2)
			}
			if v.Euclidean {
				dot = -distance
			}
			if j != i {
				others = append(others, other{j, dot})
			}
		}
		slices.SortStableFunc(others, func(a, b other) int { return cmp.Compare(b.score, a.score) })
		var found, precision, first float64
		for rank, o := range others {
			shared := slices.ContainsFunc(items[i].labelsOf("label"), func(s string) bool { return slices.Contains(items[o.at].labelsOf("label"), s) })
			if !shared {
				continue
			}
			found++
			precision += found / float64(rank+1)
			if rank < 10 {
				first++
			}
		}
		p10, ap = append(p10, first/10), append(ap, precision/found)
	}
	return p10, ap
}

func TestPurityAgainstSortingAll(t *testing.T) {
	t.Parallel()
	items, v, of := scattered(90)
	for _, euclidean := range []bool{false, true} {
		v.Euclidean = euclidean
		l := newLabel("label", items, of)
		got, err := purityOf(t.Context(), v, l, of)
		if err != nil {
			t.Fatal(err)
		}
		p10, ap := purityTwin(items, v, l)
		if diff := gocmp.Diff([][]float64{p10, ap}, [][]float64{got.p10, got.ap}, cmpopts.EquateApprox(0, 1e-9)); diff != "" {
			t.Errorf("euclidean %v: %s", euclidean, diff)
		}
	}
}

func TestDescendingOrdersFloats(t *testing.T) {
	t.Parallel()
	values := []float32{float32(math.Inf(1)), 3, 1e-30, 0, -1e-30, -2, float32(math.Inf(-1))}
	for i := range values[1:] {
		if descending(values[i]) >= descending(values[i+1]) {
			t.Errorf("%v does not come before %v", values[i], values[i+1])
		}
	}
}

func TestGeometryByHand(t *testing.T) {
	t.Parallel()
	// One item is the neighbour of all others: everybody's ten nearest are the first ten places.
	g := geometry{nearest: make([][]int32, 100)}
	for place := range g.nearest {
		g.nearest[place] = []int32{0}
	}
	g.count()
	// Occurrences are 100 once and 0 ninety-nine times: skewness (1−2p)/√(p(1−p)) with p = .01.
	if want := .98 / math.Sqrt(.01*.99); math.Abs(g.hubness-want) > 1e-9 || math.Abs(g.orphans-.99) > 1e-9 {
		t.Errorf("hubness %v and orphans %v, want %v and .99", g.hubness, g.orphans, want)
	}
	v := View{vectors: [][]float32{{1, 0}, {1, 0}, {0, 1}, {float32(math.Sqrt(.5)), float32(math.Sqrt(.5))}}}
	got, err := geometryOf(t.Context(), v, gallery{0, 1, 2, 3})
	if err != nil {
		t.Fatal(err)
	}
	// Pairs at a right angle: 0–2, 1–2, of six.
	if math.Abs(got.zero-2.0/6) > 1e-9 || got.twins != .5 {
		t.Errorf("zero cosines %v and twins %v, want a third and a half", got.zero, got.twins)
	}
}

func TestAxesAgainstFullDecomposition(t *testing.T) {
	t.Parallel()
	const n, d = 200, 20
	random := rand.New(rand.NewPCG(2, 3))
	v, of, data := View{vectors: make([][]float32, n)}, make(gallery, n), mat.NewDense(n, d, nil)
	for i := range of {
		of[i], v.vectors[i] = i, normal(random, d)
		for k, strength := range []float32{6, 4, 3} {
			v.vectors[i][k] *= strength
		}
		for k, x := range v.vectors[i] {
			data.Set(i, k, float64(x))
		}
	}
	got, err := axesOf(t.Context(), v, of, 1)
	if err != nil {
		t.Fatal(err)
	}
	var svd mat.SVD
	for k := range d {
		column := mat.Col(nil, k, data)
		mean := mat.Sum(mat.NewVecDense(n, column)) / n
		for i := range n {
			data.Set(i, k, data.At(i, k)-mean)
		}
	}
	svd.Factorize(data, mat.SVDThin)
	values := svd.Values(nil)
	total := 0.0
	for _, s := range values {
		total += s * s
	}
	for axis := range axesCount {
		if want := values[axis] * values[axis] / total; math.Abs(got.Explained[axis]-want) > 1e-4 {
			t.Errorf("axis %d explains %v, want %v", axis, got.Explained[axis], want)
		}
	}
}

// discriminantTwin is Fisher's discriminant by its definition, in float64.
func discriminantTwin(x [][]float32, class []int, classes int, penalty float64, of []float32) int {
	n, d := len(x), len(x[0])
	means, sizes := make([][]float64, classes), make([]float64, classes)
	for c := range means {
		means[c] = make([]float64, d)
	}
	for i := range x {
		sizes[class[i]]++
		for k, v := range x[i] {
			means[class[i]][k] += float64(v)
		}
	}
	for c := range means {
		for k := range means[c] {
			means[c][k] /= sizes[c]
		}
	}
	scatter := mat.NewSymDense(d, nil)
	for i := range x {
		diff := mat.NewVecDense(d, nil)
		for k, v := range x[i] {
			diff.SetVec(k, float64(v)-means[class[i]][k])
		}
		scatter.SymRankOne(scatter, 1, diff)
	}
	lambda := penalty * mat.Trace(scatter) / float64(n)
	for k := range d {
		scatter.SetSym(k, k, scatter.At(k, k)+lambda)
	}
	var factor mat.Cholesky
	factor.Factorize(scatter)
	best, most := 0, math.Inf(-1)
	for c := range means {
		var w mat.VecDense
		m := mat.NewVecDense(d, means[c])
		_ = factor.SolveVecTo(&w, m)
		at := mat.NewVecDense(d, nil)
		for k, v := range of {
			at.SetVec(k, float64(v))
		}
		score := float64(n)*(mat.Dot(at, &w)-mat.Dot(m, &w)/2) + math.Log(sizes[c]/float64(n))
		if score > most {
			best, most = c, score
		}
	}
	return best
}

func TestProbeAgainstTheDefinition(t *testing.T) {
	t.Parallel()
	const n, d, classes = 150, 12, 3
	random := rand.New(rand.NewPCG(8, 8))
	x, class := make([][]float32, n), make([]int, n)
	l := &label{names: make([]string, classes), values: make([][]int32, n)}
	asked := make([]int, n)
	for i := range x {
		class[i], asked[i] = random.IntN(classes), i
		x[i] = normal(random, d)
		x[i][class[i]] += 1.2
		l.values[i] = []int32{int32(class[i])}
	}
	p := probing{label: l, asked: asked, kernel: make([]float32, n*n)}
	for i := range x {
		for j := range x {
			p.row(i)[j] = vecmath.Dot(x[i], x[j])
		}
	}
	train, test := asked[:100], asked[100:]
	for _, penalty := range penalties {
		hits := p.ask(p.fit(train, penalty), test)
		for at, i := range test {
			want := discriminantTwin(x[:100], class[:100], classes, penalty, x[i]) == class[i]
			if (hits[at] == 1) != want {
				t.Errorf("penalty %v, row %d: hit %v, want %v", penalty, i, hits[at], want)
			}
		}
	}
}

// TestRankGivesEachItemOnce holds the parallel ranking to one call an item.
func TestRankGivesEachItemOnce(t *testing.T) {
	t.Parallel()
	_, v, of := scattered(50)
	var mu sync.Mutex
	seen := make(map[int]int)
	err := v.rank(t.Context(), of, func(r ranking) {
		mu.Lock()
		defer mu.Unlock()
		seen[r.place]++
		if len(r.order) != len(of)-1 || slices.Contains(r.order, int32(r.place)) {
			t.Errorf("item %d: %d others, want %d and not itself", r.place, len(r.order), len(of)-1)
		}
	})
	if err != nil || len(seen) != len(of) {
		t.Fatalf("%d of %d items ranked: %v", len(seen), len(of), err)
	}
}
