package jobs

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/trial"
)

// noPictures is the encoder of a shop without any.
type noPictures struct{}

func (noPictures) Name() string                     { return "none@1" }
func (noPictures) Dims() int                        { return 4 }
func (noPictures) Tensor([]byte) ([]float32, error) { return nil, recsys.ErrUnimplemented }
func (noPictures) Encode(context.Context, []float32) ([]float32, error) {
	return nil, recsys.ErrUnimplemented
}

// plantedTrainer is a trainer of a shop whose people like one kind of item each.
func plantedTrainer(t *testing.T) Trainer {
	t.Helper()
	config := engine.DefaultConfig()
	config.Recipe.ALS.Factors, config.Recipe.ALS.Epochs = 8, 8
	return openTrainer(t, trial.NewStore(), config)
}

func openTrainer(t *testing.T, store *trial.Store, config engine.Config) Trainer {
	t.Helper()
	e, err := engine.New(config, engine.Deps{Store: store, Encoder: noPictures{}, Log: slog.New(slog.DiscardHandler), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return Trainer{Engine: e, Store: store, Config: config}
}

func fillShop(t *testing.T, e *engine.Engine) {
	t.Helper()
	random := rand.New(rand.NewPCG(2, 9))
	var items []engine.Registration
	for i := range 160 {
		items = append(items, engine.Registration{Item: recsys.Item{ItemID: fmt.Sprint(i), CreateTime: time.Now(),
			Attributes: map[string]recsys.Attribute{"kind": recsys.Labels(fmt.Sprint(i % 2))}}})
	}
	e.RegisterItems(t.Context(), items)
	var writes []engine.InteractionWrite
	for k, u := range random.Perm(120 * 70) {
		user := u % 120
		writes = append(writes, engine.InteractionWrite{Interaction: recsys.Interaction{Actor: recsys.User(fmt.Sprint(user)), Type: recsys.Like,
			ItemID: fmt.Sprint(2*random.IntN(80) + user%2), EventTime: time.Now().Add(time.Duration(k-120*70) * time.Second)}})
	}
	for _, r := range e.RecordInteractions(t.Context(), writes) {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	if err := e.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func silent(string, int, int) {}

func TestTrainerKeepsBadRecipesOut(t *testing.T) {
	t.Parallel()
	good := plantedTrainer(t)
	fillShop(t, good.Engine)
	first, err := good.Train(t.Context(), true, silent)
	if err != nil {
		t.Fatal(err)
	}
	if v := first.Training.Verdict; first.Refused != 0 || v == nil || v.New == nil || v.New.NDCG100.Mean < .2 || v.Live != nil {
		t.Errorf("the first training: %+v, verdict %+v", first, v)
	}
	bad := good.Config
	bad.Recipe.ALS.Factors, bad.Recipe.ALS.Epochs, bad.Recipe.CorrectorWeight, bad.Recipe.ALS.PriorRidge = 1, 1, 0, 0
	worse := openTrainer(t, good.Store.(*trial.Store), bad)
	refused, err := worse.Train(t.Context(), false, silent)
	if err != nil {
		t.Fatal(err)
	}
	if v := refused.Training.Verdict; refused.Refused == 0 || refused.FactorModel != 0 || v.Passed || v.Live == nil || v.Difference == nil {
		t.Errorf("a bad recipe: %+v, verdict %+v", refused, v)
	}
	live := func() recsys.ModelID {
		versions, err := worse.Engine.Models(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range versions {
			if v.Live {
				return v.ID
			}
		}
		return 0
	}
	if live() != first.FactorModel {
		t.Errorf("%v is live after a refusal, want %v", live(), first.FactorModel)
	}
	kept, err := worse.Train(t.Context(), true, silent)
	if err != nil {
		t.Fatal(err)
	}
	if recipe, _ := worse.Engine.LiveRecipe(); kept.Refused == 0 || kept.FactorModel == 0 || live() != kept.FactorModel || !trial.SameRecipe(recipe, good.Config.Recipe) {
		t.Errorf("keeping up: %+v, %v live by %+v", kept, live(), recipe)
	}
	if err := worse.Engine.ActivateModel(t.Context(), refused.Refused); err != nil {
		t.Fatal(err)
	}
	good = openTrainer(t, good.Store.(*trial.Store), good.Config)
	better, err := good.Train(t.Context(), true, silent)
	if err != nil || better.Refused != 0 || better.Training.Verdict.Difference == nil || better.Training.Verdict.Difference.Mean <= 0 {
		t.Errorf("a good recipe after a bad one: %+v, %v", better, err)
	}
}

// The job trains when there is something to train on, and then leaves it.
func TestTrainJob(t *testing.T) {
	t.Parallel()
	trainer := plantedTrainer(t)
	job := Train(trainer, slog.New(slog.DiscardHandler), time.Hour)
	if err := job.Run(t.Context()); err != nil {
		t.Errorf("an empty shop: %v", err)
	}
	fillShop(t, trainer.Engine)
	for range 2 {
		if err := job.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	versions, err := trainer.Engine.Models(t.Context())
	if err != nil || len(versions) != 1 || !versions[0].Live || trainer.Engine.SpaceIsStale() {
		t.Errorf("%d versions after two turns, %v; want one, live", len(versions), err)
	}
}
