package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/evaluate"
	"github.com/seed-473295a7/vitrine/internal/onnx"
	"github.com/seed-473295a7/vitrine/internal/pgtest"
	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/trial"
	"github.com/seed-473295a7/vitrine/models"
	vitrinev1 "github.com/seed-473295a7/vitrine/proto/vitrine/v1"
)

// throughGRPC is an evaluate.Recommender that asks a running service.
type throughGRPC struct{ shop }

func (r throughGRPC) Rank(ctx context.Context, q recsys.RankQuery) ([]recsys.Ranked, error) {
	request := forUser(q.History[0].Actor.ID)
	request.PageSize = int32(q.K)
	response, err := r.recommender.Recommend(ctx, request)
	if err != nil {
		return nil, err
	}
	var out []recsys.Ranked
	for _, item := range response.GetRecommendations() {
		out = append(out, recsys.Ranked{ItemID: item.GetItemId(), Score: item.GetScore()})
	}
	return out, nil
}

// untied orders items by id whose scores float32 cannot tell apart: in which order sums are
// made changes the last bits, and with them the order of such items.
type untied struct{ evaluate.Recommender }

func (r untied) Rank(ctx context.Context, q recsys.RankQuery) ([]recsys.Ranked, error) {
	list, err := r.Recommender.Rank(ctx, q)
	for from, to := 0, 0; from < len(list); from = to {
		for to = from + 1; to < len(list) && list[to-1].Score-list[to].Score < 1e-6; to++ {
		}
		slices.SortFunc(list[from:to], func(a, b recsys.Ranked) int { return strings.Compare(a.ItemID, b.ItemID) })
		for i := range list[from:to] {
			list[from+i].Score = list[from].Score
		}
	}
	return list, err
}

// A protocol gives the same lists and the same figures whether the engine is asked in memory, as
// evaluate does, or a service with a database through gRPC.
func TestServingEqualsEvaluating(t *testing.T) {
	t.Parallel()
	shop := newPlantedShop(80, 240)
	log, err := evaluate.NewLog(shop.items, shop.log, evaluate.DefaultLogConfig())
	if err != nil {
		t.Fatal(err)
	}
	folds, err := evaluate.TimeSplit(log)
	if err != nil {
		t.Fatal(err)
	}
	fold := folds[0]
	items, interactions := shop.write(t, fold.Train)
	later := laterOf(fold)

	dsn := pgtest.New(t)
	if out, status := run(t, "--database-url", dsn, "import", "--items", items, "--interactions", interactions); status != 0 {
		t.Fatalf("import: status %d\n%s", status, out)
	}
	recording, service := startServe(t, dsn)
	service.recordAll(t, later)
	// An item is folded in with what its people had done by then. A service that starts folds in
	// everything since the training, with all that they did, as the engine in memory does.
	recording.signal(syscall.SIGTERM)
	recording.wait()
	_, service = startServe(t, dsn)
	memory := untied{inMemory(t, trial.Files{Items: items, Interactions: interactions}, later)}
	served := untied{throughGRPC{service}}

	stage, setting := fold.Stages[0], evaluate.Setting{Items: len(shop.items)}
	eventually(t, "the service has folded everything in and answers as the engine in memory", func(ctx context.Context) error {
		return sameLists(ctx, stage, memory, served)
	})
	want, err := stage.Measure(t.Context(), memory, setting)
	if err != nil {
		t.Fatal(err)
	}
	got, err := stage.Measure(t.Context(), served, setting)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(want.NDCG100, got.NDCG100) || !slices.Equal(want.Recall20, got.Recall20) {
		t.Errorf("NDCG@100 %v through gRPC, %v in memory", evaluate.EstimateOf(got.NDCG100), evaluate.EstimateOf(want.NDCG100))
	}
	if mean := evaluate.EstimateOf(got.NDCG100).Mean; mean < .2 {
		t.Errorf("NDCG@100 is %.3f: nothing was learned and the comparison says little", mean)
	}
}

// laterOf returns what the people of a fold did after the training, oldest first.
func laterOf(fold evaluate.Fold) []recsys.Interaction {
	trained := make(map[recsys.Interaction]bool)
	for _, in := range fold.Train {
		trained[in] = true
	}
	var later []recsys.Interaction
	for _, c := range fold.Stages[0].Cases {
		for _, in := range c.History {
			if !trained[in] {
				later = append(later, in)
			}
		}
	}
	slices.SortFunc(later, func(a, b recsys.Interaction) int { return a.EventTime.Compare(b.EventTime) })
	return later
}

func (s shop) recordAll(t *testing.T, interactions []recsys.Interaction) {
	t.Helper()
	for _, in := range interactions {
		_, err := s.recommender.RecordInteraction(t.Context(), &vitrinev1.RecordInteractionRequest{Interaction: &vitrinev1.Interaction{
			Actor: &vitrinev1.Interaction_UserId{UserId: in.Actor.ID}, ItemId: in.ItemID, Type: vitrinev1.InteractionType_INTERACTION_TYPE_LIKE,
			EventTime: timestamppb.New(in.EventTime)}})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// inMemory trains on files and then records what came later.
func inMemory(t *testing.T, files trial.Files, later []recsys.Interaction) *engine.Engine {
	t.Helper()
	encoder, err := onnx.Open(t.Context(), encoderConfig())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { encoder.Close() })
	silent := func(string, int, int) {}
	catalog, _, err := trial.FromFiles(t.Context(), files, engine.DefaultConfig(), engine.Deps{Encoder: encoder}, silent)
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.New(engine.DefaultConfig(), engine.Deps{Store: catalog.Store, Encoder: encoder, Log: slog.New(slog.DiscardHandler), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := e.Train(t.Context(), silent); err != nil {
		t.Fatal(err)
	}
	writes := make([]engine.InteractionWrite, len(later))
	for i, in := range later {
		writes[i].Interaction = in
	}
	for _, r := range e.RecordInteractions(t.Context(), writes) {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	if err := e.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	for e.Pending() > 0 {
		if _, err := e.FoldIn(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return e
}

func encoderConfig() onnx.Config {
	config := onnx.DefaultConfig()
	config.Files, config.Manifest = models.Files, models.DefaultManifest
	return config
}

// sameLists reports the first list that differs between two recommenders.
func sameLists(ctx context.Context, stage evaluate.Stage, a, b evaluate.Recommender) error {
	for _, c := range stage.Cases {
		var lists [2][]recsys.Ranked
		for k, r := range []evaluate.Recommender{a, b} {
			var err error
			if lists[k], err = r.Rank(ctx, recsys.RankQuery{History: c.History, K: 100}); err != nil {
				return err
			}
		}
		same := slices.EqualFunc(lists[0], lists[1], func(x, y recsys.Ranked) bool { return x.ItemID == y.ItemID })
		if !same || len(lists[0]) != 100 {
			for place := range lists[0] {
				if place >= len(lists[1]) || lists[0][place].ItemID != lists[1][place].ItemID {
					return fmt.Errorf("user %s, place %d: %v and %v", c.Actor.ID, place, lists[0][place:], lists[1][min(place, len(lists[1])):])
				}
			}
			return fmt.Errorf("user %s: %d and %d items, want 100", c.Actor.ID, len(lists[0]), len(lists[1]))
		}
	}
	return nil
}
