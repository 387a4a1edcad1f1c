package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/localpg"
	"github.com/seed-473295a7/vitrine/internal/onnx"
	"github.com/seed-473295a7/vitrine/internal/postgres"
	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/models"
)

// app is what most commands need: the store, the encoder and a loaded engine.
type app struct {
	log     *slog.Logger
	config  engine.Config
	local   *localpg.Server // nil with a PostgreSQL of one's own
	store   *postgres.Store
	encoder *onnx.Encoder
	engine  *engine.Engine
	stages  stageMeter
}

// database is a reachable, migrated PostgreSQL.
type database struct {
	url   string
	local *localpg.Server
}

// openDatabase uses --database-url, else starts or attaches to the private server, and migrates.
func openDatabase(ctx context.Context, cmd *cli.Command, dataDir string, log *slog.Logger) (database, error) {
	db := database{url: cmd.String("database-url")}
	if db.url == "" {
		config := localpg.DefaultConfig()
		config.Dir = filepath.Join(dataDir, "postgres")
		config.BinDir = cmd.String("pg-bindir")
		config.Log = log
		var err error
		if db.local, err = localpg.Start(ctx, config); err != nil {
			return db, fmt.Errorf("start the private PostgreSQL: %w", err)
		}
		db.url = db.local.DSN()
	}
	if err := postgres.Migrate(ctx, db.url); err != nil {
		return db, errors.Join(fmt.Errorf("migrate: %w", err), db.stop())
	}
	return db, nil
}

func (db database) stop() error {
	if db.local == nil {
		return nil
	}
	return db.local.Stop()
}

// openApp brings everything up to a loaded engine. Close the app when done.
func openApp(ctx context.Context, cmd *cli.Command, dataDir string) (_ *app, err error) {
	a := &app{stages: newStageMeter()}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.close())
		}
	}()
	if a.log, err = newLogger(cmd); err != nil {
		return nil, err
	}
	if a.config, err = engineConfig(cmd); err != nil {
		return nil, err
	}
	db, err := openDatabase(ctx, cmd, dataDir, a.log)
	if err != nil {
		return nil, err
	}
	a.local = db.local
	if a.store, err = openStore(ctx, db, a.log); err != nil {
		return nil, err
	}
	if a.encoder, err = openEncoder(ctx, cmd); err != nil {
		return nil, err
	}
	a.config.IndexFile = filepath.Join(dataDir, "index.snapshot")
	a.engine, err = engine.New(a.config, engine.Deps{Store: a.store, Encoder: a.encoder, Log: a.log, Now: time.Now, Meter: a.stages})
	if err != nil {
		return nil, err
	}
	return a, a.engine.Load(ctx)
}

func openStore(ctx context.Context, db database, log *slog.Logger) (*postgres.Store, error) {
	config := postgres.DefaultConfig()
	config.URL, config.Log = db.url, log
	if db.local != nil {
		config.Ensure = db.local.Ensure
	}
	return postgres.Open(ctx, config)
}

// openEncoder opens the built-in encoder, or the one that --encoder names.
func openEncoder(ctx context.Context, cmd *cli.Command) (*onnx.Encoder, error) {
	config := onnx.DefaultConfig()
	config.Library = cmd.String("onnxruntime-lib")
	config.Files, config.Manifest = models.Files, models.DefaultManifest
	config.IntraOpThreads = cmd.Int("encoder-threads")
	name := cmd.String("encoder")
	if name == "" {
		return onnx.Open(ctx, config)
	}
	config.Files, config.Manifest = os.DirFS(encodersDir(cmd)), onnx.ManifestFile(name)
	encoder, err := onnx.Open(ctx, config)
	if errors.Is(err, recsys.ErrNotFound) {
		return nil, fmt.Errorf("--encoder %q: %s has %q; vitrine model add makes more: %w", name, encodersDir(cmd), encoderNames(config.Files), err)
	}
	return encoder, err
}

// encoderNames lists the encoders in a folder.
func encoderNames(files fs.FS) []string {
	var names []string
	listed, _ := onnx.ListEncoders(files) // a folder that cannot be read has none
	for _, m := range listed {
		names = append(names, m.Name)
	}
	return names
}

// close ends what openApp began, last first.
func (a *app) close() error {
	var faults []error
	if a.encoder != nil {
		faults = append(faults, a.encoder.Close())
	}
	if a.store != nil {
		a.store.Close()
	}
	if a.local != nil {
		faults = append(faults, a.local.Stop())
	}
	return errors.Join(faults...)
}
