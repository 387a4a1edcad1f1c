package serving

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

// Report collects what is measured: lines for people and values by name for programs.
// Not safe for concurrent use.
type Report struct {
	Lines  []string
	Values map[string]any
}

func NewReport() *Report { return &Report{Values: map[string]any{}} }

func (r *Report) Section(title string) { r.Lines = append(r.Lines, "", title) }

func (r *Report) Text(label, format string, args ...any) {
	r.Lines = append(r.Lines, fmt.Sprintf("  %-46s %s", label, fmt.Sprintf(format, args...)))
}

// Value prints a number with a note behind it and keeps it under name. The name ends with the unit.
func (r *Report) Value(name, label string, v float64, note string) {
	r.Values[name] = v
	r.Lines = append(r.Lines, strings.TrimRight(fmt.Sprintf("  %-46s %12s  %s", label, Number(v), note), " "))
}

// Number prints four significant digits, and whole numbers above.
func Number(v float64) string {
	if v == 0 {
		return "0"
	}
	return fmt.Sprintf("%.*f", max(0, 3-int(math.Floor(math.Log10(math.Abs(v))))), v)
}

func (r *Report) Print(out io.Writer) {
	for _, line := range r.Lines {
		fmt.Fprintln(out, line)
	}
	fmt.Fprintln(out)
}

// Result is the one line that is compared between runs, of a command's values by name; one that
// was left out is "none".
func (r *Report) Result(command string, names ...string) string {
	var b strings.Builder
	b.WriteString("RESULT " + command)
	for _, name := range names {
		if v, ok := r.Values[name].(float64); ok {
			fmt.Fprintf(&b, " %s=%s", name, Number(v))
		} else {
			fmt.Fprintf(&b, " %s=none", name)
		}
	}
	return b.String()
}

// Quantile of times in milliseconds, the nearest rank; times are sorted in place.
func Quantile(times []time.Duration, q float64) float64 {
	if len(times) == 0 {
		return 0
	}
	slices.Sort(times)
	at := int(math.Ceil(q*float64(len(times)))) - 1
	return float64(times[max(at, 0)]) / float64(time.Millisecond)
}

// Machine says what this runs on.
func Machine() string {
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
