package server

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
	pb "github.com/seed-473295a7/vitrine/proto/vitrine/v1"
)

// fakeModels has two spaces and a model.
type fakeModels struct{ activated recsys.ModelID }

func (*fakeModels) Encoders() ([]engine.EncoderInfo, error) {
	return []engine.EncoderInfo{{Name: "lite@2", Dims: 4, Live: true}}, nil
}

func (*fakeModels) Spaces(context.Context) ([]engine.SpaceVersion, error) {
	verdict := engine.SpaceVerdict{Passed: true, Reason: "better", Metrics: map[string]engine.Figure{"b": {Mean: 2}, "a": {Mean: 1, StdErr: .5}}}
	return []engine.SpaceVersion{
		{SpaceInfo: recsys.SpaceInfo{ID: 2, Encoder: "lite@2", Dims: 4, Live: true, Vectors: 9, CreateTime: testTime},
			Lineage: engine.Lineage{Parent: "space-1", Reason: "asked", Items: 10, Verdict: &verdict}},
		{SpaceInfo: recsys.SpaceInfo{ID: 1}},
	}, nil
}

func (*fakeModels) Models(context.Context) ([]engine.ModelVersion, error) {
	return []engine.ModelVersion{{ModelInfo: recsys.ModelInfo{ID: 7, Live: true, CreateTime: testTime},
		Training: engine.Training{Items: 3, Rows: 5, Verdict: &engine.Verdict{Reason: "fine", New: &engine.Figures{NDCG100: engine.Figure{Mean: .4}}}}}}, nil
}

func (m *fakeModels) ActivateModel(_ context.Context, id recsys.ModelID) error {
	if id != 7 {
		return fmt.Errorf("%v: %w", id, recsys.ErrNotFound)
	}
	m.activated = id
	return nil
}

func (*fakeModels) RollBack(context.Context) (recsys.ModelID, error) { return 6, nil }

// fakeRuns keeps runs in memory.
type fakeRuns struct {
	mu   sync.Mutex
	runs []recsys.Run
}

func (f *fakeRuns) CreateRun(_ context.Context, kind recsys.RunKind, order []byte, _ recsys.RequestID) (recsys.Run, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.runs = append(f.runs, recsys.Run{ID: recsys.RunID(len(f.runs) + 1), Kind: kind, State: recsys.RunQueued, Order: order, CreateTime: testTime})
	return f.runs[len(f.runs)-1], nil
}

func (f *fakeRuns) Run(_ context.Context, id recsys.RunID) (recsys.Run, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if int(id) > len(f.runs) {
		return recsys.Run{}, fmt.Errorf("%v: %w", id, recsys.ErrNotFound)
	}
	return f.runs[id-1], nil
}

func (f *fakeRuns) Runs(_ context.Context, before recsys.RunID, limit int) (out []recsys.Run, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for k := len(f.runs) - 1; k >= 0 && len(out) < limit; k-- {
		if before == 0 || f.runs[k].ID < before {
			out = append(out, f.runs[k])
		}
	}
	return out, nil
}

func (f *fakeRuns) EndRun(_ context.Context, id recsys.RunID, state recsys.RunState, outcome []byte, _ string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if int(id) <= len(f.runs) && !f.runs[id-1].State.Final() {
		f.runs[id-1].State, f.runs[id-1].Outcome, f.runs[id-1].EndTime = state, outcome, testTime
	}
	return nil
}

func TestModelServiceShowsWhatIsStored(t *testing.T) {
	t.Parallel()
	b := setup(t)
	encoders, err := b.bench.ListEncoders(t.Context(), &pb.ListEncodersRequest{})
	if err != nil || len(encoders.GetEncoders()) != 1 || !encoders.GetEncoders()[0].GetLive() {
		t.Errorf("encoders: %v, %v", encoders, err)
	}
	spaces, err := b.bench.ListEmbeddingSpaces(t.Context(), &pb.ListEmbeddingSpacesRequest{})
	if err != nil || len(spaces.GetEmbeddingSpaces()) != 2 {
		t.Fatalf("spaces: %v, %v", spaces, err)
	}
	live := spaces.GetEmbeddingSpaces()[0]
	if live.GetEmbeddingSpace() != "space-2" || live.GetParent() != "space-1" || live.GetVerdict() != "better" || len(live.GetMetrics()) != 2 ||
		live.GetMetrics()[0].GetName() != "a" || live.GetMetrics()[0].GetStandardError() != .5 || live.GetActivateTime() != nil {
		t.Errorf("the live space: %v", live)
	}
	models, err := b.bench.ListFactorModels(t.Context(), &pb.ListFactorModelsRequest{})
	if err != nil || len(models.GetFactorModels()) != 1 || models.GetFactorModels()[0].GetPairs() != 5 || models.GetFactorModels()[0].GetMetrics()[1].GetMean() != .4 {
		t.Errorf("models: %v, %v", models, err)
	}
	if _, err := b.bench.ActivateFactorModel(t.Context(), &pb.ActivateFactorModelRequest{FactorModel: "model-7"}); err != nil || b.models.activated != 7 {
		t.Errorf("activated %v, %v", b.models.activated, err)
	}
	if back, err := b.bench.RollBackFactorModel(t.Context(), &pb.RollBackFactorModelRequest{}); err != nil || back.GetFactorModel() != "model-6" {
		t.Errorf("rolled back to %v, %v", back, err)
	}
}

func TestRunsAreQueuedListedAndCancelled(t *testing.T) {
	t.Parallel()
	b := setup(t)
	made, err := b.bench.ReembedItems(t.Context(), &pb.ReembedItemsRequest{Encoder: "lite", MaxPicturesPerSecond: 50})
	if err != nil || made.GetRun().GetRun() != "run-1" || made.GetRun().GetState() != pb.RunState_RUN_STATE_QUEUED || string(b.runs.runs[0].Order) != `{"encoder":"lite","rate":50}` {
		t.Fatalf("re-embed: %v, %v, order %s", made, err, b.runs.runs[0].Order)
	}
	if _, err := b.bench.TrainFactorModel(t.Context(), &pb.TrainFactorModelRequest{}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.bench.ActivateEmbeddingSpace(t.Context(), &pb.ActivateEmbeddingSpaceRequest{EmbeddingSpace: "space-1"}); err != nil || string(b.runs.runs[2].Order) != `{"space":1}` {
		t.Fatalf("activate: %v, order %s", err, b.runs.runs[2].Order)
	}
	if err := b.runs.EndRun(t.Context(), 1, recsys.RunSucceeded, []byte(`{"space":3,"space_live":true,"verdict":"better"}`), ""); err != nil {
		t.Fatal(err)
	}
	got, err := b.bench.GetRun(t.Context(), &pb.GetRunRequest{Run: "run-1"})
	if err != nil || got.GetRun().GetEmbeddingSpace() != "space-3" || !got.GetRun().GetEmbeddingSpaceLive() || got.GetRun().GetVerdict() != "better" {
		t.Errorf("ended: %v, %v", got, err)
	}
	cancelled, err := b.bench.CancelRun(t.Context(), &pb.CancelRunRequest{Run: "run-2"})
	if err != nil || cancelled.GetRun().GetState() != pb.RunState_RUN_STATE_CANCELLED {
		t.Errorf("cancelled: %v, %v", cancelled, err)
	}
	if again, err := b.bench.CancelRun(t.Context(), &pb.CancelRunRequest{Run: "run-1"}); err != nil || again.GetRun().GetState() != pb.RunState_RUN_STATE_SUCCEEDED {
		t.Errorf("cancelled after its end: %v, %v", again, err)
	}
	var names []string
	token := ""
	for {
		page, err := b.bench.ListRuns(t.Context(), &pb.ListRunsRequest{PageSize: 2, PageToken: token})
		if err != nil {
			t.Fatal(err)
		}
		for _, run := range page.GetRuns() {
			names = append(names, run.GetRun())
		}
		if token = page.GetNextPageToken(); token == "" {
			break
		}
	}
	if fmt.Sprint(names) != "[run-3 run-2 run-1]" {
		t.Errorf("listed %v", names)
	}
}
