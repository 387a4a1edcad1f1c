package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// modelCommand holds what concerns models of both kinds, factor models and encoders.
func modelCommand() *cli.Command {
	return &cli.Command{
		Name:  "model",
		Usage: "list factor models and embedding spaces, make another one live, roll back; make encoders of ONNX files",
		Description: "Factor models are made of interactions by vitrine train, embedding spaces of items by vitrine embed;\n" +
			"inspect and add are about encoders, which come as ONNX files.",
		Commands: append([]*cli.Command{
			{Name: "list", Usage: "list the stored factor models, newest first", Action: withApp(listModels)},
			{Name: "spaces", Usage: "list the stored embedding spaces, newest first", Action: withApp(listSpaces)},
			{Name: "activate", Usage: "make a stored factor model or embedding space the live one", ArgsUsage: "MODEL|SPACE", Action: withApp(activate)},
			{Name: "rollback", Usage: "make the factor model that was live before live again, and pause automatic training", Action: withApp(rollBack)},
		}, encoderCommands()...),
	}
}

// withApp runs an action on an open app.
func withApp(action func(ctx context.Context, cmd *cli.Command, a *app) error) cli.ActionFunc {
	return func(ctx context.Context, cmd *cli.Command) (err error) {
		a, err := openApp(ctx, cmd, cmd.String("data-dir"))
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, a.close()) }()
		return action(ctx, cmd, a)
	}
}

// listedModel is a factor model as it is printed.
type listedModel struct {
	FactorModel  string          `json:"factor_model"`
	Live         bool            `json:"live"`
	CreateTime   time.Time       `json:"create_time"`
	ActivateTime time.Time       `json:"activate_time,omitzero"`
	CatalogSeq   int64           `json:"catalog_seq"`
	Interactions int64           `json:"interaction_seq"`
	Bytes        int64           `json:"bytes"`
	Training     engine.Training `json:"training"`
}

func listModels(ctx context.Context, cmd *cli.Command, a *app) error {
	versions, err := a.engine.Models(ctx)
	if err != nil {
		return err
	}
	list := make([]listedModel, len(versions))
	for i, v := range versions {
		list[i] = listedModel{FactorModel: v.ID.String(), Live: v.Live, CreateTime: v.CreateTime, ActivateTime: v.ActivateTime, CatalogSeq: v.CatalogSeq,
			Interactions: v.InteractionSeq, Bytes: v.Bytes, Training: v.Training}
	}
	return printResult(cmd, list, "%s", modelTable(list))
}

func modelTable(list []listedModel) string {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "model\tlive\ttrained\titems\tusers\tpairs\tNDCG@100\tverdict")
	for _, m := range list {
		live, ndcg, reason := "", "", ""
		if m.Live {
			live = "live"
		}
		if v := m.Training.Verdict; v != nil {
			reason = v.Reason
			if v.New != nil {
				ndcg = fmt.Sprintf("%.4f ± %.4f", v.New.NDCG100.Mean, v.New.NDCG100.StdErr)
			}
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%d\t%d\t%s\t%s\n", m.FactorModel, live, m.CreateTime.Local().Format("2006-01-02 15:04"),
			m.Training.Items, m.Training.Users, m.Training.Rows, ndcg, reason)
	}
	t.Flush() // to a strings.Builder, which never fails
	return b.String()
}

func activate(ctx context.Context, cmd *cli.Command, a *app) error {
	name := cmd.Args().First()
	kind, digits, _ := strings.Cut(name, "-")
	number, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || cmd.Args().Len() != 1 || kind != "model" && kind != "space" {
		return fmt.Errorf("model activate: %q: want the name of one model or space, such as model-7 or space-3: %w", name, recsys.ErrInvalid)
	}
	if kind == "space" {
		return activateSpace(ctx, cmd, a, recsys.SpaceID(number))
	}
	if err := a.engine.ActivateModel(ctx, recsys.ModelID(number)); err != nil {
		return err
	}
	return printResult(cmd, map[string]string{"factor_model": name}, "%s is live\n", recsys.ModelID(number))
}

func activateSpace(ctx context.Context, cmd *cli.Command, a *app, id recsys.SpaceID) error {
	bar := newProgress()
	err := whenFree(ctx, a, func() error { return a.engine.ActivateSpace(ctx, id, bar.update) })
	bar.end()
	if err != nil {
		return err
	}
	return printResult(cmd, map[string]string{"embedding_space": id.String()}, "%s is live\n", id)
}

// listedSpace is an embedding space as it is printed.
type listedSpace struct {
	EmbeddingSpace string         `json:"embedding_space"`
	Live           bool           `json:"live"`
	Encoder        string         `json:"encoder"`
	Dims           int            `json:"dims"`
	Vectors        int64          `json:"vectors"`
	CreateTime     time.Time      `json:"create_time"`
	ActivateTime   time.Time      `json:"activate_time,omitzero"`
	Lineage        engine.Lineage `json:"lineage"`
}

func listSpaces(ctx context.Context, cmd *cli.Command, a *app) error {
	versions, err := a.engine.Spaces(ctx)
	if err != nil {
		return err
	}
	list := make([]listedSpace, len(versions))
	for i, v := range versions {
		list[i] = listedSpace{EmbeddingSpace: v.ID.String(), Live: v.Live, Encoder: v.Encoder, Dims: v.Dims, Vectors: v.Vectors,
			CreateTime: v.CreateTime, ActivateTime: v.ActivateTime, Lineage: v.Lineage}
	}
	return printResult(cmd, list, "%s", spaceTable(list))
}

func spaceTable(list []listedSpace) string {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "space\tlive\tmade\tencoder\tdims\tvectors\tparent\treason\tverdict")
	for _, s := range list {
		live, verdict := "", ""
		if s.Live {
			live = "live"
		}
		if v := s.Lineage.Verdict; v != nil {
			verdict = v.Reason
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%d\t%s\t%s\t%s\n", s.EmbeddingSpace, live, s.CreateTime.Local().Format("2006-01-02 15:04"),
			s.Encoder, s.Dims, s.Vectors, s.Lineage.Parent, s.Lineage.Reason, verdict)
	}
	t.Flush() // to a strings.Builder, which never fails
	return b.String()
}

func rollBack(ctx context.Context, cmd *cli.Command, a *app) error {
	id, err := a.engine.RollBack(ctx)
	if err != nil {
		return err
	}
	return printResult(cmd, map[string]any{"factor_model": id.String(), "training_paused": true},
		"%s is live again; automatic training waits until you run vitrine train or vitrine model activate\n", id)
}
