package main

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// table is what was measured of one set.
type table struct {
	set    *set
	target float64
	rows   []*row
}

func (t *table) print(w io.Writer) {
	fmt.Fprintf(w, "\n%-22s %11s %9s   %s   %s\n", t.set.name, "", "", center("10 neighbours", 26), center("100 neighbours", 26))
	fmt.Fprintf(w, "%-22s %11s %9s", "", "build CPU s", "B/vector")
	for range neighbours {
		fmt.Fprintf(w, "   %6s %6s %12s", "ef", "recall", "q/CPU-s")
	}
	fmt.Fprintln(w)
	for _, r := range t.rows {
		fmt.Fprintf(w, "%-22s", r.name())
		if _, same := r.subject.(asItIs); same {
			fmt.Fprintf(w, " %11s %9s", "", "")
		} else {
			fmt.Fprintf(w, " %11.1f %9.0f", r.cpu, float64(r.bytes)/float64(t.set.len()))
		}
		for _, p := range r.at {
			ef := "–"
			if p.ef > 0 {
				ef = fmt.Sprint(p.ef)
			}
			fmt.Fprintf(w, "   %6s %6.4f %12.0f", ef, p.recall, p.rate())
		}
		fmt.Fprintln(w)
	}
	if t.row("hnswlib") == nil {
		return
	}
	for which, k := range neighbours {
		for _, name := range []string{"hnsw", "hnsw-int8"} {
			if ratio, ok := t.ratio(name, which); ok {
				fmt.Fprintf(w, "%s at recall@%d ≥ %g: %.2f × hnswlib's queries per CPU-second\n", name, k, t.target, ratio)
			}
		}
	}
}

func center(s string, width int) string {
	left := (width - len(s)) / 2
	return strings.Repeat(" ", left) + s + strings.Repeat(" ", width-len(s)-left)
}

func (t *table) row(name string) *row {
	for _, r := range t.rows {
		if r.name() == name || strings.HasPrefix(r.name(), name+"==") {
			return r
		}
	}
	return nil
}

// ratio is ours over hnswlib's rate, if both reach the target.
func (t *table) ratio(name string, which int) (float64, bool) {
	mine, theirs := t.row(name), t.row("hnswlib")
	if mine == nil || theirs == nil || mine.at[which].recall < t.target || theirs.at[which].recall < t.target {
		return 0, false
	}
	return mine.at[which].rate() / theirs.at[which].rate(), true
}

// result is the line for machines, about ten neighbours.
func (t *table) result() (string, bool) {
	ratio, ok := t.ratio("hnsw-int8", 0)
	if !ok {
		return "", false
	}
	return fmt.Sprintf("RESULT ann ratio_vs_hnswlib_at_99=%.2f recall=%.4f", ratio, t.row("hnsw-int8").at[0].recall), true
}

// temporary makes a folder and says how to remove it.
func temporary() (path string, remove func(), err error) {
	path, err = os.MkdirTemp("", "bench-ann-")
	return path, func() { _ = os.RemoveAll(path) }, err
}
