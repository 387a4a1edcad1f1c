package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/urfave/cli/v3"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/jobs"
	"github.com/seed-473295a7/vitrine/internal/space"
)

func embedCommand() *cli.Command {
	return &cli.Command{
		Name:  "embed",
		Usage: "fit an embedding space to the catalogue, embed every item in it and make it the live one",
		Description: "Stored encoder outputs are used; with another --encoder pictures are encoded anew while the old space goes on serving.\n" +
			"What was interrupted goes on where it stopped, and processes that do this together share the work. With --text-encoder,\n" +
			"titles and descriptions are encoded that have not been yet.\n" +
			"A space whose neighbours share fewer labels (P@10, by more than one standard error) is stored and does not go live; the exit\n" +
			"status is 3. --print-schema shows how attributes would be embedded; edit what it prints and hand it back with --schema.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "schema", Sources: env("VITRINE_SCHEMA"), Usage: "YAML file that says how attributes are embedded; without it the schema given before, else an inferred one"},
			&cli.FloatFlag{Name: "rate", Usage: "pictures encoded a second at most; 0: as fast as may be"},
			&cli.StringFlag{Name: "learn", Usage: "labels attribute that the picture's part is learned from, if that makes neighbours better on items it did not learn from"},
			&cli.BoolFlag{Name: "force", Usage: "make the space live although its neighbours share fewer labels than those of the live one"},
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
			order := engine.FitOrder{Schema: schema, Encoder: cmd.String("encoder"), Rate: cmd.Float("rate"), Learn: cmd.String("learn"), Reason: "vitrine embed"}
			if !cmd.Bool("force") {
				order.Judge = jobs.JudgeSpace
			}
			made, err := embed(ctx, a, order)
			if err != nil {
				return err
			}
			result := spaceResult{made.ID.String(), made.Live, made.Lineage}
			if err := printResult(cmd, result, "%v\n", result); err != nil {
				return err
			}
			if !made.Live {
				return cli.Exit("the embedding space is stored and not live", notLive)
			}
			return nil
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
	Live           bool           `json:"live"`
	Lineage        engine.Lineage `json:"lineage"`
}

// String is the result for people.
func (r spaceResult) String() string {
	text := learnText(r.Lineage.Learned)
	if v := r.Lineage.Verdict; v != nil {
		text += v.Reason + "\n"
	}
	if r.Live {
		return text + "embedding space " + r.EmbeddingSpace + " is live"
	}
	return text + "embedding space " + r.EmbeddingSpace + " is worse"
}

// learnText says what came of --learn.
func learnText(l *space.LearnReport) string {
	switch {
	case l == nil:
		return ""
	case l.Weight == 0:
		return fmt.Sprintf("not learned from %s: P@5 of held-out items %.3f, and nothing was better by more than chance\n", l.Label, l.Seen.Before)
	}
	return fmt.Sprintf("learned from %s: P@5 of held-out items %.3f → %.3f (± %.3f), of values it has not seen %.3f → %.3f (± %.3f)\n",
		l.Label, l.Seen.Before, l.Seen.After, l.Seen.StdErr, l.Unseen.Before, l.Unseen.After, l.Unseen.StdErr)
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
