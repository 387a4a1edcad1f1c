// Package jobs runs what happens beside requests: following the change log, folding items in,
// fitting the space and training.
//
// It decides when, the engine does the work. A job that fails is logged and tried again at its
// next turn; a job that panics is caught, and the others go on. Work that one replica must own
// is guarded by the engine's advisory locks, so that every replica may run every job.
package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// Job is something to do again and again.
type Job struct {
	Name string
	// Wait blocks until the job should run, or ctx ends.
	Wait func(ctx context.Context)
	// Run does the work once.
	Run func(ctx context.Context) error
}

// Every is a Wait that comes round each period.
func Every(period time.Duration) func(context.Context) {
	return func(ctx context.Context) {
		timer := time.NewTimer(period)
		defer timer.Stop()
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
	}
}

// Run runs all jobs until ctx ends and every one of them has returned.
func Run(ctx context.Context, log *slog.Logger, jobs ...Job) {
	var wg sync.WaitGroup
	for _, job := range jobs {
		wg.Go(func() { job.loop(ctx, log.With("job", job.Name)) })
	}
	wg.Wait()
}

func (j Job) loop(ctx context.Context, log *slog.Logger) {
	pause := time.Second
	for {
		j.Wait(ctx)
		if ctx.Err() != nil {
			return
		}
		err := j.once(ctx)
		switch {
		case err == nil:
			pause = time.Second
			continue
		case ctx.Err() != nil:
			return
		case errors.Is(err, recsys.ErrConflict):
			log.Debug("runs elsewhere", "reason", err)
		default:
			log.Error("job failed, will be tried again", "error", err, "pause", pause)
		}
		Every(pause)(ctx) // a store that is away must not make a busy loop
		pause = min(2*pause, time.Minute)
	}
}

func (j Job) once(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in job %s: %v\n%s", j.Name, p, debug.Stack())
		}
	}()
	return j.Run(ctx)
}
