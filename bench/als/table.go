package main

import (
	"fmt"
	"slices"
	"syscall"

	"github.com/seed-473295a7/vitrine/internal/evaluate"
)

// table collects reports by method over folds and prints them in the order of appearance.
type table struct {
	title string
	names []string
	lines map[string]*line
}

type line struct {
	report evaluate.Report
	cpu    []float64
	folds  float64
}

func newTable(title string) *table { return &table{title: title, lines: map[string]*line{}} }

// add appends a fold's values; cpu is CPU seconds an epoch, 0 for a method without.
func (t *table) add(name string, r evaluate.Report, cpu float64) {
	l := t.lines[name]
	if l == nil {
		l = &line{}
		t.lines[name] = l
		t.names = append(t.names, name)
	}
	l.report.NDCG100 = append(l.report.NDCG100, r.NDCG100...)
	l.report.NDCG10 = append(l.report.NDCG10, r.NDCG10...)
	l.report.Recall20 = append(l.report.Recall20, r.Recall20...)
	l.report.MRR = append(l.report.MRR, r.MRR...)
	l.report.Coverage20 += r.Coverage20
	l.report.MeanPopularity20 += r.MeanPopularity20
	l.cpu = append(l.cpu, cpu)
	l.folds++
}

func (t *table) print() {
	fmt.Printf("\n%s\n%-34s %15s %15s %15s %7s %7s %7s %11s\n", t.title, "", "NDCG@100", "NDCG@10", "Recall@20", "MRR", "cov@20", "pop@20", "CPU s/epoch")
	for _, name := range t.names {
		l := t.lines[name]
		fmt.Printf("%-34s %15s %15s %15s %7.4f %7.3f %7.1f", name, estimate(l.report.NDCG100), estimate(l.report.NDCG10),
			estimate(l.report.Recall20), evaluate.EstimateOf(l.report.MRR).Mean, l.report.Coverage20/l.folds, l.report.MeanPopularity20/l.folds)
		if cpu := median(l.cpu); cpu > 0 {
			fmt.Printf(" %11.4f", cpu)
		}
		fmt.Println()
	}
}

func estimate(values []float64) string {
	e := evaluate.EstimateOf(values)
	return fmt.Sprintf("%.4f ± %.4f", e.Mean, e.StdErr)
}

func median(x []float64) float64 {
	x = slices.Sorted(slices.Values(x))
	return x[len(x)/2]
}

// cpuSeconds is the processor time this process has used, in user and system mode.
func cpuSeconds() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	seconds := func(t syscall.Timeval) float64 { return float64(t.Sec) + float64(t.Usec)/1e6 }
	return seconds(u.Utime) + seconds(u.Stime)
}
