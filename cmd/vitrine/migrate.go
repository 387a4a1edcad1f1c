package main

import (
	"context"
	"errors"

	"github.com/urfave/cli/v3"

	"github.com/seed-473295a7/vitrine/internal/postgres"
)

func migrateCommand() *cli.Command {
	return &cli.Command{Name: "migrate", Usage: "bring the database to this version's schema", Action: func(ctx context.Context, cmd *cli.Command) (err error) {
		log, err := newLogger(cmd)
		if err != nil {
			return err
		}
		db, err := openDatabase(ctx, cmd, cmd.String("data-dir"), log)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, db.stop()) }()
		schema, _, err := postgres.SchemaVersion(ctx, db.url)
		if err != nil {
			return err
		}
		return printResult(cmd, map[string]int64{"schema_version": schema}, "schema version %d\n", schema)
	}}
}
