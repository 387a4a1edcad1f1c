package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/seed-473295a7/vitrine/internal/atlas"
	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/evaluate"
	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/space"
	"github.com/seed-473295a7/vitrine/internal/trial"
)

func evaluateSpaceCommand() *cli.Command {
	return &cli.Command{
		Name:  "space",
		Usage: "look at an embedding space and measure whether neighbours are alike",
		Description: "Draws the space, asks whether the nearest items share a label, whether a linear classifier can read the label, and what\n" +
			"both have to do with raw pixels and attributes. Where there are interactions, items that nobody has seen are recommended too.\n" +
			"The database's live space is looked at, or with --items the one that vitrine import would fit. --against compares on the same items:\n" +
			"  space-N    a space stored in the database\n" +
			"  refit      what vitrine embed would fit today\n" +
			"  FILE.yaml  a schema with other attributes or weights, see vitrine embed --print-schema",
		Flags: []cli.Flag{
			&cli.StringSliceFlag{Name: "against", Usage: "another space to compare with; may be repeated"},
			&cli.StringFlag{Name: "items", Usage: "CSV file of items; without it the database is read"},
			&cli.StringFlag{Name: "images", Usage: "folder that image paths start from; without it pictures are left out"},
			&cli.StringFlag{Name: "interactions", Usage: "CSV file of interactions, with --items"},
			&cli.StringFlag{Name: "schema", Usage: "YAML file that says how attributes are embedded, with --items; without it an inferred one"},
			&cli.StringSliceFlag{Name: "label", Usage: "attribute that neighbours are asked to share; may be repeated; without it the three on the most items"},
			&cli.IntFlag{Name: "sample", Value: 5000, Usage: "items looked at: 50 to 20000"},
			&cli.IntFlag{Name: "seed", Value: 1, Usage: "of the sample, the folds and the pictures; 0 or more"},
			&cli.StringFlag{Name: "html", Usage: "file to write a page to that shows everything"},
			&cli.StringFlag{Name: "png", Usage: "folder to write maps and neighbours to as pictures"},
		},
		Action: evaluateSpace,
	}
}

func evaluateSpace(ctx context.Context, cmd *cli.Command) (err error) {
	if n := cmd.Int("sample"); n < 50 || n > 20000 {
		return recsys.Invalid("--sample", "is %d, want 50 to 20000", n)
	}
	if n := cmd.Int("seed"); n < 0 {
		return recsys.Invalid("--seed", "is %d, want 0 or more", n)
	}
	config, err := engineConfig(cmd)
	if err != nil {
		return err
	}
	bar := newProgress()
	defer bar.end()
	job := spaceJob{cmd: cmd, config: config, progress: bar.update}
	if cmd.String("items") != "" {
		err = job.readFiles(ctx)
	} else {
		err = job.readDatabase(ctx)
	}
	if err != nil {
		return err
	}
	report, err := atlas.Run(ctx, job.items, job.spaces, atlas.Options{Labels: cmd.StringSlice("label"), Seed: job.seed(), Progress: bar.update})
	if err != nil {
		return err
	}
	if err := job.cold(ctx, report); err != nil {
		return err
	}
	bar.end()
	return printSpaceReport(cmd, report)
}

// spaceJob is what vitrine evaluate space works on.
type spaceJob struct {
	cmd      *cli.Command
	config   engine.Config
	progress engine.Progress

	catalog trial.Catalog
	log     []recsys.Interaction
	items   []atlas.Item
	spaces  []atlas.NamedSpace
}

func (j *spaceJob) seed() uint64 { return uint64(j.cmd.Int("seed")) }

func (j *spaceJob) readFiles(ctx context.Context) (err error) {
	schema, err := readSchema(j.cmd.String("schema"))
	if err != nil {
		return err
	}
	deps, release, err := trialEncoders(ctx, j.cmd)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	files := trial.Files{Items: j.cmd.String("items"), Interactions: j.cmd.String("interactions"), Images: j.cmd.String("images"), Pictures: trial.NewPictures()}
	catalog, reports, err := trial.FromFiles(ctx, files, j.config, deps, j.progress)
	if err != nil {
		return err
	}
	if n := reports[0].FaultCount + reports[1].FaultCount; n > 0 {
		fmt.Fprintf(os.Stderr, "%d faults in the files; vitrine import tells which\n", n)
	}
	j.catalog, j.log = catalog, catalog.Store.All()
	j.items = catalog.Items(j.cmd.Int("sample"), j.seed())
	files.Pictures.Show(j.items)
	fitted, err := catalog.FitSpace(ctx, j.config, schema, j.progress)
	if err != nil {
		return err
	}
	j.spaces = []atlas.NamedSpace{{Name: "fitted space", Space: fitted}}
	return j.readOthers(ctx, nil)
}

func (j *spaceJob) readDatabase(ctx context.Context) (err error) {
	a, err := openApp(ctx, j.cmd, j.cmd.String("data-dir"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	if j.catalog, j.log, err = trial.FromStore(ctx, a.store, a.engine.Encoder(), a.engine.TextEncoder()); err != nil {
		return err
	}
	j.items = j.catalog.Items(j.cmd.Int("sample"), j.seed())
	pictures := trial.NewPictures()
	if err := pictures.Read(ctx, a.store, j.items, j.progress); err != nil {
		return err
	}
	pictures.Show(j.items)
	id, live := a.engine.Space()
	j.spaces = []atlas.NamedSpace{{Name: id.String(), Space: live}}
	return j.readOthers(ctx, a)
}

// readOthers adds what --against names; a is nil without a database.
func (j *spaceJob) readOthers(ctx context.Context, a *app) error {
	for _, name := range j.cmd.StringSlice("against") {
		other, err := j.readOther(ctx, a, name)
		if err != nil {
			return fmt.Errorf("--against %s: %w", name, err)
		}
		j.spaces = append(j.spaces, other)
	}
	return nil
}

func (j *spaceJob) readOther(ctx context.Context, a *app, name string) (atlas.NamedSpace, error) {
	out := atlas.NamedSpace{Name: strings.TrimSuffix(filepath.Base(name), filepath.Ext(name))}
	var err error
	if number, ok := strings.CutPrefix(name, "space-"); ok && filepath.Ext(name) == "" {
		out.Space, err = j.storedSpace(ctx, a, number)
		return out, err
	}
	var schema *space.Schema
	if name != "refit" {
		if schema, err = readSchema(name); err != nil {
			return out, err
		}
	}
	out.Space, err = j.catalog.FitSpace(ctx, j.config, schema, j.progress)
	return out, err
}

func (j *spaceJob) storedSpace(ctx context.Context, a *app, number string) (*space.Space, error) {
	id, err := strconv.ParseInt(number, 10, 64)
	if err != nil || id < 1 {
		return nil, recsys.Invalid("space", "is %q, want space-N with a number", number)
	}
	if a == nil {
		return nil, fmt.Errorf("stored spaces are in the database, which --items does not read: %w", recsys.ErrInvalid)
	}
	record, err := a.store.Space(ctx, recsys.SpaceID(id))
	if err != nil {
		return nil, err
	}
	return a.engine.DecodeSpace(record)
}

// cold asks the spaces for items that nobody has seen yet, where there are enough interactions.
func (j *spaceJob) cold(ctx context.Context, report *atlas.Report) error {
	if len(j.log) == 0 {
		return nil
	}
	names, schemas := []string{}, []space.Schema{}
	for _, s := range j.spaces {
		if s.Space.Bootstrapped() {
			continue // it is not fitted, so that there is nothing to fit without the new items
		}
		names, schemas = append(names, s.Name), append(schemas, s.Space.Schema())
	}
	if len(names) == 0 {
		return nil
	}
	log := evaluate.DefaultLogConfig()
	log.Weights = j.config.Recipe.Events.Weights
	cold, err := trial.ColdSpaces(ctx, j.catalog, j.log, trial.Options{Config: j.config, Log: log, Folds: 5, Progress: j.progress}, names, schemas)
	if errors.Is(err, recsys.ErrInvalid) {
		report.Warnings = append(report.Warnings, "items nobody has seen are not recommended here: "+err.Error())
		return nil
	}
	report.Cold = cold
	return err
}

func printSpaceReport(cmd *cli.Command, report *atlas.Report) error {
	if name := cmd.String("html"); name != "" {
		if err := writeFile(name, func(f *os.File) error { return report.WriteHTML(f) }); err != nil {
			return err
		}
	}
	if folder := cmd.String("png"); folder != "" {
		if err := report.WritePNGs(folder); err != nil {
			return err
		}
	}
	if cmd.Bool("json") {
		return report.WriteJSON(cmd.Root().Writer)
	}
	return report.WriteTable(cmd.Root().Writer)
}
