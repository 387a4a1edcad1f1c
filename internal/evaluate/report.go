package evaluate

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
)

// Report is what a protocol has measured: models side by side, stage by stage.
type Report struct {
	Protocol string   `json:"protocol"`
	About    string   `json:"about"` // what the protocol asks, one sentence
	Log      Summary  `json:"log"`
	Settings []string `json:"settings"` // what was the same for all models, a line each
	// Reference is the model that the others are compared with.
	Reference string        `json:"reference"`
	Stages    []StageReport `json:"stages"`
	Plots     []Plot        `json:"plots,omitempty"`
}

// StageReport is one stage of a protocol.
type StageReport struct {
	Name   string        `json:"name"`
	Models []ModelReport `json:"models"`
}

// ModelReport is one line of the table.
type ModelReport struct {
	Name    string   `json:"name"`
	Metrics []Metric `json:"metrics"`
}

// Metric is a figure with its standard error, and how it differs from the reference model's on the
// same cases; the difference's error is that of the paired differences.
type Metric struct {
	Name       string    `json:"name"`
	Mean       float64   `json:"mean"`
	StdErr     float64   `json:"std_err,omitempty"`
	N          int       `json:"n,omitempty"` // cases; 0: no mean over cases
	Difference *Estimate `json:"difference,omitempty"`
}

// The names of the metrics, in the order of the table.
const (
	MetricNDCG10     = "NDCG@10"
	MetricNDCG100    = "NDCG@100"
	MetricRecall20   = "Recall@20"
	MetricMRR        = "MRR"
	MetricCold       = "Recall@20 cold"
	MetricWarm       = "Recall@20 warm"
	MetricColdShare  = "cold share@20"
	MetricCoverage   = "coverage@20"
	MetricPopularity = "popularity@20"
	MetricDistance   = "distance@10"
	MetricAUC        = "AUC"
	MetricWatched    = "Recall@20 watched only"
	MetricMixed      = "Recall@20 watched, mixed"
	MetricShare      = "watched share@20"
)

// Collector gathers values of models over folds into a Report.
type Collector struct {
	stages []string
	models []string
	values map[[2]string]*Values
}

// NewCollector returns an empty Collector.
func NewCollector() *Collector { return &Collector{values: make(map[[2]string]*Values)} }

// Add appends what a model achieved at a stage of one more fold. All models must see the same
// cases in the same order.
func (c *Collector) Add(stage, model string, v *Values) {
	if !slices.Contains(c.stages, stage) {
		c.stages = append(c.stages, stage)
	}
	if !slices.Contains(c.models, model) {
		c.models = append(c.models, model)
	}
	key := [2]string{stage, model}
	if known, ok := c.values[key]; ok {
		known.join(v)
	} else {
		c.values[key] = v
	}
}

// Values returns what a model achieved at a stage; nil if nothing was added.
func (c *Collector) Values(stage, model string) *Values { return c.values[[2]string{stage, model}] }

// StageNames lists the stages in the order they were added.
func (c *Collector) StageNames() []string { return c.stages }

// Stages turns the values into figures beside those of the reference model.
func (c *Collector) Stages(reference string) []StageReport {
	var out []StageReport
	for _, stage := range c.stages {
		s := StageReport{Name: stage}
		for _, model := range c.models {
			if v := c.Values(stage, model); v != nil {
				s.Models = append(s.Models, ModelReport{Name: model, Metrics: v.metrics(c.Values(stage, reference))})
			}
		}
		out = append(out, s)
	}
	return out
}

// metrics lists the figures that there are.
func (v *Values) metrics(reference *Values) []Metric {
	if reference == nil {
		reference = &Values{}
	}
	var out []Metric
	mean := func(name string, values, of []float64) {
		if len(values) == 0 {
			return
		}
		e := EstimateOf(values)
		m := Metric{Name: name, Mean: e.Mean, StdErr: e.StdErr, N: e.N}
		if len(of) == len(values) && v != reference {
			d := Difference(values, of)
			m.Difference = &d
		}
		out = append(out, m)
	}
	plain := func(name string, value float64) { out = append(out, Metric{Name: name, Mean: value}) }
	if v.Items != nil {
		of := reference.Items
		if of == nil {
			of = &ItemValues{}
		}
		mean(MetricAUC, v.Items.AUC, of.AUC)
		plain(MetricWatched, v.Items.ColdRecall)
		plain(MetricMixed, v.Items.Recall)
		plain(MetricShare, v.Items.Share)
		return out
	}
	mean(MetricNDCG10, v.NDCG10, reference.NDCG10)
	mean(MetricNDCG100, v.NDCG100, reference.NDCG100)
	mean(MetricRecall20, v.Recall20, reference.Recall20)
	mean(MetricMRR, v.MRR, reference.MRR)
	mean(MetricCold, v.ColdRecall20, reference.ColdRecall20)
	mean(MetricWarm, v.WarmRecall20, reference.WarmRecall20)
	mean(MetricColdShare, v.ColdShare20, reference.ColdShare20)
	plain(MetricCoverage, v.Coverage20)
	mean(MetricPopularity, v.Popularity20, reference.Popularity20)
	mean(MetricDistance, v.Distance10, reference.Distance10)
	return out
}

// Difference estimates the mean of a less b, case by case; both have one length.
func Difference(a, b []float64) Estimate {
	out := make([]float64, len(a))
	for i := range a {
		out[i] = a[i] - b[i]
	}
	return EstimateOf(out)
}

// Metric returns a figure of a model at a stage; false if it was not measured.
func (r *Report) Metric(stage, model, name string) (Metric, bool) {
	for _, s := range r.Stages {
		for _, m := range s.Models {
			for _, f := range m.Metrics {
				if s.Name == stage && m.Name == model && f.Name == name {
					return f, true
				}
			}
		}
	}
	return Metric{}, false
}

// WriteJSON writes the report as indented JSON.
func (r *Report) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}

// WriteTable writes the report for people: a table a stage, models in lines.
func (r *Report) WriteTable(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n%s\n", r.Protocol, r.About, r.Log)
	for _, line := range r.Settings {
		fmt.Fprintln(&b, line)
	}
	for _, s := range r.Stages {
		fmt.Fprintf(&b, "\n%s\n", s.Name)
		s.WriteTable(&b, r.Reference, mainMetric(metricNames(s)))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// String is one line about a log.
func (s Summary) String() string {
	return fmt.Sprintf("%d users, %d items, %d events, %d positives, %s to %s, digest %s",
		s.Users, s.Items, s.Events, s.Positives, s.First.Format("2006-01-02"), s.Last.Format("2006-01-02"), s.Digest)
}

// WriteTable writes a line a model, with the difference from the reference in one of the metrics,
// main. What w answers is not looked at: it is a buffer.
func (s StageReport) WriteTable(w io.Writer, reference, main string) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	names := metricNames(s)
	fmt.Fprintf(t, "\t%s\tΔ %s\t\n", strings.Join(names, "\t"), main)
	for _, m := range s.Models {
		fmt.Fprintf(t, "%s\t", m.Name)
		for _, name := range names {
			fmt.Fprintf(t, "%s\t", m.cell(name))
		}
		fmt.Fprintf(t, "%s\t\n", m.difference(main, reference))
	}
	t.Flush()
}

// mainMetric is the one whose difference stands in the table.
func mainMetric(names []string) string {
	for _, name := range []string{MetricNDCG100, MetricAUC} {
		if slices.Contains(names, name) {
			return name
		}
	}
	return ""
}

func (m ModelReport) cell(name string) string {
	for _, f := range m.Metrics {
		switch {
		case f.Name != name:
		case f.N == 0 || name == MetricPopularity:
			return number(f.Mean)
		default:
			return number(f.Mean) + " ±" + strings.TrimPrefix(number(f.StdErr), "0")
		}
	}
	return ""
}

func (m ModelReport) difference(name, reference string) string {
	for _, f := range m.Metrics {
		if f.Name == name && f.Difference != nil {
			return fmt.Sprintf("%+.4f ±%s", f.Difference.Mean, strings.TrimPrefix(number(f.Difference.StdErr), "0"))
		}
	}
	if m.Name == reference {
		return "reference"
	}
	return ""
}

// number prints shares with four digits and counts with one.
func number(v float64) string {
	if math.Abs(v) >= 10 {
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.4f", v)
}
