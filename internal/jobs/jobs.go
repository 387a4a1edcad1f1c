package jobs

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/trial"
)

// Store wakes the change-log follower.
type Store interface {
	Wait(ctx context.Context, timeout time.Duration) error
}

const (
	// SyncPeriod is how long a change of another process may go unnoticed when no notification
	// arrives.
	SyncPeriod = 2 * time.Second
	// syncPause lets changes gather: under a load of writes the log is read this often, not once
	// a write.
	syncPause = 50 * time.Millisecond
	// foldInPause is the shortest time between two fold-ins, foldInRest how many times longer
	// than its work a fold-in rests: it may take a sixth of one processor from requests.
	foldInPause = time.Second
	foldInRest  = 5
	// indexPause is how often to look whether a rebuild of the index is due.
	indexPause = time.Second
	// recallRest is how many times longer than its work the measuring of recall rests.
	recallRest = 99
)

// SyncIndex follows the change log: soon after writes of this process, when the store
// notifies, and every SyncPeriod.
func SyncIndex(e *engine.Engine, store Store) Job {
	return Job{Name: "sync-index", Run: e.Sync, Wait: func(ctx context.Context) {
		Every(syncPause)(ctx)
		ctx, cancel := context.WithTimeout(ctx, SyncPeriod)
		defer cancel()
		notified := make(chan struct{})
		go func() {
			defer close(notified)
			if store.Wait(ctx, SyncPeriod) != nil {
				<-ctx.Done() // the store is away: the period decides
			}
		}()
		select {
		case <-e.Woken():
			cancel()
			<-notified
		case <-notified:
		}
	}}
}

// FoldIn brings item factors up to date, a batch at a time, seconds after the interactions.
func FoldIn(e *engine.Engine) Job {
	pause := foldInPause
	return Job{Name: "fold-in", Wait: func(ctx context.Context) { Every(pause)(ctx) }, Run: func(ctx context.Context) error {
		if e.Pending() == 0 {
			return nil
		}
		start := time.Now()
		_, err := e.FoldIn(ctx)
		pause = max(foldInPause, foldInRest*time.Since(start))
		return err
	}}
}

// KeepIndex rebuilds the index when that is due, and saves it after a rebuild and every period.
// After a rebuild it rests as long as that took: a catalogue that is being imported makes one
// due again and again.
func KeepIndex(e *engine.Engine, period time.Duration) Job {
	pause, saved := indexPause, time.Now()
	return Job{Name: "keep-index", Wait: func(ctx context.Context) { Every(pause)(ctx) }, Run: func(ctx context.Context) error {
		start := time.Now()
		rebuilt, err := e.RebuildIndex(ctx)
		pause = max(indexPause, time.Since(start))
		if err != nil || !rebuilt && time.Since(saved) < period {
			return err
		}
		saved = time.Now()
		return e.SaveIndex()
	}}
}

// MeasureRecall measures the recall of sampled searches. It rests long enough between them to
// take a hundredth of one processor at most.
func MeasureRecall(e *engine.Engine) Job {
	var sample engine.RecallSample
	var rest time.Duration
	return Job{Name: "measure-recall", Wait: func(ctx context.Context) {
		Every(rest)(ctx)
		select {
		case sample = <-e.RecallSamples():
		case <-ctx.Done():
		}
	}, Run: func(context.Context) error {
		start := time.Now()
		err := e.MeasureRecall(sample)
		rest = recallRest * time.Since(start)
		return err
	}}
}

// Trainer trains factor models through the gate.
type Trainer struct {
	Engine *engine.Engine
	Store  engine.Store
	Config engine.Config
}

// maxTrialItems and maxTrialInteractions bound what is copied into memory for a trial whose
// outcome decides nothing, that of a recipe that is live already. 20,000 items of 1,500
// dimensions take 250 MB beside what the engine holds, a million interactions 350 MB.
const (
	maxTrialItems        = 20_000
	maxTrialInteractions = 500_000
)

// verdict tries the configured recipe beside the live one.
func (t Trainer) verdict(ctx context.Context, live *engine.Recipe, progress engine.Progress) (engine.Verdict, error) {
	size := t.Engine.Stats()
	if large := size.Items > maxTrialItems || size.Positives > maxTrialInteractions; large && (live == nil || trial.SameRecipe(*live, t.Config.Recipe)) {
		return engine.Verdict{Passed: true, Reason: "not tried: the recipe does not change, and the shop is too large to try it for the figures alone"}, nil
	}
	catalog, log, err := trial.FromStore(ctx, t.Store, t.Engine.Encoder(), t.Engine.TextEncoder())
	if err != nil {
		return engine.Verdict{}, err
	}
	return trial.Gate(ctx, catalog, log, t.Config, live, progress)
}

// Trained is the outcome of a training.
type Trained struct {
	FactorModel recsys.ModelID
	Training    engine.Training
	// Refused is the model of a new recipe that did not pass; 0: none was refused. FactorModel
	// is then of the live recipe, or 0 if it was left as it is.
	Refused recsys.ModelID
}

// Train trains by the configured recipe and lets the model live if the gate does. A recipe that is
// refused is stored beside; the live recipe is then trained on what has happened since, if
// keepUp says so.
func (t Trainer) Train(ctx context.Context, keepUp bool, progress engine.Progress) (Trained, error) {
	var live *engine.Recipe
	if recipe, ok := t.Engine.LiveRecipe(); ok {
		live = &recipe
	}
	verdict, err := t.verdict(ctx, live, progress)
	if err != nil {
		return Trained{}, err
	}
	var out Trained
	id, run, err := t.Engine.TrainAs(ctx, engine.Order{Recipe: t.Config.Recipe, Verdict: &verdict, Activate: verdict.Passed}, progress)
	if verdict.Passed || err != nil {
		return Trained{FactorModel: id, Training: run}, err
	}
	out.Refused, out.Training = id, run
	if keepUp {
		out.FactorModel, _, err = t.Engine.TrainAs(ctx, engine.Order{Recipe: *live, Activate: true}, progress)
	}
	return out, err
}

// Train fits the embedding space and the factor model anew when enough has changed.
func Train(t Trainer, log *slog.Logger, period time.Duration) Job {
	silent := func(string, int, int) {}
	return Job{Name: "train", Wait: Every(period), Run: func(ctx context.Context) error {
		if t.Engine.SpaceIsStale() {
			made, err := t.Engine.FitSpace(ctx, engine.FitOrder{Reason: "the catalogue has grown"}, silent)
			if err != nil {
				return err
			}
			log.Info("embedding space fitted", "embedding_space", made.ID.String())
		}
		if !t.Engine.TrainIsDue() {
			return nil
		}
		start := time.Now()
		done, err := t.Train(ctx, true, silent)
		if errors.Is(err, recsys.ErrInvalid) {
			log.Info("not enough to train on yet", "reason", err)
			return nil
		}
		if err != nil {
			return err
		}
		run := done.Training
		if done.Refused != 0 {
			log.Warn("the configured recipe was refused, the live one goes on", "factor_model", done.Refused.String(), "reason", run.Verdict.Reason)
		}
		log.Info("factor model trained", "factor_model", done.FactorModel.String(), "items", run.Items, "users", run.Users,
			"rows", run.Rows, "gain", run.Gain, "verdict", run.Verdict.Reason, "seconds", time.Since(start).Seconds())
		return nil
	}}
}
