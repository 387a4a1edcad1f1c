package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/migrations"
)

// Migrate brings the schema of the database to the version this binary knows. Several
// processes may do so at once: one works, the others wait for it.
//
// Errors: ErrInvalid for a url that cannot be read, ErrUnavailable if the server cannot be
// reached, ErrIncompatible if the schema is newer than this binary.
func Migrate(ctx context.Context, url string) error {
	const what = "migrate the database"
	config, err := pgx.ParseConfig(url)
	if err != nil || url == "" {
		return recsys.Invalid("url", "is no PostgreSQL connection string")
	}
	db := stdlib.OpenDB(*config)
	defer db.Close()
	provider, err := newProvider(db)
	if err != nil {
		return fault(ctx, what, err)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fault(ctx, what, err)
	}
	current, known, err := SchemaVersion(ctx, url)
	if err == nil && current > known {
		err = newerSchema(current, known)
	}
	return err
}

// SchemaVersion returns the version of the schema in the database, 0 if it was never migrated,
// and the version that this binary knows. Errors as for Migrate.
func SchemaVersion(ctx context.Context, url string) (current, known int64, err error) {
	const what = "read the schema version"
	config, err := pgx.ParseConfig(url)
	if err != nil || url == "" {
		return 0, 0, recsys.Invalid("url", "is no PostgreSQL connection string")
	}
	if known, err = knownVersion(); err != nil {
		return 0, 0, err
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return 0, 0, fault(ctx, what, err)
	}
	defer hangUp(ctx, conn)
	if current, err = readVersion(ctx, conn); err != nil {
		return 0, 0, fault(ctx, what, err)
	}
	return current, known, nil
}

func newerSchema(current, known int64) error {
	return fmt.Errorf("the database has schema version %d, this binary knows %d: use a newer one: %w", current, known, recsys.ErrIncompatible)
}

// readVersion asks goose's own table without creating it.
func readVersion(ctx context.Context, conn *pgx.Conn) (version int64, err error) {
	var migrated bool
	if err := conn.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL`, goose.DefaultTablename).Scan(&migrated); err != nil || !migrated {
		return 0, err
	}
	err = conn.QueryRow(ctx, `SELECT coalesce(max(version_id), 0) FROM `+goose.DefaultTablename+` WHERE is_applied`).Scan(&version)
	return version, err
}

// knownVersion is the number of the newest embedded migration.
func knownVersion() (int64, error) {
	names, err := migrations.FS.ReadDir(".")
	if err != nil || len(names) == 0 {
		return 0, errors.Join(errors.New("no migrations are embedded"), err)
	}
	version, err := goose.NumericComponent(names[len(names)-1].Name()) // ReadDir sorts; numbers have five digits
	if err != nil {
		return 0, fmt.Errorf("name of the newest migration: %w", err)
	}
	return version, nil
}

func newProvider(db *sql.DB) (*goose.Provider, error) {
	return goose.NewProvider(goose.DialectPostgres, db, migrations.FS,
		goose.WithSessionLocker(migrationLock{}), goose.WithDisableGlobalRegistry(true))
}

// migrationLock makes migrating processes take turns. goose's own locker polls every five
// seconds; waiting in the server ends when the lock is free.
type migrationLock struct{}

func (migrationLock) SessionLock(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, `SELECT pg_advisory_lock($1)`, lockKey("migrate"))
	return err
}

func (migrationLock) SessionUnlock(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, `SELECT pg_advisory_unlock($1)`, lockKey("migrate"))
	return err
}
