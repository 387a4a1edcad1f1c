package atlas

import (
	"cmp"
	"slices"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// label is an attribute that neighbours are asked to share, over a gallery.
type label struct {
	name   string
	names  []string  // of the values, most frequent first
	values [][]int32 // by place, ascending
	counts []int     // items by value
	asked  []bool    // by place: has a value that leastOfValue items have
}

// leastOfValue is how many items must share a value for one of them to be a query: itself and ten
// that fill its first page.
const leastOfValue = 11

func newLabel(name string, items []Item, of gallery) *label {
	count := make(map[string]int)
	for _, i := range of {
		for _, v := range items[i].labelsOf(name) {
			count[v]++
		}
	}
	l := &label{name: name, values: make([][]int32, len(of)), asked: make([]bool, len(of))}
	for v := range count {
		l.names = append(l.names, v)
	}
	slices.SortFunc(l.names, func(a, b string) int { return cmp.Or(cmp.Compare(count[b], count[a]), cmp.Compare(a, b)) })
	at := make(map[string]int32)
	for k, v := range l.names {
		at[v] = int32(k)
		l.counts = append(l.counts, count[v])
	}
	for place, i := range of {
		for _, v := range items[i].labelsOf(name) {
			l.values[place] = append(l.values[place], at[v])
			l.asked[place] = l.asked[place] || count[v] >= leastOfValue
		}
		slices.Sort(l.values[place])
	}
	return l
}

// queries is how many items are asked about.
func (l *label) queries() int {
	n := 0
	for _, asked := range l.asked {
		if asked {
			n++
		}
	}
	return n
}

// share reports whether two items have a value in common.
func (l *label) share(a, b int) bool {
	x, y := l.values[a], l.values[b]
	for len(x) > 0 && len(y) > 0 {
		switch {
		case x[0] == y[0]:
			return true
		case x[0] < y[0]:
			x = x[1:]
		default:
			y = y[1:]
		}
	}
	return false
}

// usable are the attributes that can tell neighbours alike: with 2 to 1000 values, one of which is
// on less than nine tenths of the queries, and enough of these. The best covered come first.
func usable(items []Item) []string {
	type candidate struct {
		name  string
		asked int
	}
	all := make(gallery, len(items))
	kinds := make(map[string]recsys.AttributeKind)
	for i := range items {
		all[i] = i
		for name, a := range items[i].Input.Attributes {
			kinds[name] = max(kinds[name], a.Kind) // labels < number < text
		}
	}
	var found []candidate
	for name, kind := range kinds {
		if kind != recsys.KindLabels {
			continue
		}
		l := newLabel(name, items, all)
		n := l.queries()
		if len(l.names) < 2 || len(l.names) > 1000 || n < leastQueries || l.counts[0]*10 > n*9 {
			continue
		}
		found = append(found, candidate{name, n})
	}
	slices.SortFunc(found, func(a, b candidate) int { return cmp.Or(cmp.Compare(b.asked, a.asked), cmp.Compare(a.name, b.name)) })
	out := make([]string, len(found))
	for i, c := range found {
		out[i] = c.name
	}
	return out
}

// leastQueries is how many queries a label must have: fewer give no figure.
const leastQueries = 50
