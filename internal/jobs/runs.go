package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// RunStore keeps runs.
type RunStore interface {
	OpenRuns(ctx context.Context) ([]recsys.Run, error)
	Run(ctx context.Context, id recsys.RunID) (recsys.Run, error)
	ReportRun(ctx context.Context, id recsys.RunID, stage string, done, total int64) (open bool, err error)
	EndRun(ctx context.Context, id recsys.RunID, state recsys.RunState, outcome []byte, fault string) error
	Lock(ctx context.Context, name string) (release func(), ok bool, err error)
}

const (
	runPeriod    = time.Second            // how often to look for runs
	reportPeriod = 500 * time.Millisecond // how often a run says how far it is
)

// Runs does the runs that clients asked for, one at a time: those that wait, and those whose process
// has died, which hold no lock any more. While another process builds a space, this one
// helps it encode pictures.
func Runs(t Trainer, store RunStore, judge engine.Judge, log *slog.Logger) Job {
	r := runner{t, store, judge, log}
	return Job{Name: "runs", Wait: Every(runPeriod), Run: r.look}
}

type runner struct {
	Trainer
	store RunStore
	judge engine.Judge
	log   *slog.Logger
}

func (r runner) look(ctx context.Context) error {
	open, err := r.store.OpenRuns(ctx)
	if err != nil {
		return err
	}
	for _, run := range open {
		release, ok, err := r.store.Lock(ctx, run.ID.String())
		switch {
		case err != nil:
			return err
		case ok:
			err = r.own(ctx, run)
			release()
		case run.Kind == recsys.RunReembed && run.State == recsys.RunRunning:
			err = r.help(ctx, run)
		}
		if err != nil {
			return fmt.Errorf("%v: %w", run.ID, err)
		}
	}
	return nil
}

// help encodes pictures for a run of another process, until none is left.
func (r runner) help(ctx context.Context, run recsys.Run) error {
	order, err := orderOf(run)
	if err != nil {
		return err
	}
	err = r.Engine.EncodePictures(ctx, order.Encoder, order.Rate, func(string, int, int) {})
	if errors.Is(err, recsys.ErrNotFound) {
		return nil // this process has no such encoder
	}
	return err
}

// own does a run under its lock, to its end unless ctx ends first or what it needs is taken: it
// stays open then, and is tried again.
func (r runner) own(ctx context.Context, run recsys.Run) error {
	if now, err := r.store.Run(ctx, run.ID); err != nil || now.State.Final() {
		return err // it ended between the list and the lock
	}
	order, err := orderOf(run)
	if err != nil {
		return r.store.EndRun(ctx, run.ID, recsys.RunFailed, nil, "the order cannot be read")
	}
	progress := &report{}
	working, stop := context.WithCancelCause(ctx)
	var reports sync.WaitGroup
	reports.Go(func() { r.follow(working, run.ID, progress, stop) })
	outcome, err := r.do(working, run.Kind, order, progress.set)
	cause := context.Cause(working)
	stop(nil)
	reports.Wait()
	switch {
	case ctx.Err() != nil || errors.Is(cause, errCancelled):
		return ctx.Err()
	case errors.Is(err, recsys.ErrConflict) || errors.Is(err, recsys.ErrUnavailable):
		return err
	case err != nil:
		r.log.Error("run failed", "run", run.ID.String(), "error", err)
		return r.store.EndRun(ctx, run.ID, recsys.RunFailed, nil, textOf(err))
	}
	stored, err := json.Marshal(outcome)
	if err != nil {
		return err
	}
	r.log.Info("run succeeded", "run", run.ID.String(), "outcome", string(stored))
	return r.store.EndRun(ctx, run.ID, recsys.RunSucceeded, stored, "")
}

var errCancelled = errors.New("the run was cancelled")

// follow reports how far a run is until ctx ends, and stops it when it was cancelled.
func (r runner) follow(ctx context.Context, id recsys.RunID, progress *report, stop context.CancelCauseFunc) {
	for ctx.Err() == nil {
		stage, done, total := progress.get()
		open, err := r.store.ReportRun(ctx, id, stage, int64(done), int64(total))
		if err == nil && !open {
			stop(errCancelled)
			return
		}
		Every(reportPeriod)(ctx)
	}
}

func (r runner) do(ctx context.Context, kind recsys.RunKind, order engine.RunOrder, progress engine.Progress) (out engine.RunOutcome, err error) {
	switch kind {
	case recsys.RunTrain:
		return r.train(ctx, progress)
	case recsys.RunReembed:
		if _, err := r.Engine.EmbedTexts(ctx, progress); err != nil {
			return out, err
		}
		made, err := r.Engine.FitSpace(ctx, engine.FitOrder{Encoder: order.Encoder, Rate: order.Rate, Learn: order.Learn, Reason: "ReembedItems", Judge: r.judge}, progress)
		if v := made.Lineage.Verdict; v != nil {
			out.Verdict = v.Reason
		}
		out.Space, out.SpaceLive = int64(made.ID), made.Live
		return out, err
	case recsys.RunActivateSpace:
		id := recsys.SpaceID(order.Space)
		if id == 0 {
			if id, err = r.Engine.PreviousSpace(ctx); err != nil {
				return out, err
			}
		}
		return engine.RunOutcome{Space: int64(id), SpaceLive: true}, r.Engine.ActivateSpace(ctx, id, progress)
	}
	return out, recsys.Invalid("kind", "is %d, which this version does not know", kind)
}

func (r runner) train(ctx context.Context, progress engine.Progress) (engine.RunOutcome, error) {
	done, err := r.Train(ctx, false, progress)
	out := engine.RunOutcome{Model: int64(done.FactorModel), ModelLive: true}
	if done.Refused != 0 {
		out.Model, out.ModelLive = int64(done.Refused), false
	}
	if v := done.Training.Verdict; v != nil {
		out.Verdict = v.Reason
	}
	return out, err
}

func orderOf(run recsys.Run) (order engine.RunOrder, err error) {
	if err := json.Unmarshal(run.Order, &order); err != nil {
		return order, fmt.Errorf("order of %v: %w: %w", run.ID, recsys.ErrCorrupt, err)
	}
	return order, nil
}

// textOf is what clients may read of an error: no path and nothing of the database's.
func textOf(err error) string {
	var fault *recsys.FieldError
	if errors.As(err, &fault) {
		return fault.Error()
	}
	for _, known := range []error{recsys.ErrInvalid, recsys.ErrNotFound, recsys.ErrExhausted, recsys.ErrUnimplemented, recsys.ErrIncompatible, recsys.ErrCorrupt} {
		if errors.Is(err, known) {
			return known.Error() + "; the server's log says more"
		}
	}
	return "internal error; the server's log says more"
}

// report is how far a run is; safe for concurrent use.
type report struct {
	mu          sync.Mutex
	stage       string
	done, total int
}

func (p *report) set(stage string, done, total int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stage, p.done, p.total = stage, done, total
}

func (p *report) get() (stage string, done, total int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stage, p.done, p.total
}
