package ingest

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// The limits that proto/vitrine/v1 states; a test holds the two against each other.
const (
	maxID            = 256
	maxTitle         = 1024
	maxText          = 65536
	maxAttributes    = 256
	maxAttributeName = 128
	maxLabels        = 256
	maxLabel         = 256
	maxImage         = 20 << 20
	maxRating        = 5
	maxAhead         = 5 * time.Minute
)

// The functions below check one cell; a reason that is not empty says why it is refused.

// checkName is the rule of ids, labels and attribute names.
func checkName(cell string, limit int) (reason string) {
	switch {
	case cell == "":
		return fmt.Sprintf("is empty, want 1 to %d bytes", limit)
	case len(cell) > limit:
		return fmt.Sprintf("has %d bytes, want 1 to %d", len(cell), limit)
	case !utf8.ValidString(cell):
		return "is not valid UTF-8"
	case strings.ContainsFunc(cell, unicode.IsControl):
		return "holds a control character"
	}
	return ""
}

// checkText is the rule of titles, descriptions and text attributes.
func checkText(cell string, limit int) (reason string) {
	switch {
	case len(cell) > limit:
		return fmt.Sprintf("has %d bytes, want at most %d", len(cell), limit)
	case !utf8.ValidString(cell):
		return "is not valid UTF-8"
	case strings.Contains(cell, "\x00"):
		return "holds a zero byte"
	}
	return ""
}

// parseNumber reads a finite decimal such as -1.5e3. Go's other spellings (hexadecimal,
// underscores, inf, nan) are words here: a column of them is labels.
func parseNumber(cell string) (value float64, ok bool) {
	cell = strings.TrimSpace(cell)
	if strings.Trim(cell, "0123456789+-.eE") != "" {
		return 0, false
	}
	value, err := strconv.ParseFloat(cell, 64)
	return value, err == nil && !math.IsInf(value, 0)
}

// parseTime reads Unix seconds or RFC 3339, to the microsecond as PostgreSQL keeps it; it must lie in the years 1 to 9999.
func parseTime(cell string) (at time.Time, reason string) {
	const wanted = "want Unix seconds or RFC 3339 such as 2026-01-31T18:00:00Z"
	cell = strings.TrimSpace(cell)
	if seconds, ok := parseNumber(cell); ok {
		if math.Abs(seconds) > 1e12 {
			return time.Time{}, "is " + cell + ", " + wanted
		}
		// Exact to the microsecond until 2106: a float64 below 2³² is 2⁻²¹ s apart from the next.
		at = time.UnixMicro(int64(math.Round(seconds * 1e6))).UTC()
	} else {
		parsed, err := time.Parse(time.RFC3339Nano, cell)
		if err != nil {
			return time.Time{}, fmt.Sprintf("is %s, %s", shown(cell), wanted)
		}
		at = parsed.UTC().Truncate(time.Microsecond)
	}
	if at.Year() < 1 || at.Year() > 9999 {
		return time.Time{}, "is " + cell + ", beyond the years 1 to 9999; want Unix seconds, not milliseconds"
	}
	return at, ""
}

// parseBool reads true or false and their usual spellings; empty is false.
func parseBool(cell string) (value bool, reason string) {
	switch strings.ToLower(strings.TrimSpace(cell)) {
	case "", "0", "f", "false", "n", "no":
		return false, ""
	case "1", "t", "true", "y", "yes":
		return true, ""
	}
	return false, fmt.Sprintf("is %s, want true or false", shown(cell))
}

// splitLabels cuts a cell at "|", without spaces around, empty and repeated labels; nil if nothing is left.
func splitLabels(cell string) (labels []string, reason string) {
	for label := range strings.SplitSeq(cell, "|") {
		label = strings.TrimSpace(label)
		if label == "" || slices.Contains(labels, label) {
			continue
		}
		if len(label) > maxLabel {
			return nil, fmt.Sprintf("has a label of %d bytes, want at most %d; declare the column as text in the schema file if it holds prose", len(label), maxLabel)
		}
		if reason = checkName(label, maxLabel); reason != "" {
			return nil, "has a label that " + reason
		}
		if len(labels) == maxLabels {
			return nil, fmt.Sprintf("has more than %d labels", maxLabels)
		}
		labels = append(labels, label)
	}
	return labels, ""
}

// shown quotes a value for a reason, cut to a length that can be read.
func shown(cell string) string {
	const limit = 40
	if len(cell) > limit {
		return strconv.QuoteToGraphic(strings.ToValidUTF8(cell[:limit], "") + "…")
	}
	return strconv.QuoteToGraphic(cell)
}
