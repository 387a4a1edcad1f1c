package postgres_test

import (
	"errors"
	"testing"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

func TestRunLifecycle(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	request := recsys.RequestID{ID: [16]byte{1}, Digest: [32]byte{2}}
	first, err := b.CreateRun(ctx, recsys.RunReembed, []byte(`{"encoder": "x"}`), request)
	if err != nil || first.State != recsys.RunQueued || string(first.Order) != `{"encoder": "x"}` || !first.StartTime.IsZero() {
		t.Fatalf("created: %+v, %v", first, err)
	}
	if again, err := b.CreateRun(ctx, recsys.RunReembed, []byte(`{"encoder": "x"}`), request); again.ID != first.ID || err != nil {
		t.Errorf("the same request again: %v, %v", again.ID, err)
	}
	request.Digest[0] = 9
	if _, err := b.CreateRun(ctx, recsys.RunReembed, []byte(`{}`), request); !errors.Is(err, recsys.ErrConflict) {
		t.Errorf("its id with another body: %v", err)
	}
	second, err := b.CreateRun(ctx, recsys.RunTrain, []byte(`{}`), recsys.RequestID{})
	if err != nil {
		t.Fatal(err)
	}
	if open, err := b.ReportRun(ctx, first.ID, "encode pictures", 3, 10); !open || err != nil {
		t.Errorf("report: %v, %v", open, err)
	}
	if got, err := b.Run(ctx, first.ID); got.State != recsys.RunRunning || got.Stage != "encode pictures" || got.Done != 3 || got.Total != 10 || got.StartTime.IsZero() || err != nil {
		t.Errorf("reported: %+v, %v", got, err)
	}
	if err := b.EndRun(ctx, first.ID, recsys.RunCancelled, nil, ""); err != nil {
		t.Fatal(err)
	}
	if open, err := b.ReportRun(ctx, first.ID, "encode pictures", 4, 10); open || err != nil {
		t.Errorf("a cancelled run is open: %v, %v", open, err)
	}
	if err := b.EndRun(ctx, first.ID, recsys.RunSucceeded, []byte(`{"embedding_space": "space-2"}`), ""); err != nil {
		t.Fatal(err)
	}
	if got, err := b.Run(ctx, first.ID); got.State != recsys.RunCancelled || got.EndTime.IsZero() || err != nil {
		t.Errorf("what was cancelled was ended again: %+v, %v", got, err)
	}
	if open, err := b.OpenRuns(ctx); len(open) != 1 || open[0].ID != second.ID || err != nil {
		t.Errorf("open runs: %+v, %v", open, err)
	}
	if page, err := b.Runs(ctx, 0, 1); len(page) != 1 || page[0].ID != second.ID || err != nil {
		t.Errorf("newest run: %+v, %v", page, err)
	}
	if page, err := b.Runs(ctx, second.ID, 5); len(page) != 1 || page[0].ID != first.ID || err != nil {
		t.Errorf("runs before it: %+v, %v", page, err)
	}
	if _, err := b.Run(ctx, 99); !errors.Is(err, recsys.ErrNotFound) {
		t.Errorf("a run that is not there: %v", err)
	}
}
