package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/seed-473295a7/vitrine/internal/onnx"
	"github.com/seed-473295a7/vitrine/internal/onnx/graph"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// encoderCommands are the subcommands of model that look at model files; they need no database.
func encoderCommands() []*cli.Command {
	source := []cli.Flag{
		&cli.StringFlag{Name: "output", Usage: "tensor to end the encoder at; without it the likeliest"},
		&cli.StringFlag{Name: "pooling", Usage: "how that tensor becomes one vector: none, flatten, map-mean, class-token, token-mean, patch-mean, masked-mean"},
		&cli.StringFlag{Name: "input-rule", Usage: "how pictures are prepared, [PRESET][,key=value…]; presets imagenet, mae, lite, clip, half, unit, bytes; " +
			"keys size, short_side, filter, channels, layout, mean, std"},
		&cli.Int64Flag{Name: "max-bytes", Value: graph.DefaultLimits().MaxBytes, Usage: "refuse larger models, weights in files beside them included"},
	}
	add := append([]cli.Flag{
		&cli.StringFlag{Name: "name", Usage: "name of the encoder; without it the file's"},
		&cli.StringFlag{Name: "picture", Usage: "picture to embed as proof; without it a built-in one"},
		&cli.StringFlag{Name: "tokenizer", Usage: "tokenizer.json or vocab.txt, for a model of texts"},
		&cli.StringFlag{Name: "licence", Usage: "licence of the model, kept in the manifest"},
		&cli.StringFlag{Name: "source", Usage: "where the model came from, kept in the manifest"},
		&cli.StringFlag{Name: "description", Usage: "what the encoder is, kept in the manifest"},
	}, source...)
	return []*cli.Command{
		{Name: "inspect", Usage: "list where an encoder could end in an ONNX file, with shapes and reasons",
			ArgsUsage: "FILE.onnx", Flags: source, Action: inspectModel},
		{Name: "add", Usage: "make an encoder of an ONNX file: head or decoder removed, checked, saved in the data directory",
			ArgsUsage: "FILE.onnx",
			Description: "The file may be a classifier, a masked autoencoder, CLIP or a model of texts, as their publishers export them.\n" +
				"vitrine --encoder NAME embed changes a shop to it; the space before serves until the new one is complete. One of texts is\n" +
				"used with --text-encoder NAME, beside that of pictures; vitrine embed encodes the texts of items that are there already.",
			Flags: add, Action: addModel},
	}
}

// encodersDir is where encoders that were added lie.
func encodersDir(cmd *cli.Command) string { return filepath.Join(cmd.String("data-dir"), "encoders") }

// modelSource reads what inspect and add have in common.
func modelSource(cmd *cli.Command) (onnx.SourceConfig, error) {
	if cmd.Args().Len() != 1 {
		return onnx.SourceConfig{}, fmt.Errorf("model: want one ONNX file, got %d arguments: %w", cmd.Args().Len(), recsys.ErrInvalid)
	}
	file := cmd.Args().First()
	rule, err := onnx.ParseRuleChange(cmd.String("input-rule"))
	if err != nil {
		return onnx.SourceConfig{}, fmt.Errorf("--input-rule: %w", err)
	}
	limits := graph.DefaultLimits()
	limits.MaxBytes = cmd.Int64("max-bytes")
	return onnx.SourceConfig{
		Library: cmd.String("onnxruntime-lib"), Files: os.DirFS(filepath.Dir(file)), File: filepath.Base(file),
		Output: cmd.String("output"), Pooling: cmd.String("pooling"), Rule: rule, Limits: limits,
	}, nil
}

func inspectModel(ctx context.Context, cmd *cli.Command) error {
	source, err := modelSource(cmd)
	if err != nil {
		return err
	}
	found, err := onnx.Inspect(ctx, source)
	if err != nil {
		return err
	}
	var b strings.Builder
	describeModel(&b, found)
	return printResult(cmd, found, "%s", b.String())
}

// addedModel is the result of model add.
type addedModel struct {
	*onnx.Stripped
	Folder  string `json:"folder"`
	Created bool   `json:"created"` // false if it was there already
}

func addModel(ctx context.Context, cmd *cli.Command) error {
	source, err := modelSource(cmd)
	if err != nil {
		return err
	}
	config := onnx.StripConfig{SourceConfig: source, Name: cmd.String("name"), Licence: cmd.String("licence"),
		Source: cmd.String("source"), Description: cmd.String("description")}
	if config.Picture, err = optionalFile(cmd, "picture"); err != nil {
		return err
	}
	if config.Tokenizer, err = optionalFile(cmd, "tokenizer"); err != nil {
		return err
	}
	made, err := onnx.Strip(ctx, config)
	if err != nil {
		return err
	}
	out := addedModel{Stripped: made, Folder: encodersDir(cmd)}
	if out.Created, err = made.Save(out.Folder); err != nil {
		return err
	}
	return printResult(cmd, out, "%s", out)
}

// optionalFile reads the file that a flag names; nil without one.
func optionalFile(cmd *cli.Command, flag string) ([]byte, error) {
	name := cmd.String(flag)
	if name == "" {
		return nil, nil
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("--%s: %w", flag, err)
	}
	return data, nil
}

// describeModel writes an inspection for people.
func describeModel(w io.Writer, m onnx.Inspection) {
	fmt.Fprintf(w, "%s: %s (%s), %.1f MB, %d nodes, opset %d, made by %s\nSHA-256 %s\n", m.File, m.Family, m.FamilyWhy, float64(m.Bytes)/1e6, m.Nodes, m.Opset, m.Producer, m.SHA256)
	for _, s := range m.Inputs {
		fmt.Fprintf(w, "input   %s %s %v\n", s.Tensor, s.Type, s.Dims)
	}
	for _, s := range m.Outputs {
		fmt.Fprintf(w, "output  %s %s %v\n", s.Tensor, s.Type, s.Dims)
	}
	fmt.Fprintln(w, "an encoder could end at, the likeliest first:")
	for _, c := range m.Candidates {
		fmt.Fprintf(w, "  %s %v, %s: %d values; %s\n", c.Tensor, c.Shape, c.Pooling, c.Dims, c.Why)
	}
	describeAssumptions(w, m.Assumptions)
}

func describeAssumptions(w io.Writer, assumptions []string) {
	if len(assumptions) == 0 {
		return
	}
	fmt.Fprintln(w, "assumed, --input-rule overrides:")
	for _, a := range assumptions {
		fmt.Fprintf(w, "  %s\n", a)
	}
}

// String is the result for people.
func (a addedModel) String() string {
	var b strings.Builder
	m := a.Manifest
	verb := "saved in"
	if !a.Created {
		verb = "was already in"
	}
	fmt.Fprintf(&b, "encoder %s@%s %s %s\n", m.Name, m.Version, verb, a.Folder)
	fmt.Fprintf(&b, "cut at %s (%s): %s\n", m.Origin.Tensor, m.Output.Pooling, m.Origin.Why)
	fmt.Fprintf(&b, "%d values a vector, %.1f MB of %.1f MB, batch %s\n", m.Output.Dims, float64(a.Bytes)/1e6, float64(a.Inspection.Bytes)/1e6, a.Proof.Batch)
	fmt.Fprintf(&b, "proof: %s gives a vector of length %.4f that begins %.4v; largest difference from the model's own tensor %.2g of its largest value\n",
		a.Proof.Of, a.Proof.Norm, a.Proof.First, a.Proof.Difference)
	describeAssumptions(&b, m.Origin.Assumptions)
	flag := "--encoder"
	if m.IsText() {
		flag = "--text-encoder"
	}
	fmt.Fprintf(&b, "use it with %s %s\n", flag, m.Name)
	return b.String()
}
