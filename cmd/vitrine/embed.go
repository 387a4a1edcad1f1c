package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/urfave/cli/v3"

	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/space"
)

func embedCommand() *cli.Command {
	return &cli.Command{
		Name:  "embed",
		Usage: "fit an embedding space to the catalogue, embed every item in it and make it the live one",
		Description: "Pictures are not encoded again: stored encoder outputs are used. With --text-encoder, titles and descriptions are\n" +
			"encoded that have not been yet. --print-schema shows how attributes would be embedded; edit what it prints and\n" +
			"hand it back with --schema.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "schema", Sources: env("VITRINE_SCHEMA"), Usage: "YAML file that says how attributes are embedded; without it the schema given before, else an inferred one"},
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
			space, err := embed(ctx, a, schema)
			if err != nil {
				return err
			}
			return printResult(cmd, map[string]string{"embedding_space": space.String()}, "embedding space %s is live\n", space)
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

func embed(ctx context.Context, a *app, schema *space.Schema) (id recsys.SpaceID, err error) {
	bar := newProgress()
	defer bar.end()
	if _, err := a.engine.EmbedTexts(ctx, bar.update); err != nil {
		return 0, err
	}
	err = whenFree(ctx, a, func() (err error) {
		id, err = a.engine.FitSpace(ctx, schema, bar.update)
		return err
	})
	return id, err
}
