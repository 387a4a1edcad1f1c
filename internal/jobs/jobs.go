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
