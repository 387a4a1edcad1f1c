package jobs

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// Store wakes the change-log follower.
type Store interface {
	Wait(ctx context.Context, timeout time.Duration) error
}

// SyncPeriod is how long a change of another process may go unnoticed when no notification
// arrives.
const SyncPeriod = 2 * time.Second

// SyncIndex follows the change log: at once after writes of this process, when the store
// notifies, and every SyncPeriod.
func SyncIndex(e *engine.Engine, store Store) Job {
	return Job{Name: "sync-index", Run: e.Sync, Wait: func(ctx context.Context) {
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
	wait := Every(time.Second)
	return Job{Name: "fold-in", Wait: wait, Run: func(ctx context.Context) error {
		for e.Pending() > 0 && ctx.Err() == nil {
			if _, err := e.FoldIn(ctx); err != nil {
				return err
			}
		}
		return nil
	}}
}

// Train fits the embedding space and the factor model anew when enough has changed.
func Train(e *engine.Engine, log *slog.Logger, period time.Duration) Job {
	silent := func(string, int, int) {}
	return Job{Name: "train", Wait: Every(period), Run: func(ctx context.Context) error {
		if e.SpaceIsStale() {
			id, err := e.FitSpace(ctx, nil, silent)
			if err != nil {
				return err
			}
			log.Info("embedding space fitted", "embedding_space", id.String())
		}
		if !e.TrainIsDue() {
			return nil
		}
		start := time.Now()
		id, run, err := e.Train(ctx, silent)
		if errors.Is(err, recsys.ErrInvalid) {
			log.Info("not enough to train on yet", "reason", err)
			return nil
		}
		if err != nil {
			return err
		}
		log.Info("factor model trained", "factor_model", id.String(), "items", run.Items, "users", run.Users,
			"rows", run.Rows, "gain", run.Gain, "seconds", time.Since(start).Seconds())
		return nil
	}}
}
