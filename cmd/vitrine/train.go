package main

import (
	"context"
	"errors"
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
		return train(ctx, cmd, a)
	}}
}

func train(ctx context.Context, cmd *cli.Command, a *app) error {
	bar := newProgress()
	var id recsys.ModelID
	var run engine.Training
	err := whenFree(ctx, a, func() (err error) {
		id, run, err = a.engine.Train(ctx, bar.update)
		return err
	})
	bar.end()
	if err != nil {
		return err
	}
	return printResult(cmd, map[string]any{"factor_model": id.String(), "training": run},
		"trained %s: %d items, %d users, %d pairs; gain %.2f, content ridge %g\n", id, run.Items, run.Users, run.Rows, run.Gain, run.Ridge)
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
