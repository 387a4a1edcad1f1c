package trial

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"
	"text/tabwriter"

	"github.com/seed-473295a7/vitrine/internal/atlas"
	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/evaluate"
	"github.com/seed-473295a7/vitrine/internal/imageprep"
	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

// NamedPicture is a picture's file under a name.
type NamedPicture struct {
	Name  string
	Bytes []byte
}

// DuplicateOptions say how copies are looked for.
type DuplicateOptions struct {
	Rule     engine.DuplicateRule
	Copies   int // pictures that altered copies are made of; the first ones
	Progress engine.Progress
}

// DuplicateReport is what rules find among altered copies, and what they take for copies that is none.
type DuplicateReport struct {
	Pictures int                   `json:"pictures"`
	Copied   int                   `json:"copied"` // pictures that altered copies were made of
	Unread   []string              `json:"unread,omitempty"`
	Rules    []DuplicateRuleReport `json:"rules"` // the one asked about first
	// Groups are pictures that the first rule takes for copies of each other, largest group first: copies indeed, or variants of one template.
	Groups [][]string `json:"groups"`
}

// DuplicateRuleReport is how one rule does.
type DuplicateRuleReport struct {
	Name        string            `json:"name"`
	Recall      []evaluate.Metric `json:"recall"`       // by alteration: share of the copies that are recognised
	FalseAlarms evaluate.Estimate `json:"false_alarms"` // share of the pictures that another one is taken for a copy of
	holds       func(a, b seen) bool
}

// seen is what a picture is recognised by.
type seen struct {
	unit          []float32 // the encoder's output at length 1
	plain, mirror imageprep.Hash
}

func (a seen) cosine(b seen) float64 { return float64(vecmath.Dot(a.unit, b.unit)) }

func (a seen) distance(b seen) int { return min(a.plain.Distance(b.plain), a.mirror.Distance(b.plain)) }

// Duplicates measures the duplicate rule on altered copies of pictures, beside its two halves.
// What cannot be decoded is named and left out; recsys.ErrInvalid below two pictures.
func Duplicates(ctx context.Context, pictures []NamedPicture, encoder engine.Encoder, o DuplicateOptions) (*DuplicateReport, error) {
	report := &DuplicateReport{Rules: []DuplicateRuleReport{
		{Name: fmt.Sprintf("hash within %d bits and cosine %g, or cosine %g", o.Rule.HashDistance, o.Rule.Cosine, o.Rule.CosineAlone),
			holds: func(a, b seen) bool { return o.Rule.Holds(a.cosine(b), a.distance(b)) }},
		{Name: fmt.Sprintf("hash within %d bits alone", o.Rule.HashDistance), holds: func(a, b seen) bool { return a.distance(b) <= o.Rule.HashDistance }},
		{Name: fmt.Sprintf("cosine %g alone", o.Rule.CosineAlone), holds: func(a, b seen) bool { return a.cosine(b) >= o.Rule.CosineAlone }},
	}}
	looker := looker{encoder: encoder}
	originals, names, sources, err := looker.originals(ctx, pictures, o.Progress, report)
	if err != nil {
		return nil, err
	}
	if report.Pictures = len(originals); len(originals) < 2 {
		return nil, fmt.Errorf("%d pictures can be read, want at least 2: %w", len(originals), recsys.ErrInvalid)
	}
	report.Copied = min(o.Copies, len(originals))
	for k, a := range alterations {
		o.Progress("alter copies", k*report.Copied, len(alterations)*report.Copied)
		copies, err := looker.copies(ctx, a, sources[:report.Copied])
		if err != nil {
			return nil, err
		}
		for r := range report.Rules {
			report.Rules[r].recall(a.name, originals, copies)
		}
	}
	o.Progress("alter copies", len(alterations)*report.Copied, len(alterations)*report.Copied)
	for r := range report.Rules {
		pairs := report.Rules[r].alarms(originals)
		if r == 0 {
			report.Groups = groups(names, pairs)
		}
	}
	return report, nil
}

// Chosen orders names by a hash of each and a seed, and returns the first most of them.
func Chosen(names []string, most int, seed uint64) []string {
	items := make([]atlas.Item, len(names))
	for i, name := range names {
		items[i].ID = name
	}
	items = atlas.Sample(items, most, seed)
	out := make([]string, len(items))
	for i := range items {
		out[i] = items[i].ID
	}
	return out
}

// looker makes what pictures are recognised by.
type looker struct{ encoder engine.Encoder }

func (l looker) look(ctx context.Context, image []byte) (seen, error) {
	tensor, err := l.encoder.Tensor(image)
	if err != nil {
		return seen{}, err
	}
	raw, err := l.encoder.Encode(ctx, tensor)
	if err != nil {
		return seen{}, err
	}
	unit := slices.Clone(raw)
	vecmath.Normalize(unit)
	plain, mirrored := imageprep.HashTensor(tensor)
	return seen{unit, plain, mirrored}, nil
}

// each runs work for 0..n−1, as many at a time as there are processors.
func each(n int, work func(i int)) {
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	var wg sync.WaitGroup
	for i := range n {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			work(i)
		})
	}
	wg.Wait()
}

// originals looks at all pictures; those that cannot be read are named in the report.
func (l looker) originals(ctx context.Context, pictures []NamedPicture, progress engine.Progress, report *DuplicateReport) (found []seen, names []string, sources [][]byte, err error) {
	const batch = 64
	for from := 0; from < len(pictures); from += batch {
		progress("look at pictures", from, len(pictures))
		part := pictures[from:min(from+batch, len(pictures))]
		looks, faults := make([]seen, len(part)), make([]error, len(part))
		each(len(part), func(i int) { looks[i], faults[i] = l.look(ctx, part[i].Bytes) })
		for i, fault := range faults {
			var unfit *recsys.FieldError
			switch {
			case fault == nil:
				found, names, sources = append(found, looks[i]), append(names, part[i].Name), append(sources, part[i].Bytes)
			case errors.As(fault, &unfit):
				report.Unread = append(report.Unread, part[i].Name)
			default:
				return nil, nil, nil, fault
			}
		}
	}
	progress("look at pictures", len(pictures), len(pictures))
	return found, names, sources, nil
}

func (l looker) copies(ctx context.Context, a alteration, sources [][]byte) ([]seen, error) {
	out, faults := make([]seen, len(sources)), make([]error, len(sources))
	each(len(sources), func(i int) {
		picture, err := imageprep.Decode(sources[i], imageprep.DefaultLimits())
		if err == nil {
			var altered []byte
			if altered, err = a.alter(picture); err == nil {
				out[i], err = l.look(ctx, altered)
			}
		}
		faults[i] = err
	})
	return out, errors.Join(faults...)
}

func (r *DuplicateRuleReport) recall(name string, originals, copies []seen) {
	values := make([]float64, len(copies))
	for i := range copies {
		if r.holds(copies[i], originals[i]) {
			values[i] = 1
		}
	}
	e := evaluate.EstimateOf(values)
	r.Recall = append(r.Recall, evaluate.Metric{Name: name, Mean: e.Mean, StdErr: e.StdErr, N: e.N})
}

// alarms counts the pictures that another is taken for a copy of, and returns the pairs.
func (r *DuplicateRuleReport) alarms(originals []seen) (pairs [][2]int) {
	values := make([]float64, len(originals))
	var mu sync.Mutex
	each(len(originals), func(i int) {
		for j := range i {
			if r.holds(originals[i], originals[j]) {
				mu.Lock()
				values[i], values[j] = 1, 1
				pairs = append(pairs, [2]int{i, j})
				mu.Unlock()
			}
		}
	})
	r.FalseAlarms = evaluate.EstimateOf(values)
	return pairs
}

// groups joins pairs to groups, the largest first, then by the first name.
func groups(names []string, pairs [][2]int) [][]string {
	parent := make([]int, len(names))
	for i := range parent {
		parent[i] = i
	}
	root := func(i int) int {
		for parent[i] != i {
			parent[i] = parent[parent[i]]
			i = parent[i]
		}
		return i
	}
	for _, p := range pairs {
		parent[root(p[0])] = root(p[1])
	}
	members := make(map[int][]string)
	for i, name := range names {
		members[root(i)] = append(members[root(i)], name)
	}
	out := [][]string{}
	for _, group := range members {
		if len(group) > 1 {
			slices.Sort(group)
			out = append(out, group)
		}
	}
	slices.SortFunc(out, func(a, b []string) int { return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a[0], b[0])) })
	return out
}

// WriteJSON writes the report as indented JSON.
func (r *DuplicateReport) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}

// shownGroups and shownMembers bound what of groups is printed; JSON holds all.
const shownGroups, shownMembers = 10, 8

// WriteTable writes the report for people.
func (r *DuplicateReport) WriteTable(w io.Writer) error {
	fmt.Fprintf(w, "%d pictures, altered copies of %d\n\nrecall of copies, ± standard error\n", r.Pictures, r.Copied)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, rule := range r.Rules {
		fmt.Fprintf(t, "\t%s", rule.Name)
	}
	fmt.Fprintln(t)
	for k, a := range alterations {
		fmt.Fprint(t, a.name)
		for _, rule := range r.Rules {
			fmt.Fprintf(t, "\t%.3f ±%.3f", rule.Recall[k].Mean, rule.Recall[k].StdErr)
		}
		fmt.Fprintln(t)
	}
	fmt.Fprint(t, "false alarms")
	for _, rule := range r.Rules {
		fmt.Fprintf(t, "\t%.3f ±%.3f", rule.FalseAlarms.Mean, rule.FalseAlarms.StdErr)
	}
	fmt.Fprintln(t)
	if err := t.Flush(); err != nil {
		return err
	}
	if len(r.Groups) > 0 {
		fmt.Fprintf(w, "\n%d groups of pictures that look like copies; look at them: they are alarms only where they are none\n", len(r.Groups))
	}
	for _, group := range r.Groups[:min(shownGroups, len(r.Groups))] {
		fmt.Fprintf(w, "  %d: %v\n", len(group), group[:min(shownMembers, len(group))])
	}
	if len(r.Unread) > 0 {
		fmt.Fprintf(w, "\n%d files are no pictures: %v\n", len(r.Unread), r.Unread[:min(shownMembers, len(r.Unread))])
	}
	return nil
}
