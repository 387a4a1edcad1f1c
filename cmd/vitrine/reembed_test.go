package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed-473295a7/vitrine/internal/pgtest"
	vitrinev1 "github.com/seed-473295a7/vitrine/proto/vitrine/v1"
)

func (s shop) run(t *testing.T, name string) *vitrinev1.Run {
	t.Helper()
	got, err := vitrinev1.NewModelServiceClient(s.conn).GetRun(t.Context(), &vitrinev1.GetRunRequest{Run: name})
	if err != nil {
		t.Fatal(err)
	}
	return got.GetRun()
}

// await polls a run until it is as far as wanted: clients have no other way.
func (s shop) await(t *testing.T, name string, far func(*vitrinev1.Run) bool) *vitrinev1.Run {
	t.Helper()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		run := s.run(t, name)
		if far(run) {
			return run
		}
		if run.GetEndTime() != nil {
			t.Fatalf("ended: %v", run)
		}
		select {
		case <-t.Context().Done():
			t.Fatalf("the test ends with %v", run)
		case <-ticker.C:
		}
	}
}

func succeeded(run *vitrinev1.Run) bool {
	return run.GetState() == vitrinev1.RunState_RUN_STATE_SUCCEEDED
}

// Two replicas build a space with another encoder; one is killed meanwhile. The other goes on to
// the end, and items are found all the time.
func TestReembedItemsSurvivesAReplica(t *testing.T) {
	t.Parallel()
	dir, dsn := t.TempDir(), pgtest.New(t)
	if out, err := invoke(t, "--data-dir", dir, "model", "add", stockModel("resnet"), "--name", "tiny", "--input-rule", "imagenet,short_side=32"); err != nil {
		t.Fatal(err, out)
	}
	first, a := startServe(t, dsn, "--data-dir", dir)
	_, b := startServe(t, dsn, "--data-dir", dir)
	for i := range 40 {
		a.register(t, &vitrinev1.Item{ItemId: fmt.Sprintf("item-%02d", i), Picture: &vitrinev1.Item_Image{Image: stripes(red, 3+i)}})
	}
	models := vitrinev1.NewModelServiceClient(a.conn)
	asked, err := models.ReembedItems(t.Context(), &vitrinev1.ReembedItemsRequest{Encoder: "tiny", MaxPicturesPerSecond: 8, RequestId: "3f0e8bd6-32a4-4d18-9c41-5e6c1f4f8a10"})
	if err != nil {
		t.Fatal(err)
	}
	name := asked.GetRun().GetRun()
	b.await(t, name, func(run *vitrinev1.Run) bool { return run.GetStage() == "encode pictures" && run.GetDone() > 0 })
	first.signal(syscall.SIGKILL)
	first.wait()
	near, err := b.recommender.FindSimilarItems(t.Context(), &vitrinev1.FindSimilarItemsRequest{ItemId: "item-00"})
	if err != nil || len(near.GetSimilarItems()) != 20 {
		t.Errorf("meanwhile: %v, %v", near, err)
	}
	done := b.await(t, name, succeeded)
	if !done.GetEmbeddingSpaceLive() || done.GetStartTime() == nil || done.GetEndTime() == nil {
		t.Errorf("ended: %v", done)
	}
	near, err = b.recommender.FindSimilarItems(t.Context(), &vitrinev1.FindSimilarItemsRequest{ItemId: "item-00"})
	if err != nil || near.GetEmbeddingSpace() != done.GetEmbeddingSpace() {
		t.Errorf("answered by %v, %v; want %v", near.GetEmbeddingSpace(), err, done.GetEmbeddingSpace())
	}

	models = vitrinev1.NewModelServiceClient(b.conn)
	spaces, err := models.ListEmbeddingSpaces(t.Context(), &vitrinev1.ListEmbeddingSpacesRequest{})
	if err != nil || !strings.HasPrefix(spaces.GetEmbeddingSpaces()[0].GetEncoder(), "tiny@") || spaces.GetEmbeddingSpaces()[0].GetVectors() != 40 {
		t.Errorf("spaces: %v, %v", spaces, err)
	}
	again, err := models.ReembedItems(t.Context(), &vitrinev1.ReembedItemsRequest{Encoder: "tiny", MaxPicturesPerSecond: 8, RequestId: "3f0e8bd6-32a4-4d18-9c41-5e6c1f4f8a10"})
	if err != nil || again.GetRun().GetRun() != name {
		t.Errorf("a retry: %v, %v", again, err)
	}
	back, err := models.ActivateEmbeddingSpace(t.Context(), &vitrinev1.ActivateEmbeddingSpaceRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if done := b.await(t, back.GetRun().GetRun(), succeeded); done.GetEmbeddingSpace() != spaces.GetEmbeddingSpaces()[1].GetEmbeddingSpace() {
		t.Errorf("rolled back to %v, want %v", done.GetEmbeddingSpace(), spaces.GetEmbeddingSpaces()[1].GetEmbeddingSpace())
	}
	list, err := models.ListRuns(t.Context(), &vitrinev1.ListRunsRequest{})
	if err != nil || len(list.GetRuns()) != 2 {
		t.Errorf("runs: %v, %v", list, err)
	}
}

// Embedding by a schema that ruins neighbourhoods does not go live unless it is forced to.
func TestEmbedRefusesAWorseSpace(t *testing.T) {
	t.Parallel()
	dir, dsn := t.TempDir(), pgtest.New(t)
	var items strings.Builder
	items.WriteString("item_id,maker,school,shelf\n")
	for i := range 300 {
		fmt.Fprintf(&items, "item-%03d,maker %d,school %d,shelf %d\n", i, i%12, i%12/3, (i*7+i/12)%20)
	}
	file := filepath.Join(dir, "items.csv")
	write(t, file, items.String())
	schema := filepath.Join(dir, "schema.yaml")
	write(t, schema, "image: {use: embed}\nattributes:\n  - {name: maker, kind: labels, use: store}\n  - {name: school, kind: labels, use: store}\n  - {name: shelf, kind: labels, use: embed}\n")
	base := []string{"--data-dir", dir, "--database-url", dsn}
	if out, status := run(t, append(base, "import", "--items", file)...); status != 0 {
		t.Fatalf("import ended with %d:\n%s", status, out)
	}
	out, status := run(t, append(base, "embed", "--schema", schema)...)
	if status != 3 || !strings.Contains(out, "P@10 of") || !strings.Contains(out, "is worse") {
		t.Errorf("embed ended with %d, want it refused with 3:\n%s", status, out)
	}
	out, status = run(t, append(base, "embed", "--schema", schema, "--force")...)
	if status != 0 || !strings.Contains(out, "is live") {
		t.Errorf("embed --force ended with %d:\n%s", status, out)
	}
	out, status = run(t, append(base, "embed", "--learn", "maker", "--force")...)
	if status != 1 || !strings.Contains(out, "has no picture") && !strings.Contains(out, "items with a picture") {
		t.Errorf("embed --learn without pictures ended with %d, want it refused:\n%s", status, out)
	}
}
