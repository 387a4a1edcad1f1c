package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/trial"
)

func evaluateDuplicatesCommand() *cli.Command {
	rule := engine.DefaultDuplicateRule()
	return &cli.Command{
		Name:  "duplicates",
		Usage: "measure how well altered copies of pictures are recognised, and list those that are there",
		Description: "Copies are made of some of the pictures: re-compressed, scaled, cropped, brightened, mirrored, watermarked. Told are the share\n" +
			"that is recognised, the share of the pictures as they are that another one is taken for a copy of, and which these are.\n" +
			"Without --images the database is read; nothing in it is changed.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "images", Usage: "folder of pictures, looked through with all folders in it"},
			&cli.IntFlag{Name: "sample", Value: 2000, Usage: "pictures looked at: 2 to 20000"},
			&cli.IntFlag{Name: "copies", Value: 200, Usage: "pictures that altered copies are made of: 1 to 20000"},
			&cli.IntFlag{Name: "seed", Value: 1, Usage: "of the sample; 0 or more"},
			&cli.IntFlag{Name: "hash-distance", Value: rule.HashDistance, Usage: "bits of 256 that the hashes of copies may differ in"},
			&cli.FloatFlag{Name: "cosine", Value: rule.Cosine, Usage: "cosine that copies with near hashes must have"},
			&cli.FloatFlag{Name: "cosine-alone", Value: rule.CosineAlone, Usage: "cosine from which pictures are copies whatever their hashes"},
		},
		Action: evaluateDuplicates,
	}
}

func evaluateDuplicates(ctx context.Context, cmd *cli.Command) (err error) {
	options := trial.DuplicateOptions{Copies: cmd.Int("copies"),
		Rule: engine.DuplicateRule{HashDistance: cmd.Int("hash-distance"), Cosine: cmd.Float("cosine"), CosineAlone: cmd.Float("cosine-alone")}}
	if err := options.Rule.Validate(); err != nil {
		return err
	}
	for name, low := range map[string]int{"sample": 2, "copies": 1} {
		if n := cmd.Int(name); n < low || n > 20000 {
			return recsys.Invalid("--"+name, "is %d, want %d to 20000", n, low)
		}
	}
	if n := cmd.Int("seed"); n < 0 {
		return recsys.Invalid("--seed", "is %d, want 0 or more", n)
	}
	bar := newProgress()
	defer bar.end()
	options.Progress = bar.update
	var report *trial.DuplicateReport
	if folder := cmd.String("images"); folder != "" {
		report, err = duplicatesOfFolder(ctx, cmd, folder, options)
	} else {
		report, err = duplicatesOfDatabase(ctx, cmd, options)
	}
	if err != nil {
		return err
	}
	bar.end()
	if cmd.Bool("json") {
		return report.WriteJSON(cmd.Root().Writer)
	}
	return report.WriteTable(cmd.Root().Writer)
}

func duplicatesOfFolder(ctx context.Context, cmd *cli.Command, folder string, options trial.DuplicateOptions) (_ *trial.DuplicateReport, err error) {
	pictures, err := picturesIn(cmd, folder)
	if err != nil {
		return nil, err
	}
	encoders := newEncoders(cmd)
	defer func() { err = errors.Join(err, encoders.close()) }()
	encoder, err := encoders.OpenEncoder(ctx, cmd.String("encoder"))
	if err != nil {
		return nil, err
	}
	return trial.Duplicates(ctx, pictures, encoder, options)
}

// picturesIn reads a sample of the files of a folder that may be pictures by their names.
func picturesIn(cmd *cli.Command, folder string) ([]trial.NamedPicture, error) {
	root, err := os.OpenRoot(folder) // unlike os.DirFS it follows no link out of the folder
	if err != nil {
		return nil, err
	}
	defer root.Close()
	var names []string
	err = fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() && slices.Contains(pictureSuffixes, strings.ToLower(path.Ext(name))) {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	var out []trial.NamedPicture
	for _, name := range trial.Chosen(names, cmd.Int("sample"), uint64(cmd.Int("seed"))) {
		bytes, err := root.ReadFile(name)
		if err != nil {
			return nil, err
		}
		out = append(out, trial.NamedPicture{Name: name, Bytes: bytes})
	}
	return out, nil
}

var pictureSuffixes = []string{".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff"}

// withoutVectors tells Store.Load that no vector is wanted.
func withoutVectors(head engine.Head) int64 { return head.CatalogSeq }

func duplicatesOfDatabase(ctx context.Context, cmd *cli.Command, options trial.DuplicateOptions) (_ *trial.DuplicateReport, err error) {
	a, err := openApp(ctx, cmd, cmd.String("data-dir"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	var ids []string
	if _, err := a.store.Load(ctx, 0, withoutVectors, func(row engine.ItemRow) error {
		if len(row.Item.ImageDigest) > 0 {
			ids = append(ids, row.Item.ItemID)
		}
		return ctx.Err()
	}); err != nil {
		return nil, fmt.Errorf("list items: %w", err)
	}
	ids = trial.Chosen(ids, cmd.Int("sample"), uint64(cmd.Int("seed")))
	at := make(map[string]int, len(ids))
	for i, id := range ids {
		at[id] = i
	}
	pictures := make([]trial.NamedPicture, len(ids))
	err = a.store.Images(ctx, ids, func(itemID string, image []byte) error {
		pictures[at[itemID]] = trial.NamedPicture{Name: itemID, Bytes: slices.Clone(image)}
		return ctx.Err()
	})
	if err != nil {
		return nil, err
	}
	return trial.Duplicates(ctx, pictures, a.engine.Encoder(), options)
}
