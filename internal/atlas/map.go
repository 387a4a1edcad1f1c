package atlas

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// Map is a space drawn along its principal components.
type Map struct {
	Space     string    `json:"space"`
	Explained []float64 `json:"explained_variance"`

	at [][3]float32 // by number of the drawn item; the widest axis goes from -1 to 1
}

// Shares prints the explained shares.
func (m Map) Shares() string {
	return fmt.Sprintf("%.1f %% + %.1f %% + %.1f %%", 100*m.Explained[0], 100*m.Explained[1], 100*m.Explained[2])
}

// drawnItem is an item on maps and sheets.
type drawnItem struct {
	id, title string
	picture   *Picture
}

// Colors is an attribute that a map can be coloured by.
type Colors struct {
	Name      string    `json:"name"`
	Values    []string  `json:"values,omitempty"` // labels: the most frequent ones; what has none of them is other
	Of        []int     `json:"of,omitempty"`     // labels: by drawn item, a place in Values; -1: another or none
	Low, High float64   `json:"-"`                // numbers: what the ends of the scale stand for
	Numbers   []float64 `json:"numbers,omitempty"`
	Ends      []string  `json:"ends,omitempty"`
}

// The most that is drawn: points of a map, attributes to colour by, colours of one.
const mostDrawn, mostColored, mostColors = 3000, 10, 10

// maps draws the spaces over the same items.
func (r *runner) maps(ctx context.Context) error {
	shown := r.all[:min(mostDrawn, len(r.all))]
	for _, i := range shown {
		it := &r.items[i]
		r.report.drawn = append(r.report.drawn, drawnItem{it.ID, it.Title, it.Picture})
	}
	for k, s := range r.spaces {
		r.Progress("principal components", k, len(r.spaces))
		at := slices.IndexFunc(r.views, func(v View) bool { return v.Name == s.Name })
		if at < 0 {
			continue
		}
		axes, err := axesOf(ctx, r.views[at], r.all, r.Seed)
		if err != nil {
			return err
		}
		r.report.Maps = append(r.report.Maps, Map{Space: s.Name, Explained: axes.Explained, at: scaled(axes.At[:len(shown)])})
	}
	r.Progress("principal components", len(r.spaces), len(r.spaces))
	r.report.colors = r.colors(shown)
	return nil
}

// scaled fits points into the cube from -1 to 1 without changing their proportions.
func scaled(points [][3]float32) [][3]float32 {
	var most float32
	for _, p := range points {
		most = max(most, abs(p[0]), abs(p[1]), abs(p[2]))
	}
	out := make([][3]float32, len(points))
	for i, p := range points {
		for axis := range p {
			out[i][axis] = p[axis] / max(most, math.SmallestNonzeroFloat32)
		}
	}
	return out
}

func abs(x float32) float32 { return max(x, -x) }

// colors are the attributes to colour by: the labels asked about first, then the other ones that tell
// items apart, then numbers.
func (r *runner) colors(shown gallery) []Colors {
	var out []Colors
	var names []string
	for _, l := range r.report.Labels {
		names = append(names, l.Name)
	}
	for _, name := range usable(r.items) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, name := range names[:min(mostColored, len(names))] {
		out = append(out, r.labelColors(name, shown))
	}
	out = append(out, r.numberColors(shown)...)
	return out[:min(mostColored, len(out))]
}

func (r *runner) labelColors(name string, shown gallery) Colors {
	l := newLabel(name, r.items, shown)
	c := Colors{Name: name, Values: l.names[:min(mostColors, len(l.names))], Of: make([]int, len(shown))}
	for place := range shown {
		c.Of[place] = -1
		if v := l.values[place]; len(v) > 0 && int(v[0]) < len(c.Values) {
			c.Of[place] = int(v[0])
		}
	}
	return c
}

// numberColors places numbers between their fifth and ninety-fifth percentile, so that a few
// extreme ones do not make all others look alike; -1 stands for none.
func (r *runner) numberColors(shown gallery) []Colors {
	values := make(map[string][]float64)
	for _, i := range shown {
		for name, a := range r.items[i].Input.Attributes {
			if a.Kind == recsys.KindNumber {
				values[name] = append(values[name], a.Number)
			}
		}
	}
	var out []Colors
	for name, list := range values {
		slices.Sort(list)
		low, high := list[len(list)/20], list[len(list)-1-len(list)/20]
		if len(list) < leastQueries || low == high {
			continue
		}
		c := Colors{Name: name, Low: low, High: high, Numbers: make([]float64, len(shown)), Ends: []string{fmt.Sprintf("%.6g", low), fmt.Sprintf("%.6g", high)}}
		for place, i := range shown {
			c.Numbers[place] = -1
			if a := r.items[i].Input.Attributes[name]; a.Kind == recsys.KindNumber {
				c.Numbers[place] = math.Round(1000*min(max((a.Number-low)/(high-low), 0), 1)) / 1000
			}
		}
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b Colors) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// sheet is one query with its nearest in some views.
type sheet struct {
	query int // number of the drawn item
	value string
	rows  []sheetRow
}

type sheetRow struct {
	view    string
	nearest []int // numbers of drawn items
	hit     []bool
}

// mostSheets is how many queries are shown.
const mostSheets = 12

// sheets picks queries of different values of the first label, or just the first items, with
// their neighbours in the spaces and in what they are held against.
func (r *runner) sheets() {
	name := ""
	if len(r.report.Labels) > 0 {
		name = r.report.Labels[0].Name
	}
	l := newLabel(name, r.items, r.all)
	numbers := make(map[int]int) // of drawn items, by place
	for place := range r.report.drawn {
		numbers[place] = place
	}
	number := func(place int) int {
		n, ok := numbers[place]
		if !ok {
			it := &r.items[r.all[place]]
			n = len(r.report.drawn)
			numbers[place] = n
			r.report.drawn = append(r.report.drawn, drawnItem{it.ID, it.Title, it.Picture})
		}
		return n
	}
	for _, o := range r.far {
		it := &r.items[r.all[o.place]]
		r.report.Outliers = append(r.report.Outliers, Outlier{ItemID: it.ID, Title: it.Title, Similarity: o.similarity, drawn: number(o.place)})
	}
	for _, place := range l.spreadOut(mostSheets) {
		s := sheet{query: number(place)}
		if len(l.values[place]) > 0 {
			s.value = l.names[l.values[place][0]]
		}
		for _, view := range r.compared() {
			row := sheetRow{view: view}
			for _, other := range r.near[view][place] {
				row.nearest = append(row.nearest, number(int(other)))
				row.hit = append(row.hit, l.share(place, int(other)))
			}
			s.rows = append(s.rows, row)
		}
		r.report.sheets = append(r.report.sheets, s)
	}
}

// compared are the views that sheets show: the spaces, the bare encoder and the pixels.
func (r *runner) compared() []string {
	var out []string
	for _, s := range r.spaces {
		out = append(out, s.Name)
	}
	for _, name := range []string{viewEncoder, viewPixels} {
		if r.near[name] != nil {
			out = append(out, name)
		}
	}
	return out
}

// spreadOut picks at most n places: the first of each value in turn, frequent values first.
func (l *label) spreadOut(n int) []int {
	byValue := make([][]int, len(l.names)+1)
	for place, values := range l.values {
		value := len(l.names) // none
		if len(values) > 0 {
			value = int(values[0])
		}
		byValue[value] = append(byValue[value], place)
	}
	var out []int
	for round := 0; len(out) < n && round < len(l.values); round++ {
		for _, places := range byValue {
			if round < len(places) && len(out) < n {
				out = append(out, places[round])
			}
		}
	}
	return out
}
