package main

import (
	"context"
	"errors"

	"github.com/urfave/cli/v3"
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
	id, run, err := a.engine.Train(ctx, bar.update)
	bar.end()
	if err != nil {
		return err
	}
	return printResult(cmd, map[string]any{"factor_model": id.String(), "training": run},
		"trained %s: %d items, %d users, %d pairs; gain %.2f, content ridge %g\n", id, run.Items, run.Users, run.Rows, run.Gain, run.Ridge)
}
