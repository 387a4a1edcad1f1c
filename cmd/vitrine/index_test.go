package main

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/seed-473295a7/vitrine/internal/pgtest"
	vitrinev1 "github.com/seed-473295a7/vitrine/proto/vitrine/v1"
)

// get reads a page of a process's HTTP port.
func get(t *testing.T, address, path string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

// The index is saved at the end, found at the next start, measured, and seen in metrics.
func TestIndexFromRunToRun(t *testing.T) {
	t.Parallel()
	dsn, dir := pgtest.New(t), t.TempDir()
	flags := []string{"--database-url", dsn, "--data-dir", dir}
	p := start(t, append(append(flags, "serve", "--pprof"), anyPort...)...)
	at := p.serving()
	s := dial(t, at.grpc)
	gallery(t, s)
	if found, err := s.recommender.FindSimilarItems(t.Context(), &vitrinev1.FindSimilarItemsRequest{ItemId: "red-0"}); err != nil || len(found.GetSimilarItems()) == 0 {
		t.Errorf("similar items: %v, %v", found, err)
	}
	s.recommend(t, &vitrinev1.RecommendRequest{})
	_, metrics := get(t, at.http, "/metrics")
	for _, line := range []string{
		"vitrine_index_vectors 7\n", "vitrine_index_nodes 0\n", "vitrine_index_tail 7\n", "vitrine_index_tombstone_share 0\n", "vitrine_index_bytes ",
		"vitrine_index_recall_at_10 NaN\n", "vitrine_index_recall_samples_total 0\n",
		`vitrine_stage_seconds_count{call="find_similar_items",stage="candidates"} 1`,
		`vitrine_stage_seconds_count{call="recommend",stage="history"} 1`,
		`vitrine_stage_seconds_count{call="recommend",stage="candidates"} 1`,
		`vitrine_stage_seconds_count{call="recommend",stage="rank"} 1`,
		`vitrine_stage_seconds_count{call="recommend",stage="present"} 1`,
	} {
		if !strings.Contains(metrics, line) {
			t.Errorf("no metric %q", line)
		}
	}
	if code, _ := get(t, at.http, "/debug/pprof/goroutine?debug=1"); code != http.StatusOK {
		t.Errorf("profile: %d", code)
	}
	p.signal(syscall.SIGTERM)
	if status := p.wait(); status != 0 {
		t.Fatalf("exit status %d", status)
	}
	if info, err := os.Stat(filepath.Join(dir, "index.snapshot")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("index file: %v, %v", info, err)
	}

	again := start(t, append(append(flags, "serve"), anyPort...)...)
	at = again.serving()
	if code, _ := get(t, at.http, "/debug/pprof/"); code != http.StatusNotFound {
		t.Errorf("profiles without --pprof: %d", code)
	}
	if log := again.out.String(); strings.Contains(log, "passed over") || strings.Contains(log, `"vectors_reused":0`) {
		t.Error("the saved index was not used")
	}
	out, status := run(t, append(flags, "--json", "index", "check")...)
	var report indexReport
	if err := json.NewDecoder(strings.NewReader(out[strings.Index(out, "{\n"):])).Decode(&report); err != nil || status != 0 {
		t.Fatalf("index check: status %d, %v", status, err)
	}
	if report.Engine != "auto" || report.Items != 7 || report.Tail != 7 || report.RecallAt10 != 1 || report.Bytes == 0 {
		t.Errorf("index check: %+v", report)
	}
	if out, status := run(t, append(flags, "index", "check", "--queries", "0")...); status == 0 || !strings.Contains(out, "1 … 100000") {
		t.Errorf("no queries: status %d", status)
	}
}
