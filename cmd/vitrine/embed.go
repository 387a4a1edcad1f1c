package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/urfave/cli/v3"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/space"
)

func embedCommand() *cli.Command {
	return &cli.Command{
		Name:  "embed",
		Usage: "fit an embedding space to the catalogue, embed every item in it and make it the live one",
		Description: "Stored encoder outputs are used; with another --encoder pictures are encoded anew while the old space goes on serving.\n" +
			"What was interrupted goes on where it stopped, and processes that do this together share the work. With --text-encoder,\n" +
			"titles and descriptions are encoded that have not been yet.\n" +
			"--print-schema shows how attributes would be embedded; edit what it prints and hand it back with --schema.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "schema", Sources: env("VITRINE_SCHEMA"), Usage: "YAML file that says how attributes are embedded; without it the schema given before, else an inferred one"},
			&cli.FloatFlag{Name: "rate", Usage: "pictures encoded a second at most; 0: as fast as may be"},
			&cli.BoolFlag{Name: "print-schema", Usage: "print the inferred schema and change nothing"},
		},
		Action: func(ctx context.Context, cmd *cli.Command) (err error) {
			schema, err := readSchema(cmd.String("schema"))
			if err != nil {
				return err
			}
			a, err := openApp(ctx, cmd, cmd.String("data-dir"))
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, a.close()) }()
			if cmd.Bool("print-schema") {
				return printSchema(ctx, cmd, a)
			}
			made, err := embed(ctx, a, engine.FitOrder{Schema: schema, Encoder: cmd.String("encoder"), Rate: cmd.Float("rate"), Reason: "vitrine embed"})
			if err != nil {
				return err
			}
			return printResult(cmd, spaceResult{made.ID.String(), made.Lineage}, "embedding space %s is live\n", made.ID)
		},
	}
}

// readSchema reads a schema file; nil for no name.
func readSchema(name string) (*space.Schema, error) {
	if name == "" {
		return nil, nil
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	schema, err := space.ParseSchema(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &schema, nil
}

func printSchema(ctx context.Context, cmd *cli.Command, a *app) error {
	schema, err := a.engine.InferSchema(ctx)
	if err != nil {
		return err
	}
	text, err := schema.YAML()
	if err != nil {
		return err
	}
	_, err = cmd.Root().Writer.Write(text)
	return err
}

// spaceResult is a space as it is printed.
type spaceResult struct {
	EmbeddingSpace string         `json:"embedding_space"`
	Lineage        engine.Lineage `json:"lineage"`
}

func embed(ctx context.Context, a *app, order engine.FitOrder) (made engine.FittedSpace, err error) {
	bar := newProgress()
	defer bar.end()
	if _, err := a.engine.EmbedTexts(ctx, bar.update); err != nil {
		return made, err
	}
	err = whenFree(ctx, a, func() (err error) {
		made, err = a.engine.FitSpace(ctx, order, bar.update)
		return err
	})
	return made, err
}
