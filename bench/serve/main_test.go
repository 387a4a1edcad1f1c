package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-473295a7/vitrine/bench/internal/serving"
	pb "github.com/seed-473295a7/vitrine/proto/vitrine/v1"
)

func TestMedian(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		x    []float64
		want float64
	}{{nil, 0}, {[]float64{3, 1, 2}, 2}, {[]float64{4, 1}, 2.5}} {
		if got := median(c.x); got != c.want {
			t.Errorf("median of %v is %v, want %v", c.x, got, c.want)
		}
	}
}

func TestResult(t *testing.T) {
	t.Parallel()
	r := serving.NewReport()
	r.Value("recommend_p50_ms", "p50", 1.5, "")
	r.Value("rss_idle_mb", "idle", 100, "")
	want := "RESULT serve recommend_p50_ms=1.500 recommend_p99_ms=none recommend_per_cpu_s=none " +
		"register_ratio_vs_python=none record_ratio_vs_pgbench=none rss_idle_mb=100.0 rss_loaded_mb=none"
	if diff := cmp.Diff(want, r.Result("serve", resultValues...)); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
}

func TestParsePgbench(t *testing.T) {
	t.Parallel()
	for name, out := range map[string]string{
		"15": "latency average = 1.2 ms\ninitial connection time = 30.1 ms\ntps = 1234.500000 (without initial connection time)\n",
		"13": "tps = 1200.1 (including connections establishing)\ntps = 1234.500000 (excluding connections establishing)\n",
	} {
		if got, err := parsePgbench(out); err != nil || got != 1234.5 {
			t.Errorf("%s: %v, %v; want 1234.5", name, got, err)
		}
	}
	if _, err := parsePgbench("pgbench: error: no table\n"); err == nil {
		t.Error("no tps is no error")
	}
}

func TestReadStages(t *testing.T) {
	t.Parallel()
	log := "time=1 level=INFO msg=started\nimport items 10/20\nimport items 20/20\nimport interactions 5/5\ntime=2 level=INFO msg=done\n"
	stages, last := readStages(strings.NewReader(log), time.Now())
	var names []string
	var total time.Duration
	for _, s := range stages {
		names, total = append(names, s.name), total+s.took
	}
	if diff := cmp.Diff([]string{itemStage, interactionStage}, names); diff != "" {
		t.Errorf("stages (-want +got):\n%s", diff)
	}
	if total <= 0 {
		t.Errorf("all stages took %v", total)
	}
	if want := "time=2 level=INFO msg=done"; last != want {
		t.Errorf("last line %q, want %q", last, want)
	}
}

func TestOpenPack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, content string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("a.jpg", "one")
	write("b.jpg", "one")
	write("c.jpg", "two")
	write("items.csv", "item_id,title,image\n1,A,a.jpg\n2,B,b.jpg\n3,C,\n4,D,c.jpg\n")
	write("interactions.csv", "user,item\nu,1\nv,2\nu,3\n")
	got, err := openPack(dir, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	want := pack{
		name: "poster pack: 4 items, 2 different pictures, 3 interactions of 2 users", dir: dir,
		items: []string{"1", "2", "3", "4"}, users: []string{"u", "v"},
		pictures: []picture{{"1", "A", filepath.Join(dir, "a.jpg")}, {"4", "D", filepath.Join(dir, "c.jpg")}},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(pack{}, picture{})); diff != "" {
		t.Errorf("pack (-want +got):\n%s", diff)
	}
	if n := len(got.sample(5, 1)); n != 2 {
		t.Errorf("a sample of %d pictures, want both", n)
	}
	if err := got.leaveCold(.999999, 1, t.TempDir()); err != nil {
		t.Fatal(err)
	}
	if kept, err := os.ReadFile(got.interactionsCSV()); err != nil || string(kept) != "user,item\n" {
		t.Errorf("kept %q, %v; want the header", kept, err)
	}
	write("items.csv", "item_id,title\n1,A\n")
	if _, err := openPack(dir, t.TempDir()); err == nil {
		t.Error("a table without images is no error")
	}
}

// Without a pack the demo gallery is written out in the same form.
func TestOpenPackDemo(t *testing.T) {
	t.Parallel()
	got, err := openPack(filepath.Join(t.TempDir(), "nowhere"), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(got.name, "bundled demo gallery") || len(got.pictures) < 300 || len(got.users) < 100 {
		t.Errorf("%s: %d pictures, %d users", got.name, len(got.pictures), len(got.users))
	}
}

func TestItemsUpTo(t *testing.T) {
	t.Parallel()
	list := []*pb.Recommendation{{InteractionCount: 3}, {}, {InteractionCount: 1}, {}}
	for most, want := range map[int64]int{0: 2, 1: 3, 3: 4} {
		if got := itemsUpTo(list, most); got != want {
			t.Errorf("%d items with at most %d interactions, want %d", got, most, want)
		}
	}
}
