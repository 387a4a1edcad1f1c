package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/urfave/cli/v3"

	"github.com/seed-473295a7/vitrine/internal/onnx"
	"github.com/seed-473295a7/vitrine/internal/onnx/graph"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// minilm is the short name of the text encoder that models/fetch_minilm.py fetches.
const minilm, minilmModel = "minilm", "all-minilm-l6-v2"

// openTextEncoder opens the encoder that --text-encoder names; nil without one.
func openTextEncoder(ctx context.Context, cmd *cli.Command) (*onnx.TextEncoder, error) {
	name := cmd.String("text-encoder")
	switch name {
	case "":
		return nil, nil
	case minilm:
		if err := addMiniLM(ctx, cmd); err != nil {
			return nil, fmt.Errorf("--text-encoder %s: %w", minilm, err)
		}
		name = minilmModel
	}
	config := onnx.DefaultConfig()
	config.Library, config.IntraOpThreads = cmd.String("onnxruntime-lib"), cmd.Int("encoder-threads")
	dir, manifest := encoderPlace(encodersDir(cmd), name)
	config.Files, config.Manifest = os.DirFS(dir), manifest
	encoder, err := onnx.OpenText(ctx, config)
	if errors.Is(err, recsys.ErrNotFound) {
		return nil, missingEncoder("--text-encoder", name, dir, err)
	}
	return encoder, err
}

// addMiniLM does, once, what vitrine model add would do with the fetched file.
func addMiniLM(ctx context.Context, cmd *cli.Command) error {
	encoders := encodersDir(cmd)
	if _, err := onnx.LoadManifest(os.DirFS(encoders), onnx.ManifestFile(minilmModel)); !errors.Is(err, recsys.ErrNotFound) {
		return err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return err
	}
	dir := filepath.Join(cache, "vitrine", minilmModel)
	tokenizer, err := os.ReadFile(filepath.Join(dir, minilmModel+"-tokenizer.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("is not in %s; run make minilm: %w", dir, recsys.ErrNotFound)
	}
	if err != nil {
		return err
	}
	made, err := onnx.Strip(ctx, onnx.StripConfig{Tokenizer: tokenizer, SourceConfig: onnx.SourceConfig{
		Library: cmd.String("onnxruntime-lib"), Files: os.DirFS(dir), File: minilmModel + ".onnx", Limits: graph.DefaultLimits()}})
	if err != nil {
		return err
	}
	known, err := onnx.KnownFiles()
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(known, func(k onnx.Known) bool { return k.Name == minilmModel && k.SHA256 == made.Manifest.Origin.SHA256 }) {
		return fmt.Errorf("%s is not the published file; remove it and run make minilm: %w", filepath.Join(dir, minilmModel+".onnx"), recsys.ErrCorrupt)
	}
	_, err = made.Save(encoders)
	return err
}

// encoderPlace is where an encoder lies: in the folder, by the name that vitrine model add was given, or
// at the path of a manifest.
func encoderPlace(folder, name string) (dir, manifest string) {
	if filepath.Base(name) != name {
		return filepath.Dir(name), filepath.Base(name)
	}
	return folder, onnx.ManifestFile(name)
}

// missingEncoder says what there is instead.
func missingEncoder(flag, name, dir string, err error) error {
	var names []string
	listed, _ := onnx.ListEncoders(os.DirFS(dir)) // a folder that cannot be read has none
	for _, m := range listed {
		names = append(names, m.Name)
	}
	return fmt.Errorf("%s %q: %s has %q; vitrine model add makes more: %w", flag, name, dir, names, err)
}
