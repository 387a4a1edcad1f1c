package main

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// report collects what is measured: lines for people and values by name for programs.
// Not safe for concurrent use.
type report struct {
	lines  []string
	values map[string]any
}

func newReport() *report { return &report{values: map[string]any{}} }

func (r *report) section(title string) { r.lines = append(r.lines, "", title) }

func (r *report) text(label, format string, args ...any) {
	r.lines = append(r.lines, fmt.Sprintf("  %-46s %s", label, fmt.Sprintf(format, args...)))
}

// value prints a number with a note behind it and keeps it under name. The name ends with the unit.
func (r *report) value(name, label string, v float64, note string) {
	r.values[name] = v
	r.lines = append(r.lines, strings.TrimRight(fmt.Sprintf("  %-46s %12s  %s", label, number(v), note), " "))
}

// number prints four significant digits, and whole numbers above.
func number(v float64) string {
	if v == 0 {
		return "0"
	}
	return fmt.Sprintf("%.*f", max(0, 3-int(math.Floor(math.Log10(math.Abs(v))))), v)
}

func (r *report) print(out io.Writer) {
	for _, line := range r.lines {
		fmt.Fprintln(out, line)
	}
	fmt.Fprintln(out)
}

// result is the one line that is compared between runs; a value that was left out is "none".
func (r *report) result() string {
	var b strings.Builder
	b.WriteString("RESULT serve")
	for _, name := range []string{"recommend_p50_ms", "recommend_p99_ms", "recommend_per_cpu_s",
		"register_ratio_vs_python", "record_ratio_vs_pgbench", "rss_idle_mb", "rss_loaded_mb"} {
		if v, ok := r.values[name].(float64); ok {
			fmt.Fprintf(&b, " %s=%s", name, number(v))
		} else {
			fmt.Fprintf(&b, " %s=none", name)
		}
	}
	return b.String()
}

// quantile of times in milliseconds, the nearest rank; times are sorted in place.
func quantile(times []time.Duration, q float64) float64 {
	if len(times) == 0 {
		return 0
	}
	slices.Sort(times)
	at := int(math.Ceil(q*float64(len(times)))) - 1
	return float64(times[max(at, 0)]) / float64(time.Millisecond)
}

func median(x []float64) float64 {
	if len(x) == 0 {
		return 0
	}
	x = slices.Sorted(slices.Values(x))
	if n := len(x); n%2 == 0 {
		return (x[n/2-1] + x[n/2]) / 2
	}
	return x[len(x)/2]
}

func sum(x []float64) (s float64) {
	for _, v := range x {
		s += v
	}
	return s
}

func mean(x []float64) float64 { return sum(x) / float64(max(len(x), 1)) }

// span prints the least and the greatest of at least one value.
func span(x []float64) string { return number(slices.Min(x)) + " to " + number(slices.Max(x)) }

// machine says what this runs on.
func machine() string {
	find := func(path, key string) string {
		file, err := os.Open(path)
		if err != nil {
			return "unknown"
		}
		defer file.Close()
		for lines := bufio.NewScanner(file); lines.Scan(); {
			if name, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(name) == key {
				return strings.TrimSpace(value)
			}
		}
		return "unknown"
	}
	load, _, _ := strings.Cut(readText("/proc/loadavg"), " ")
	return fmt.Sprintf("%d CPUs (%s), memory %s, %s/%s, %s, load average %s at the start", runtime.NumCPU(),
		find("/proc/cpuinfo", "model name"), find("/proc/meminfo", "MemTotal"), runtime.GOOS, runtime.GOARCH, runtime.Version(), load)
}

// readText is a small file's content, empty where there is none.
func readText(path string) string {
	content, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return string(content)
}
