package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/export"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

func exportCommand() *cli.Command {
	return &cli.Command{
		Name:     "export",
		Usage:    "write what is stored to files",
		Commands: []*cli.Command{exportFeaturesCommand()},
	}
}

func exportFeaturesCommand() *cli.Command {
	return &cli.Command{
		Name:  "features",
		Usage: "write the features of all items or users to a Parquet file, as of a time",
		Description: "No value is newer than --as-of: items have the attributes and the picture they had then, vectors and factors are those of\n" +
			"the embedding space and factor model that were live then, users have done what they had done by then. Items of which\n" +
			"only a later value is known are left out and counted.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "out", Required: true, Usage: "file to write"},
			&cli.StringFlag{Name: "of", Value: "items", Usage: "items or users"},
			&cli.StringFlag{Name: "as-of", Usage: "time in RFC 3339, such as 2026-03-01T12:00:00Z; without it now"},
			&cli.StringFlag{Name: "embedding-space", Usage: "an embedding space such as space-7; without it the one live at the time"},
			&cli.StringFlag{Name: "factor-model", Usage: "a factor model such as model-7; without it the one live at the time"},
		},
		Action: exportFeatures,
	}
}

// exported is the result of an export.
type exported struct {
	File           string    `json:"file"`
	Rows           int64     `json:"rows"`
	AsOfTime       time.Time `json:"as_of_time"`
	EmbeddingSpace string    `json:"embedding_space"`
	FactorModel    string    `json:"factor_model"`
	ModelGone      bool      `json:"factor_model_gone"`
	Unknown        int64     `json:"unknown_items"`
}

func (e exported) String() string {
	text := fmt.Sprintf("%s: %d rows as of %s, %s, %s", e.File, e.Rows, e.AsOfTime.Format(time.RFC3339Nano), e.EmbeddingSpace, e.FactorModel)
	if e.FactorModel == "" {
		text += "no factor model"
	}
	if e.ModelGone {
		text += "\nthe factor model is not stored any more: there are no factors"
	}
	if e.Unknown > 0 {
		text += fmt.Sprintf("\n%d items are left out: they were changed later, before a history was kept", e.Unknown)
	}
	return text
}

func exportFeatures(ctx context.Context, cmd *cli.Command) (err error) {
	q, err := featureQuery(cmd)
	if err != nil {
		return err
	}
	write := export.Items
	switch of := cmd.String("of"); of {
	case "items":
	case "users":
		write = export.Users
	default:
		return fmt.Errorf("--of: is %q, want items or users: %w", of, recsys.ErrInvalid)
	}
	a, err := openApp(ctx, cmd, cmd.String("data-dir"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	if q.AsOf.IsZero() {
		q.AsOf = time.Now().UTC() // after the engine may have made the first space of a fresh database
	}
	bar := newProgress()
	done, err := write(ctx, engine.NewFeatures(a.engine, a.store), q, cmd.String("out"), func(rows int64) {
		if rows%1000 == 0 {
			bar.update("rows", int(rows), 0)
		}
	})
	bar.end()
	if err != nil {
		return err
	}
	result := exported{File: cmd.String("out"), Rows: done.Rows, AsOfTime: done.Versions.AsOf, EmbeddingSpace: done.Versions.Space.String(),
		FactorModel: done.Versions.Model.String(), ModelGone: done.Versions.ModelGone, Unknown: done.Unknown}
	return printResult(cmd, result, "%v\n", result)
}

// featureQuery reads the flags; without --as-of the time is zero.
func featureQuery(cmd *cli.Command) (q engine.FeatureQuery, err error) {
	if text := cmd.String("as-of"); text != "" {
		if q.AsOf, err = time.Parse(time.RFC3339Nano, text); err != nil {
			return q, fmt.Errorf("--as-of: is %q, want a time such as 2026-03-01T12:00:00Z: %w", text, recsys.ErrInvalid)
		}
	}
	if name := cmd.String("embedding-space"); name != "" {
		if q.Space, err = recsys.ParseSpaceID(name); err != nil {
			return q, fmt.Errorf("--embedding-space: %w", err)
		}
	}
	if name := cmd.String("factor-model"); name != "" {
		if q.Model, err = recsys.ParseModelID(name); err != nil {
			return q, fmt.Errorf("--factor-model: %w", err)
		}
	}
	return q, nil
}
