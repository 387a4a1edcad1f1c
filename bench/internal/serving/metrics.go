package serving

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// Metrics reads the server's counters whose names begin with a prefix, by name and labels as
// /metrics writes them.
func (s *Server) Metrics(ctx context.Context, prefix string) (map[string]float64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.metricsURL, nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", s.metricsURL, response.Status)
	}
	return parseMetrics(response.Body, prefix)
}

// parseMetrics reads the lines "NAME{LABELS} VALUE" of the Prometheus text format.
func parseMetrics(text io.Reader, prefix string) (map[string]float64, error) {
	found := make(map[string]float64)
	lines := bufio.NewScanner(text)
	for lines.Scan() {
		at := strings.LastIndexByte(lines.Text(), ' ')
		if at < 0 || !strings.HasPrefix(lines.Text(), prefix) {
			continue
		}
		value, err := strconv.ParseFloat(lines.Text()[at+1:], 64)
		if err != nil {
			return nil, fmt.Errorf("metrics: %q: %w", lines.Text(), err)
		}
		found[lines.Text()[:at]] = value
	}
	return found, lines.Err()
}
