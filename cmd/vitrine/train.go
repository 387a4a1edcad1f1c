package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/jobs"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

func trainCommand() *cli.Command {
	return &cli.Command{
		Name:  "train",
		Usage: "fit a factor model to all interactions and make it the live one",
		Description: "A recipe that differs from the live model's is tried first, both on the training rows of a time split; if it is worse by more\n" +
			"than one standard error, its model is stored and does not go live, and the exit status is 3.",
		Flags: []cli.Flag{&cli.BoolFlag{Name: "force", Usage: "make the model live whatever the trial says"}},
		Action: func(ctx context.Context, cmd *cli.Command) (err error) {
			a, err := openApp(ctx, cmd, cmd.String("data-dir"))
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, a.close()) }()
			trained, err := train(ctx, a, cmd.Bool("force"))
			if err != nil {
				return err
			}
			if err := printResult(cmd, trained, "%v\n", trained); err != nil {
				return err
			}
			if !trained.Live {
				return cli.Exit("the model is stored and not live", notLive)
			}
			return nil
		},
	}
}

// notLive is the exit status of a training or embedding whose result did not pass.
const notLive = 3

// trained is the result of a training run.
type trained struct {
	FactorModel string          `json:"factor_model"`
	Live        bool            `json:"live"`
	Training    engine.Training `json:"training"`
}

func (t trained) String() string {
	text := fmt.Sprintf("trained %s: %d items, %d users, %d pairs; gain %.2f, content ridge %g",
		t.FactorModel, t.Training.Items, t.Training.Users, t.Training.Rows, t.Training.Gain, t.Training.Ridge)
	if v := t.Training.Verdict; v != nil {
		if v.New != nil {
			text += fmt.Sprintf("\non a time split, %d users: NDCG@100 %.4f ± %.4f, Recall@20 %.4f ± %.4f",
				v.Cases, v.New.NDCG100.Mean, v.New.NDCG100.StdErr, v.New.Recall20.Mean, v.New.Recall20.StdErr)
		}
		text += "\n" + v.Reason
	}
	return text
}

func (a *app) trainer() jobs.Trainer {
	return jobs.Trainer{Engine: a.engine, Store: a.store, Config: a.config}
}

func train(ctx context.Context, a *app, force bool) (trained, error) {
	bar := newProgress()
	defer bar.end()
	var out trained
	err := whenFree(ctx, a, func() error {
		done, err := a.trainer().Train(ctx, false, bar.update)
		out = trained{FactorModel: done.FactorModel.String(), Live: done.Refused == 0, Training: done.Training}
		if err == nil && done.Refused != 0 {
			out.FactorModel = done.Refused.String()
			if force {
				out.Live = true
				err = a.engine.ActivateModel(ctx, done.Refused)
			}
		}
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
