package ingest

import (
	"fmt"
	"strings"
)

// maxFaults is how many faults a report keeps; FaultCount counts all.
const maxFaults = 1000

// Report tells what became of a file's rows. Rows = Loaded + Skipped once a run ended without an error.
type Report struct {
	Rows         int64    `json:"rows"`          // in the file, header and blank lines apart
	Loaded       int64    `json:"loaded"`        // durable now, replays included
	Created      int64    `json:"created"`       // items that were not there before
	Replaced     int64    `json:"replaced"`      // items that were
	Replayed     int64    `json:"replayed"`      // interactions that had been stored before, by an earlier row or run
	WithoutImage int64    `json:"without_image"` // items loaded that name no picture
	Skipped      int64    `json:"skipped"`       // rows with a fault
	Line         int      `json:"line"`          // every row that ends at or before this line is done
	Columns      []Column `json:"columns,omitempty"`
	FaultCount   int64    `json:"fault_count"`
	Faults       []Fault  `json:"faults,omitempty"` // the first 1,000, by line
}

// Column tells what a column is taken for.
type Column struct {
	Name string `json:"name"`
	// Kind is that of an attribute as recsys.AttributeKind spells it, "known" for a column with
	// a meaning of its own, or "ignored".
	Kind string `json:"kind"`
	// Because names the first value that is no number in a column that holds numbers else.
	Because string `json:"because,omitempty"`
}

// Fault is why a row was not loaded, or one of the reasons.
type Fault struct {
	Line   int    `json:"line"`             // where the row begins; the header is line 1
	Column string `json:"column,omitempty"` // empty: the row as a whole
	Reason string `json:"reason"`           // one clause, no trailing stop
}

// String reads "line 7, column value: is 9, want 0 to 5".
func (f Fault) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "line %d", f.Line)
	if f.Column != "" {
		b.WriteString(", column " + f.Column)
	}
	return b.String() + ": " + f.Reason
}

func (r *Report) skip(faults []Fault) {
	r.Skipped++
	r.FaultCount += int64(len(faults))
	r.Faults = append(r.Faults, faults[:min(len(faults), maxFaults-len(r.Faults))]...)
}
