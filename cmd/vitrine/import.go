package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/ingest"
	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/space"
)

func importCommand() *cli.Command {
	return &cli.Command{
		Name:  "import",
		Usage: "load items and interactions from CSV files, fit the embedding space and train",
		Description: "The header names the columns. Items: item_id, title, description, image (a path below --images), available_time, expire_time and\n" +
			"hidden are known; every other column is an attribute: a number if all its values are, else labels split at |.\n" +
			"Interactions: user or visitor, item, timestamp (Unix seconds or RFC 3339), and optionally value and type.\n" +
			"A broken row is reported with its line and the rest is loaded; the exit status is then 2. Loading a file again adds nothing.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "items", Usage: "CSV file of items"},
			&cli.StringFlag{Name: "images", Usage: "folder that image paths start from; the items file's own by default"},
			&cli.StringFlag{Name: "interactions", Usage: "CSV file of interactions"},
			&cli.StringFlag{Name: "schema", Sources: env("VITRINE_SCHEMA"), Usage: "YAML file that says how attributes are embedded, see vitrine embed --print-schema"},
			&cli.BoolFlag{Name: "no-train", Sources: env("VITRINE_NO_TRAIN"), Usage: "load only; neither fit the space nor train"},
		},
		Action: importAction,
	}
}

// faultsFound is the exit status of an import that loaded all but some broken rows.
const faultsFound = 2

// importReport is what an import has done, as far as it came.
type importReport struct {
	Items          *ingest.Report `json:"items,omitempty"`
	Interactions   *ingest.Report `json:"interactions,omitempty"`
	EmbeddingSpace string         `json:"embedding_space,omitempty"`
	*trained
}

func importAction(ctx context.Context, cmd *cli.Command) (err error) {
	if cmd.String("items") == "" && cmd.String("interactions") == "" {
		return fmt.Errorf("import: want --items, --interactions or both: %w", recsys.ErrInvalid)
	}
	schema, err := readSchema(cmd.String("schema"))
	if err != nil {
		return err
	}
	a, err := openApp(ctx, cmd, cmd.String("data-dir"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	report, err := importFiles(ctx, cmd, a, schema)
	if err == nil && !cmd.Bool("no-train") {
		err = report.fitAndTrain(ctx, a, schema)
	}
	if err := errors.Join(err, printResult(cmd, report, "%v", report)); err != nil {
		return err
	}
	if n := report.faults(); n > 0 {
		return cli.Exit(fmt.Sprintf("%d faults; the rows without one are loaded", n), faultsFound)
	}
	return nil
}

func importFiles(ctx context.Context, cmd *cli.Command, a *app, schema *space.Schema) (importReport, error) {
	var out importReport
	bar := newProgress()
	defer bar.end()
	config := ingest.DefaultConfig()
	config.Log = a.log
	if name := cmd.String("items"); name != "" {
		config.Progress = func(done, total int64) { bar.update("import items", int(done), int(total)) }
		images := cmd.String("images")
		if images == "" {
			images = filepath.Dir(name)
		}
		report, err := ingest.Items(ctx, ingest.ItemSource{Table: ingest.File(name), Images: images, Kinds: kinds(schema)}, a.engine, config)
		out.Items = &report
		if err != nil {
			return out, fmt.Errorf("import items: %w", err)
		}
	}
	if name := cmd.String("interactions"); name != "" {
		config.Progress = func(done, total int64) { bar.update("import interactions", int(done), int(total)) }
		report, err := ingest.Interactions(ctx, ingest.File(name), a.engine, config)
		out.Interactions = &report
		if err != nil {
			return out, fmt.Errorf("import interactions: %w", err)
		}
	}
	return out, nil
}

// kinds are the column types that a schema file states.
func kinds(schema *space.Schema) map[string]recsys.AttributeKind {
	if schema == nil {
		return nil
	}
	out := make(map[string]recsys.AttributeKind)
	for _, rule := range schema.Attributes {
		out[rule.Name] = rule.Kind
	}
	return out
}

// fitAndTrain fits the embedding space and, where there is enough to train on, the factor model.
func (r *importReport) fitAndTrain(ctx context.Context, a *app, schema *space.Schema) error {
	if err := a.engine.Sync(ctx); err != nil {
		return err
	}
	made, err := embed(ctx, a, engine.FitOrder{Schema: schema, Reason: "vitrine import"})
	if err != nil {
		return err
	}
	r.EmbeddingSpace = made.ID.String()
	model, err := train(ctx, a, false)
	if errors.Is(err, recsys.ErrInvalid) {
		a.log.Info("no factor model yet", "reason", err)
		return nil
	}
	r.trained = &model
	return err
}

func (r importReport) faults() int64 {
	var n int64
	for _, report := range []*ingest.Report{r.Items, r.Interactions} {
		if report != nil {
			n += report.FaultCount
		}
	}
	return n
}

// shownFaults is how many faults of a file are printed as text; --json prints all that were kept.
const shownFaults = 20

// String is the report for people.
func (r importReport) String() string {
	var b strings.Builder
	describe(&b, "items", r.Items)
	describe(&b, "interactions", r.Interactions)
	if r.EmbeddingSpace != "" {
		fmt.Fprintf(&b, "embedding space %s is live\n", r.EmbeddingSpace)
	}
	if r.trained != nil {
		fmt.Fprintln(&b, r.trained)
	}
	return b.String()
}

func describe(b *strings.Builder, what string, r *ingest.Report) {
	if r == nil {
		return
	}
	fmt.Fprintf(b, "%s: %d rows, %d loaded, %d skipped", what, r.Rows, r.Loaded, r.Skipped)
	for _, part := range []struct {
		count int64
		what  string
	}{{r.Created, "created"}, {r.Replaced, "replaced"}, {r.Replayed, "known already"}, {r.WithoutImage, "without a picture"}} {
		if part.count > 0 {
			fmt.Fprintf(b, ", %d %s", part.count, part.what)
		}
	}
	fmt.Fprintln(b)
	shown := r.Faults[:min(shownFaults, len(r.Faults))]
	for _, fault := range shown {
		fmt.Fprintf(b, "  %v\n", fault)
	}
	if more := r.FaultCount - int64(len(shown)); more > 0 {
		fmt.Fprintf(b, "  and %d more\n", more)
	}
}
