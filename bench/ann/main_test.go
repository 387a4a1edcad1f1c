package main

import (
	"bytes"
	"context"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

func TestParse(t *testing.T) {
	t.Parallel()
	opts, err := parse([]string{"--shapes", "pictures,2000x16", "--peers", "", "--recall", ".95"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]shape{{}, {2000, 16}}, opts.shapes, cmp.AllowUnexported(shape{})); diff != "" {
		t.Errorf("shapes (-want +got):\n%s", diff)
	}
	if all, err := parse([]string{"--shapes", "all"}); err != nil || len(all.shapes) != 8 {
		t.Errorf("all shapes: %v, %v", all.shapes, err)
	}
	for _, args := range [][]string{
		{"--shapes", "10x10"}, {"--shapes", "1000"}, {"--shapes", "1000x0"}, {"--shapes", "1000x8x8"}, {"--shapes", ""},
		{"--peers", "annoy"}, {"--rounds", "0"}, {"--recall", "2"}, {"--nothing"},
	} {
		if _, err := parse(args); err == nil {
			t.Errorf("%v: no error", args)
		}
	}
}

func TestClusters(t *testing.T) {
	t.Parallel()
	s, again := clusters(shape{1500, 48}, 20), clusters(shape{1500, 48}, 20)
	if diff := cmp.Diff(s, again, cmp.AllowUnexported(set{})); diff != "" {
		t.Errorf("not the same twice (-first +second):\n%s", diff)
	}
	if s.len() != 1500 || len(s.queries) != 20*48 {
		t.Fatalf("%d vectors and %d elements of queries", s.len(), len(s.queries))
	}
	for i := range s.len() {
		if norm := vecmath.SquaredNorm(s.vector(i)); math.Abs(float64(norm)-1) > 1e-5 {
			t.Fatalf("vector %d has a squared norm of %v", i, norm)
		}
	}
}

func TestRotationKeepsProducts(t *testing.T) {
	t.Parallel()
	for _, dims := range []int{1, 3, 64, 384} {
		rng := rand.New(rand.NewPCG(3, 1))
		r := newRotation(rng, dims)
		a, b := make([]float32, dims), make([]float32, dims)
		for i := range a {
			a[i], b[i] = float32(rng.NormFloat64()), float32(rng.NormFloat64())
		}
		want := vecmath.Dot(a, b)
		r.apply(a)
		r.apply(b)
		if got := vecmath.Dot(a, b); math.Abs(float64(got-want)) > 1e-4*float64(dims) {
			t.Errorf("%d dimensions: product %v became %v", dims, want, got)
		}
	}
}

func TestRecall(t *testing.T) {
	t.Parallel()
	truth := [][]uint32{{1, 2, 3}, {4, 5, 6}}
	for want, found := range map[float64][][]uint32{
		1:   {{2, 1}, {4, 5}},
		.5:  {{2, 2}, {5, 9}}, // the same twice is one
		.25: {{3, 1}, {}},
	} {
		if got := recall(truth, found, 2); got != want {
			t.Errorf("recall@2 of %v is %v, want %v", found, got, want)
		}
	}
}

func TestListPictures(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for _, name := range []string{"b.JPG", "a.png", "x.csv"} {
		if err := os.WriteFile(filepath.Join(folder, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	files, err := listPictures(folder)
	if diff := cmp.Diff([]string{filepath.Join(folder, "a.png"), filepath.Join(folder, "b.JPG")}, files); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if _, err := pictures(context.Background(), options{data: folder}); err == nil {
		t.Error("two pictures are enough")
	}
}

// Everything but the Python peers, on a small set.
func TestMeasure(t *testing.T) {
	opts, err := parse([]string{"--shapes", "1000x16", "--peers", "coder", "--rounds", "1"})
	if err != nil {
		t.Fatal(err)
	}
	s, err := load(context.Background(), opts.shapes[0], opts)
	if err != nil {
		t.Fatal(err)
	}
	table, err := measure(context.Background(), opts, s, python{})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"exact", "hnsw", "hnsw-int8", "hnsw-int8, as it is"} {
		if r := table.row(name); r == nil || r.at[0].recall < .97 || r.at[1].recall < .97 || r.at[0].queries != 1000 {
			t.Errorf("%s: %+v", name, r)
		}
	}
	var out bytes.Buffer
	if table.print(&out); !strings.Contains(out.String(), "coder/hnsw 0.6.1") {
		t.Errorf("the table lacks coder/hnsw:\n%s", out.String())
	}
	if line, ok := table.result(); ok {
		t.Errorf("a ratio to a peer that was not there: %s", line)
	}
	theirs := row{subject: peer{library: "hnswlib"}}
	theirs.at[0] = point{ef: 50, recall: .991, queries: 1000, seconds: 2}
	table.rows = append(table.rows, &theirs)
	table.row("hnsw-int8").at[0] = point{ef: 40, recall: .9925, queries: 1000, seconds: 1}
	if line, _ := table.result(); line != "RESULT ann ratio_vs_hnswlib_at_99=2.00 recall=0.9925" {
		t.Errorf("result: %s", line)
	}
}
