package evaluate

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"
)

//go:embed report.html
var reportPage string

var reportTemplate = template.Must(template.New("report").Funcs(template.FuncMap{
	"names": metricNames,
	"cell":  func(m ModelReport, name string) string { return m.cell(name) },
	"better": func(m ModelReport, name string) string {
		for _, f := range m.Metrics {
			if f.Name == name && f.Difference != nil {
				return beyondNoise(*f.Difference)
			}
		}
		return ""
	},
	"difference": func(m ModelReport, name string) string {
		for _, f := range m.Metrics {
			if f.Name == name && f.Difference != nil {
				return fmt.Sprintf("%+.4f ± %.4f against the reference", f.Difference.Mean, f.Difference.StdErr)
			}
		}
		return ""
	},
	"svg": func(p Plot) (template.HTML, error) {
		svg, err := p.SVG()
		return template.HTML(svg), err // drawn here, from names that the drawing escapes
	},
}).Parse(reportPage))

// beyondNoise classifies a paired difference: more than two standard errors, or not.
func beyondNoise(d Estimate) string {
	switch {
	case d.Mean > 2*d.StdErr:
		return "above"
	case d.Mean < -2*d.StdErr:
		return "below"
	}
	return ""
}

// WriteHTML writes reports as one page that needs nothing else: tables, and plots as SVG.
func WriteHTML(w io.Writer, reports []*Report) error {
	if err := reportTemplate.Execute(w, reports); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// metricNames lists the metrics of a stage in the order of the table.
func metricNames(s StageReport) []string {
	var out []string
	for _, m := range s.Models {
		for _, f := range m.Metrics {
			if !slices.Contains(out, f.Name) {
				out = append(out, f.Name)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b string) int { return slices.Index(tableOrder, a) - slices.Index(tableOrder, b) })
	return out
}

// tableOrder is the order of the metrics; others come first.
var tableOrder = []string{MetricNDCG10, MetricNDCG100, MetricRecall20, MetricMRR, MetricCold, MetricWarm,
	MetricColdShare, MetricCoverage, MetricPopularity, MetricDistance}
