package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

func trainCommand() *cli.Command {
	return &cli.Command{Name: "train", Usage: "fit a factor model to all interactions and make it the live one", Action: func(ctx context.Context, cmd *cli.Command) (err error) {
		a, err := openApp(ctx, cmd, cmd.String("data-dir"))
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, a.close()) }()
		trained, err := train(ctx, a)
		if err != nil {
			return err
		}
		return printResult(cmd, trained, "%v\n", trained)
	}}
}

// trained is the result of a training run.
type trained struct {
	FactorModel string          `json:"factor_model"`
	Training    engine.Training `json:"training"`
}

func (t trained) String() string {
	return fmt.Sprintf("trained %s: %d items, %d users, %d pairs; gain %.2f, content ridge %g",
		t.FactorModel, t.Training.Items, t.Training.Users, t.Training.Rows, t.Training.Gain, t.Training.Ridge)
}

func train(ctx context.Context, a *app) (trained, error) {
	bar := newProgress()
	defer bar.end()
	var out trained
	err := whenFree(ctx, a, func() error {
		id, run, err := a.engine.Train(ctx, bar.update)
		out = trained{id.String(), run}
		return err
	})
	return out, err
}

// whenFree does work that one process at a time may do, after whoever is at it now: a serving
// process may have begun the same when it saw the imported items.
func whenFree(ctx context.Context, a *app, work func() error) error {
	for told := false; ; told = true {
		err := work()
		if !errors.Is(err, recsys.ErrConflict) {
			return err
		}
		if !told {
			a.log.Info("waiting", "reason", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}
