package atlas

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/seed-473295a7/vitrine/internal/evaluate"
)

// Report is what an evaluation has found. Figures with ± are means with their standard error.
type Report struct {
	Seed     uint64        `json:"seed"`
	Items    int           `json:"items"`    // looked at
	Pictures int           `json:"pictures"` // of them with one
	Compared int           `json:"compared"` // that every view sees
	Spaces   []SpaceReport `json:"spaces"`   // the first is the reference of all differences
	Settings []string      `json:"settings"`
	Warnings []string      `json:"warnings"`
	Labels   []LabelReport `json:"labels"`
	Views    []ViewReport  `json:"views"`
	LeftOut  []LeftOut     `json:"left_out"`
	// Outliers are the items that are farthest from everything in the first space, the loneliest first.
	Outliers []Outlier `json:"outliers"`
	// Cold compares the spaces on items nobody has seen yet; nil: there are no interactions.
	Cold *evaluate.Report `json:"cold_items,omitempty"`
	Maps []Map            `json:"maps"`

	drawn  []drawnItem // what maps and sheets show, by their numbers
	colors []Colors
	sheets []sheet
}

// SpaceReport describes a space.
type SpaceReport struct {
	Name     string        `json:"name"`
	Dims     int           `json:"dims"`
	FittedOn int           `json:"fitted_on"` // items; 0: on none
	Blocks   []BlockReport `json:"blocks"`
}

// BlockReport describes a block of a space.
type BlockReport struct {
	Name  string  `json:"name"`
	Dims  int     `json:"dims"`
	Share float64 `json:"share"` // of the weights of all blocks

	Variance float64 `json:"variance"`          // of the similarity: by how much the block makes pairs differ; they sum to 1
	Present  float64 `json:"present"`           // share of the items that have it
	Density  float64 `json:"density"`           // mean share of its dimensions that are not zero
	Dead     int     `json:"dead"`              // dimensions that are zero for every item
	Nothing  float64 `json:"nothing_in_common"` // share of the pairs whose cosine in it is within .05 of zero
	Unseen   float64 `json:"unseen_values"`     // share of the items with a value that the space does not know
	Wrong    float64 `json:"wrong_kind"`        // share of the items that have the attribute in another kind
}

// LabelReport is how well views keep items of one value together and a linear classifier reads it.
type LabelReport struct {
	Name    string                 `json:"name"`
	Values  int                    `json:"values"`
	Items   int                    `json:"items"`   // that neighbours are found among
	Queries int                    `json:"queries"` // items that share a value with ten others
	Views   []evaluate.ModelReport `json:"views"`
}

// ViewReport is what can be said of a view without a label.
type ViewReport struct {
	Name        string           `json:"name"`
	Dims        int              `json:"dims"`
	Pixels      *evaluate.Metric `json:"agreement_with_pixels,omitempty"` // share of the ten nearest in common
	Attributes  *evaluate.Metric `json:"agreement_with_attributes,omitempty"`
	Hubness     float64          `json:"hubness"`           // skewness of how often an item is among another's ten nearest
	Orphans     float64          `json:"orphans"`           // share of the items that are never
	Contrast    float64          `json:"distance_contrast"` // mean distance over that of the nearest, median over items without a twin
	Twins       float64          `json:"twins"`             // share of the items that another equals
	ZeroCosines float64          `json:"zero_cosines"`      // share of the pairs
}

func newReport(r *runner, asked []View) *Report {
	out := &Report{Seed: r.Seed, Items: len(r.items), Compared: len(r.all), Warnings: []string{}}
	for i := range r.items {
		if r.items[i].Picture != nil || r.items[i].Input.Image != nil {
			out.Pictures++
		}
	}
	for _, s := range r.spaces {
		out.Spaces = append(out.Spaces, describe(s))
	}
	for _, v := range asked {
		if n := v.covers(len(r.items)); n > 0 && float64(n) < leastCoverage*float64(len(r.items)) {
			out.warn("%s sees only %d of %d items and is left out", v.Name, n, len(r.items))
		}
	}
	out.Settings = []string{
		fmt.Sprintf("%d items, %d with a picture; all views are compared on the %d that each of them sees; seed %d", out.Items, out.Pictures, out.Compared, r.Seed),
		fmt.Sprintf("neighbours: leave-one-out, every item in the gallery; queries are items that share a value with at least %d others; recall@k: one of the k nearest shares it", leastOfValue-1),
		fmt.Sprintf("probe: accuracy of a linear discriminant on %d folds, the same for all views", folds),
		"a space is asked about a label without that label's own block; Δ is the paired difference from the first space",
		"vectors of a space have length 1, so that cosine and Euclidean distance order neighbours alike there",
	}
	return out
}

func (r *Report) warn(format string, args ...any) {
	r.Warnings = append(r.Warnings, fmt.Sprintf(format, args...))
}

func describe(s NamedSpace) SpaceReport {
	out := SpaceReport{Name: s.Name, Dims: s.Space.Dims(), FittedOn: s.Space.FittedOn()}
	var sum float64
	for _, b := range s.Space.Layout() {
		sum += b.Weight
	}
	for _, b := range s.Space.Layout() {
		out.Blocks = append(out.Blocks, BlockReport{Name: b.Name, Dims: b.Dims, Share: b.Weight / sum})
	}
	return out
}

// WriteJSON writes the report as indented JSON.
func (r *Report) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}

// WriteTable writes the report for people.
func (r *Report) WriteTable(w io.Writer) error {
	var b strings.Builder
	for _, line := range r.Settings {
		fmt.Fprintln(&b, line)
	}
	for _, s := range r.Spaces {
		fmt.Fprintf(&b, "\n%s\n", s)
		writeCells(&b, "block", blockColumns, len(s.Blocks), func(k int) (string, []string) { return s.Blocks[k].Name, s.Blocks[k].Cells() })
	}
	for _, l := range r.Labels {
		fmt.Fprintf(&b, "\n%s: %d values, %d queries among %d items\n", l.Name, l.Values, l.Queries, l.Items)
		evaluate.StageReport{Models: l.Views}.WriteTable(&b, r.Spaces[0].Name, MetricP10)
	}
	fmt.Fprintln(&b, "\nneighbours without a label")
	writeCells(&b, "view", viewColumns, len(r.Views), func(k int) (string, []string) { return r.Views[k].Name, r.Views[k].Cells() })
	fmt.Fprintln(&b, viewLegend)
	if len(r.LeftOut) > 0 {
		fmt.Fprintln(&b, "\nwithout a block: change of P@10")
		writeCells(&b, "space", leftOutColumns, len(r.LeftOut), func(k int) (string, []string) { return r.LeftOut[k].Space, r.LeftOut[k].Cells() })
	}
	if r.Cold != nil {
		fmt.Fprintln(&b)
		if err := r.Cold.WriteTable(&b); err != nil {
			return err
		}
	}
	fmt.Fprintln(&b, "\nfarthest from everything, with the cosine of the nearest item")
	writeCells(&b, "item", []string{"cosine", "title"}, len(r.Outliers), func(k int) (string, []string) {
		o := r.Outliers[k]
		return o.ItemID, []string{fmt.Sprintf("%.3f", o.Similarity), o.Title}
	})
	for _, m := range r.Maps {
		fmt.Fprintf(&b, "\n%s: three principal components explain %s of the variance\n", m.Space, m.Shares())
	}
	for _, line := range r.Warnings {
		fmt.Fprintf(&b, "\nwarning: %s\n", line)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// String is one line about a space.
func (s SpaceReport) String() string {
	if s.FittedOn == 0 {
		return fmt.Sprintf("%s: %d dimensions", s.Name, s.Dims)
	}
	return fmt.Sprintf("%s: %d dimensions, fitted on %d items", s.Name, s.Dims, s.FittedOn)
}

// writeCells writes a table; what w answers is not looked at: it is a buffer.
func writeCells(w io.Writer, what string, columns []string, rows int, row func(k int) (name string, cells []string)) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "%s\t%s\t\n", what, strings.Join(columns, "\t"))
	for k := range rows {
		name, cells := row(k)
		fmt.Fprintf(t, "%s\t%s\t\n", name, strings.Join(cells, "\t"))
	}
	t.Flush()
}

// viewColumns head what Cells gives.
var viewColumns = []string{"dimensions", "like pixels", "like attributes", "hubness", "orphans", "contrast", "twins", "zero cosines"}

// viewLegend says what they are.
const viewLegend = "like pixels, like attributes: share of the ten nearest in common; hubness: skewness of how often an item is among the ten nearest of\n" +
	"others, below 2 is fine; orphans: items that are never; contrast: mean distance over that of the nearest; twins: items that another equals"

// Cells are the figures of a view in the order of the table.
func (v ViewReport) Cells() []string {
	return []string{fmt.Sprint(v.Dims), cell(v.Pixels), cell(v.Attributes), fmt.Sprintf("%.2f", v.Hubness), percent(v.Orphans),
		fmt.Sprintf("%.2f", v.Contrast), percent(v.Twins), percent(v.ZeroCosines)}
}

func cell(m *evaluate.Metric) string {
	if m == nil {
		return ""
	}
	return fmt.Sprintf("%.3f ±%s", m.Mean, strings.TrimPrefix(fmt.Sprintf("%.3f", m.StdErr), "0"))
}

func percent(share float64) string { return fmt.Sprintf("%.1f %%", 100*share) }
