package peers

import (
	"archive/zip"
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-473295a7/vitrine/internal/evaluate"
	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

func TestExtract(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for name, content := range map[string]string{
		"ml-100k.item":  "item_id:token\ttitle\tyear\tclass\n1\tA, \"B\"\t1995\tComedy Drama\n3\tC\t\t\n",
		"ml-100k.inter": "user\titem\trating\ttime\n9\t1\t4\t100\n9\t3\n",
	} {
		file, err := w.Create("recbole/dataset_example/ml-100k/" + name)
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
	archive, err := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := movieLens[0].extract(archive, dir); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(dir, "items.csv"))
	if err != nil {
		t.Fatal(err)
	}
	want := "item_id,title,year,genres\n1,\"A, \"\"B\"\"\",1995,Comedy|Drama\n3,C,,\n"
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := movieLens[1].extract(archive, dir); err == nil {
		t.Error("a row that is too short passes")
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("%d files are left, %v; want the whole one alone", len(left), err)
	}
}

// A fold is written as the script reads it, and scores are ranked for the case they belong to.
func TestModelFiles(t *testing.T) {
	t.Parallel()
	like := func(user, item string) recsys.Interaction {
		return recsys.Interaction{Actor: recsys.User(user), ItemID: item, Type: recsys.Like}
	}
	ann, eve := []recsys.Interaction{like("ann", "b")}, []recsys.Interaction{like("eve", "a"), like("eve", "c")}
	f := newFiles([]string{"a", "b", "c"}, evaluate.Fold{
		Train:  []recsys.Interaction{like("ann", "b"), like("bob", "c")},
		Stages: []evaluate.Stage{{Cases: []evaluate.Case{{History: ann}, {History: eve}, {History: ann}}}},
	})
	dir := t.TempDir()
	words := map[string][]string{"a": {"red"}, "c": {"blue", "red"}}
	if err := f.write(dir, func(id string) []string { return words[id] }); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"train.csv":    "2,3\n0,1\n1,2\n",
		"query.csv":    "2,3\n0,1\n1,0\n1,2\n",
		"known.csv":    "1\n0\n-1\n",
		"features.csv": "2\n0,0\n2,1\n2,0\n",
	} {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || string(got) != want {
			t.Errorf("%s holds %q, %v; want %q", name, got, err, want)
		}
	}
	scores := []float32{.1, .9, .3, .5, .7, .2}
	if err := os.WriteFile(filepath.Join(dir, "scores.f32"), vecmath.AppendBytes(nil, scores), 0o600); err != nil {
		t.Fatal(err)
	}
	ranker, err := f.scored(dir)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ranker.Rank(t.Context(), recsys.RankQuery{History: ann, K: 5})
	want := []recsys.Ranked{{ItemID: "c", Score: float64(scores[2])}, {ItemID: "a", Score: float64(scores[0])}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("ann: %v, (-want +got):\n%s", err, diff)
	}
	if got, err = ranker.Rank(t.Context(), recsys.RankQuery{History: eve, K: 1}); err != nil || len(got) != 1 || got[0].ItemID != "b" {
		t.Errorf("eve: %v, %v", got, err)
	}
	if _, err = ranker.Rank(t.Context(), recsys.RankQuery{History: eve[:1], K: 1}); err == nil {
		t.Error("a question that nobody was asked is answered")
	}
	if err := os.WriteFile(filepath.Join(dir, "scores.f32"), vecmath.AppendBytes(nil, scores[:5]), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := f.scored(dir); err == nil {
		t.Error("too few scores pass")
	}
}
