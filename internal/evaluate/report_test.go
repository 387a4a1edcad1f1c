package evaluate

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func sampleReport() *Report {
	c := NewCollector()
	c.Add("lists", "good", &Values{NDCG100: []float64{.5, .7}, NDCG10: []float64{.4, .6}, Popularity20: []float64{31, 33}, folds: 1, Coverage20: .5})
	c.Add("lists", "bad", &Values{NDCG100: []float64{.1, .2}, NDCG10: []float64{.1, .3}, folds: 1, Coverage20: .25})
	c.Add("lists", "good", &Values{NDCG100: []float64{.9}, NDCG10: []float64{.8}, folds: 1, Coverage20: .7})
	c.Add("lists", "bad", &Values{NDCG100: []float64{.3}, NDCG10: []float64{.1}, folds: 1, Coverage20: .35})
	return &Report{Protocol: "p", About: "a <test>", Reference: "good", Settings: []string{"one & only"}, Stages: c.Stages("good"),
		Plots: []Plot{{Title: "curve", X: "x", Y: "y", Series: []Series{
			{Name: "good", Points: []Point{{X: 0, Y: .5, Err: .1, Label: "here"}, {X: 1, Y: .6}}}, {Name: "empty"}}}}}
}

func TestCollectorPairsModels(t *testing.T) {
	t.Parallel()
	r := sampleReport()
	m, ok := r.Metric("lists", "bad", MetricNDCG100)
	want := EstimateOf([]float64{-.4, -.5, -.6})
	if diff := cmp.Diff(&want, m.Difference, cmpopts.EquateApprox(0, 1e-12)); !ok || m.N != 3 || diff != "" {
		t.Errorf("%+v (-want +got):\n%s", m, diff)
	}
	if m, ok := r.Metric("lists", "good", MetricNDCG100); !ok || m.Difference != nil {
		t.Errorf("the reference differs from itself: %+v", m)
	}
	if m, _ := r.Metric("lists", "good", MetricCoverage); m.Mean < .599 || m.Mean > .601 {
		t.Errorf("coverage is %v, want the mean over folds, .6", m.Mean)
	}
	if _, ok := r.Metric("lists", "bad", MetricPopularity); ok {
		t.Error("what was not measured has a figure")
	}
}

func TestReportForms(t *testing.T) {
	t.Parallel()
	r := sampleReport()
	var table, page, asJSON bytes.Buffer
	for _, err := range []error{r.WriteTable(&table), WriteHTML(&page, []*Report{r}), r.WriteJSON(&asJSON)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"NDCG@100", "0.7000 ±.1155", "reference", "-0.5000 ±.0577", "32.0"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, table.String())
		}
	}
	for _, want := range []string{"a &lt;test&gt;", "one &amp; only", "<svg", `class="below" title="-0.5000 ± 0.0577 against the reference"`, `<tr class="reference"><td>good</td>`} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(page.String(), "<?xml") {
		t.Error("the page holds an XML header")
	}
	var again Report
	if err := json.Unmarshal(asJSON.Bytes(), &again); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r, &again); diff != "" {
		t.Errorf("read back (-want +got):\n%s", diff)
	}
}
