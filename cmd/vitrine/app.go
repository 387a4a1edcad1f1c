package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/localpg"
	"github.com/seed-473295a7/vitrine/internal/onnx"
	"github.com/seed-473295a7/vitrine/internal/postgres"
)

// app is what most commands need: the store, the encoder and a loaded engine.
type app struct {
	log      *slog.Logger
	config   engine.Config
	local    *localpg.Server // nil with a PostgreSQL of one's own
	store    *postgres.Store
	encoders *encoders
	texts    *onnx.TextEncoder // nil: texts are not embedded
	engine   *engine.Engine
	stages   stageMeter
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
	a.encoders = newEncoders(cmd)
	encoder, err := a.encoders.OpenEncoder(ctx, cmd.String("encoder"))
	if err != nil {
		return nil, fmt.Errorf("--encoder: %w", err)
	}
	if a.texts, err = openTextEncoder(ctx, cmd); err != nil {
		return nil, err
	}
	a.config.IndexFile = filepath.Join(dataDir, "index.snapshot")
	deps := withTexts(engine.Deps{Store: a.store, Encoder: encoder, Encoders: a.encoders, Log: a.log, Now: time.Now, Meter: a.stages}, a.texts)
	if a.engine, err = engine.New(a.config, deps); err != nil {
		return nil, err
	}
	if err := a.engine.Load(ctx); err != nil {
		return nil, err
	}
	if live := a.engine.Encoder().Name(); live != encoder.Name() && cmd.String("encoder") != "" {
		a.log.Warn("the live embedding space is of another encoder; vitrine embed changes that", "live", live, "encoder", encoder.Name())
	}
	return a, nil
}

func openStore(ctx context.Context, db database, log *slog.Logger) (*postgres.Store, error) {
	config := postgres.DefaultConfig()
	config.URL, config.Log = db.url, log
	if db.local != nil {
		config.Ensure = db.local.Ensure
	}
	return postgres.Open(ctx, config)
}

// withTexts adds an encoder of texts if there is one: a nil pointer would make an interface that is
// not nil.
func withTexts(deps engine.Deps, texts *onnx.TextEncoder) engine.Deps {
	if texts != nil {
		deps.TextEncoder = texts
	}
	return deps
}

// close ends what openApp began, last first.
func (a *app) close() error {
	var faults []error
	if a.encoders != nil {
		faults = append(faults, a.encoders.close())
	}
	if a.texts != nil {
		faults = append(faults, a.texts.Close())
	}
	if a.store != nil {
		a.store.Close()
	}
	if a.local != nil {
		faults = append(faults, a.local.Stop())
	}
	return errors.Join(faults...)
}
