package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/evaluate"
	"github.com/seed-473295a7/vitrine/internal/ingest"
	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/trial"
)

func evaluateCommand() *cli.Command {
	return &cli.Command{
		Name:     "evaluate",
		Usage:    "measure quality on the shop's own data or on files",
		Commands: []*cli.Command{evaluateRecommendationsCommand()},
	}
}

func evaluateRecommendationsCommand() *cli.Command {
	return &cli.Command{
		Name:  "recommendations",
		Usage: "compare recommenders by exact offline protocols",
		Description: "Everything is trained on a protocol's training rows alone and ranked by the code that answers Recommend.\n" +
			"Without --items the database is read; nothing in it is changed. Protocols:\n" +
			"  new-users       lists for users the model has never seen (five folds)\n" +
			"  time            what comes next, after a cut in time\n" +
			"  cold-items      items registered after the training\n" +
			"  cold-to-warm    how new items rise as people find them\n" +
			"  new-user-curve  new users of whom a few items are known",
		Flags: []cli.Flag{
			&cli.StringSliceFlag{Name: "protocol", Sources: env("VITRINE_PROTOCOL"), Value: trial.Protocols(), Usage: "which to run; may be repeated"},
			&cli.StringFlag{Name: "items", Usage: "CSV file of items; without it the database is read"},
			&cli.StringFlag{Name: "images", Usage: "folder that image paths start from; without it pictures are left out"},
			&cli.StringFlag{Name: "interactions", Usage: "CSV file of interactions"},
			&cli.StringSliceFlag{Name: "model", Usage: "which models to compare; without it all"},
			&cli.FloatFlag{Name: "positive", Value: 1, Usage: "confidence from which an event is to be found"},
			&cli.BoolFlag{Name: "binary", Usage: "train on positives only, each as one like"},
			&cli.IntFlag{Name: "folds", Value: 1, Usage: "fifths of the catalogue that are new in turn, for cold-items: 1 to 5"},
			&cli.StringFlag{Name: "html", Usage: "file to write a report with plots to"},
		},
		Action: evaluateRecommendations,
	}
}

func evaluateRecommendations(ctx context.Context, cmd *cli.Command) (err error) {
	config, err := engineConfig(cmd)
	if err != nil {
		return err
	}
	data, err := readTrialData(ctx, cmd, config)
	if err != nil {
		return err
	}
	log := evaluate.DefaultLogConfig()
	log.Weights, log.Positive, log.Binary = config.Recipe.Events.Weights, cmd.Float("positive"), cmd.Bool("binary")
	bar := newProgress()
	defer bar.end()
	var reports []*evaluate.Report
	for _, protocol := range cmd.StringSlice("protocol") {
		report, err := trial.Run(ctx, data.catalog, data.log, trial.Options{Protocol: protocol, Config: config, Log: log,
			Folds: cmd.Int("folds"), Recipes: data.recipes, Only: cmd.StringSlice("model"), Sweeps: cmd.String("html") != "", Progress: bar.update})
		if err != nil {
			return err
		}
		reports = append(reports, report)
	}
	bar.end()
	return printReports(cmd, reports)
}

func printReports(cmd *cli.Command, reports []*evaluate.Report) error {
	if name := cmd.String("html"); name != "" {
		if err := writeFile(name, func(f *os.File) error { return evaluate.WriteHTML(f, reports) }); err != nil {
			return err
		}
	}
	if cmd.Bool("json") {
		return printResult(cmd, reports, "")
	}
	for _, report := range reports {
		if err := report.WriteTable(cmd.Root().Writer); err != nil {
			return err
		}
		fmt.Fprintln(cmd.Root().Writer)
	}
	return nil
}

func writeFile(name string, write func(*os.File) error) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(write(file), file.Close())
}

// trialData is what protocols run on.
type trialData struct {
	catalog trial.Catalog
	log     []recsys.Interaction
	recipes map[string]engine.Recipe // of stored factor models
}

func readTrialData(ctx context.Context, cmd *cli.Command, config engine.Config) (trialData, error) {
	if cmd.String("items") != "" {
		return readTrialFiles(ctx, cmd, config)
	}
	a, err := openApp(ctx, cmd, cmd.String("data-dir"))
	if err != nil {
		return trialData{}, err
	}
	catalog, log, err := trial.FromStore(ctx, a.store, a.encoder)
	return trialData{catalog: catalog, log: log}, errors.Join(err, a.close())
}

// readTrialFiles imports files into memory, as vitrine import does into the database.
func readTrialFiles(ctx context.Context, cmd *cli.Command, config engine.Config) (_ trialData, err error) {
	if cmd.String("interactions") == "" {
		return trialData{}, fmt.Errorf("--interactions: is wanted beside --items: %w", recsys.ErrInvalid)
	}
	encoder, err := openEncoder(ctx, cmd)
	if err != nil {
		return trialData{}, err
	}
	defer func() { err = errors.Join(err, encoder.Close()) }()
	store := trial.NewStore()
	e, err := engine.New(config, engine.Deps{Store: store, Encoder: encoder, Log: slog.New(slog.DiscardHandler), Now: time.Now})
	if err != nil {
		return trialData{}, err
	}
	if err := e.Load(ctx); err != nil {
		return trialData{}, err
	}
	if err := importTrialFiles(ctx, cmd, e); err != nil {
		return trialData{}, err
	}
	return trialData{catalog: trial.Catalog{Store: store, EncoderName: encoder.Name(), EncoderDims: encoder.Dims()}, log: store.All()}, nil
}

func importTrialFiles(ctx context.Context, cmd *cli.Command, e *engine.Engine) error {
	bar := newProgress()
	defer bar.end()
	settings := ingest.DefaultConfig()
	settings.Progress = func(done, total int64) { bar.update("read items", int(done), int(total)) }
	source := ingest.ItemSource{Table: ingest.File(cmd.String("items")), Images: cmd.String("images"), WithoutImages: cmd.String("images") == ""}
	items, err := ingest.Items(ctx, source, e, settings)
	if err != nil {
		return fmt.Errorf("read items: %w", err)
	}
	settings.Progress = func(done, total int64) { bar.update("read interactions", int(done), int(total)) }
	interactions, err := ingest.Interactions(ctx, ingest.File(cmd.String("interactions")), e, settings)
	if err != nil {
		return fmt.Errorf("read interactions: %w", err)
	}
	for name, report := range map[string]ingest.Report{cmd.String("items"): items, cmd.String("interactions"): interactions} {
		if report.FaultCount > 0 {
			fmt.Fprintf(os.Stderr, "%s: %d faults, %d rows read; vitrine import tells which\n", filepath.Base(name), report.FaultCount, report.Loaded)
		}
	}
	return nil
}
