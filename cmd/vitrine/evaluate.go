package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/urfave/cli/v3"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/evaluate"
	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/trial"
)

func evaluateCommand() *cli.Command {
	return &cli.Command{
		Name:     "evaluate",
		Usage:    "measure quality on the shop's own data or on files",
		Commands: []*cli.Command{evaluateRecommendationsCommand(), evaluateSpaceCommand(), evaluateDuplicatesCommand()},
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

func readTrialData(ctx context.Context, cmd *cli.Command, config engine.Config) (_ trialData, err error) {
	if cmd.String("items") != "" {
		return readTrialFiles(ctx, cmd, config)
	}
	a, err := openApp(ctx, cmd, cmd.String("data-dir"))
	if err != nil {
		return trialData{}, err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	var data trialData
	if data.recipes, err = storedRecipes(ctx, a); err != nil {
		return trialData{}, err
	}
	data.catalog, data.log, err = trial.FromStore(ctx, a.store, a.engine.Encoder(), a.engine.TextEncoder())
	return data, err
}

// storedRecipes are those of the stored factor models that differ from the configured one and
// from each other, by the name of the newest model of each. The models themselves have seen the
// rows that a protocol asks about, so that each recipe is trained anew.
func storedRecipes(ctx context.Context, a *app) (map[string]engine.Recipe, error) {
	versions, err := a.engine.Models(ctx)
	if err != nil {
		return nil, err
	}
	out := make(map[string]engine.Recipe)
	known := []engine.Recipe{a.config.Recipe}
	for _, v := range versions {
		recipe := v.Training.Recipe
		if !slices.ContainsFunc(known, func(k engine.Recipe) bool { return trial.SameRecipe(k, recipe) }) {
			known = append(known, recipe)
			out[v.ID.String()] = recipe
		}
	}
	return out, nil
}

// trialEncoders opens the encoders that the flags name, for files; release closes them.
func trialEncoders(ctx context.Context, cmd *cli.Command) (deps engine.Deps, release func() error, err error) {
	encoders := newEncoders(cmd)
	texts, err := openTextEncoder(ctx, cmd)
	if err != nil {
		return deps, nil, err
	}
	release = encoders.close
	if texts != nil {
		release = func() error { return errors.Join(encoders.close(), texts.Close()) }
	}
	encoder, err := encoders.OpenEncoder(ctx, cmd.String("encoder"))
	if err != nil {
		return deps, nil, errors.Join(err, release())
	}
	return withTexts(engine.Deps{Encoder: encoder}, texts), release, nil
}

// readTrialFiles imports files into memory, as vitrine import does into the database.
func readTrialFiles(ctx context.Context, cmd *cli.Command, config engine.Config) (_ trialData, err error) {
	if cmd.String("interactions") == "" {
		return trialData{}, fmt.Errorf("--interactions: is wanted beside --items: %w", recsys.ErrInvalid)
	}
	deps, release, err := trialEncoders(ctx, cmd)
	if err != nil {
		return trialData{}, err
	}
	defer func() { err = errors.Join(err, release()) }()
	bar := newProgress()
	defer bar.end()
	files := trial.Files{Items: cmd.String("items"), Interactions: cmd.String("interactions"), Images: cmd.String("images")}
	catalog, reports, err := trial.FromFiles(ctx, files, config, deps, bar.update)
	if err != nil {
		return trialData{}, err
	}
	for k, name := range []string{files.Items, files.Interactions} {
		if n := reports[k].FaultCount; n > 0 {
			fmt.Fprintf(os.Stderr, "%s: %d faults, %d rows read; vitrine import tells which\n", filepath.Base(name), n, reports[k].Loaded)
		}
	}
	return trialData{catalog: catalog, log: catalog.Store.All()}, nil
}
