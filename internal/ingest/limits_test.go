package ingest

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestLimitsAreTheContracts reads the .proto files: what this door lets in must be what the
// other door, the server, lets in.
func TestLimitsAreTheContracts(t *testing.T) {
	t.Parallel()
	tests := []struct{ file, field, rule string }{
		{"item", "string item_id = 1 [", fmt.Sprintf("max_bytes: %d", maxID)},
		{"item", "string title = 2 [", fmt.Sprintf("max_bytes: %d", maxTitle)},
		{"item", "string description = 3 [", fmt.Sprintf("max_bytes: %d", maxText)},
		{"item", "bytes image = 4 [", fmt.Sprintf("max_len: %d", maxImage)},
		{"item", "attributes = 6 [", fmt.Sprintf("max_pairs: %d", maxAttributes)},
		{"item", "attributes = 6 [", fmt.Sprintf("max_bytes: %d", maxAttributeName)},
		{"item", "string text = 3 [", fmt.Sprintf("max_bytes: %d", maxText)},
		{"item", "repeated string values = 1 [", fmt.Sprintf("max_items: %d", maxLabels)},
		{"item", "repeated string values = 1 [", fmt.Sprintf("max_bytes: %d", maxLabel)},
		{"interaction", "string user_id = 1 [", fmt.Sprintf("max_bytes: %d", maxID)},
		{"interaction", "string visitor_id = 2 [", fmt.Sprintf("max_bytes: %d", maxID)},
		{"interaction", "string item_id = 3 [", fmt.Sprintf("max_bytes: %d", maxID)},
		{"interaction", "optional double value = 5 [", fmt.Sprintf("lte: %d", maxRating)},
		{"interaction", "event_time = 6 [", fmt.Sprintf("duration('%ds')", int(maxAhead.Seconds()))},
	}
	for _, test := range tests {
		source, err := os.ReadFile("../../proto/vitrine/v1/" + test.file + ".proto")
		if err != nil {
			t.Fatal(err)
		}
		_, rules, found := strings.Cut(string(source), test.field)
		rules, _, closed := strings.Cut(rules, ";")
		if !found || !closed || !strings.Contains(rules, test.rule) {
			t.Errorf("%s.proto: %q does not say %q but %s", test.file, test.field, test.rule, rules)
		}
	}
}
