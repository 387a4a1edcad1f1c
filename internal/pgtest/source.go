package pgtest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"net/url"
	"strings"
)

// source makes databases on one server by cloning a template.
type source struct {
	url      string // of a database that stays, with the right to create others
	template string
}

// newSource finds or makes the template for the migrations with this digest. Of
// processes that do so at once, on a server that they share, one works and the
// others wait.
func newSource(ctx context.Context, url, digest string, migrate func(context.Context, string) error) (source, error) {
	s := source{url: url, template: "vitrine_template_" + digest}
	err := s.administer(ctx, func(conn *sql.Conn) error {
		// Held until the connection closes.
		if _, err := conn.ExecContext(ctx, `SELECT pg_advisory_lock(hashtext('vitrine pgtest'))`); err != nil {
			return err
		}
		var exists bool
		const look = `SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)`
		if err := conn.QueryRowContext(ctx, look, s.template).Scan(&exists); err != nil || exists {
			return err
		}
		return s.build(ctx, conn, migrate)
	})
	if err != nil {
		return source{}, fmt.Errorf("template database: %w", err)
	}
	return s, nil
}

// build migrates a database under another name first, so that a template that can
// be seen is whole. It is then closed to connections: one would keep it from being
// cloned.
func (s source) build(ctx context.Context, conn *sql.Conn, migrate func(context.Context, string) error) error {
	aside := s.template + "_new"
	for _, statement := range []string{`DROP DATABASE IF EXISTS ` + aside + ` WITH (FORCE)`, `CREATE DATABASE ` + aside} {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	if err := migrate(ctx, withDatabase(s.url, aside)); err != nil {
		return err
	}
	for _, statement := range []string{`ALTER DATABASE ` + aside + ` WITH ALLOW_CONNECTIONS false`, `ALTER DATABASE ` + aside + ` RENAME TO ` + s.template} {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// clone makes a database and returns its URL. Safe for concurrent use.
func (s source) clone(ctx context.Context) (string, error) {
	name := "vitrine_test_" + strings.ToLower(rand.Text())
	return withDatabase(s.url, name), s.administer(ctx, func(conn *sql.Conn) error {
		_, err := conn.ExecContext(ctx, `CREATE DATABASE `+name+` TEMPLATE `+s.template)
		return err
	})
}

// drop removes a database that clone made, and ends its connections.
func (s source) drop(ctx context.Context, url string) error {
	name := databaseOf(url)
	if !strings.HasPrefix(name, "vitrine_test_") {
		return fmt.Errorf("database %q is not a test's", name)
	}
	return s.administer(ctx, func(conn *sql.Conn) error {
		_, err := conn.ExecContext(ctx, `DROP DATABASE IF EXISTS `+name+` WITH (FORCE)`)
		return err
	})
}

// administer opens one connection for the time of do; package postgres registers
// the driver.
func (s source) administer(ctx context.Context, do func(*sql.Conn) error) error {
	db, err := sql.Open("pgx", s.url)
	if err != nil {
		return err
	}
	defer db.Close()
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	return do(conn)
}

// withDatabase is dsn for another database of the same server. A dsn is a URL or a
// list of key=value, of which the last one counts.
func withDatabase(dsn, name string) string {
	if !strings.Contains(dsn, "://") {
		return dsn + " dbname=" + name
	}
	u, err := url.Parse(dsn)
	if err != nil {
		return dsn // connecting has already said what is wrong with it
	}
	u.Path = "/" + name
	return u.String()
}

// databaseOf is the name that withDatabase put there.
func databaseOf(dsn string) string {
	if !strings.Contains(dsn, "://") {
		return dsn[strings.LastIndex(dsn, "=")+1:]
	}
	u, err := url.Parse(dsn)
	if err != nil {
		return ""
	}
	return strings.TrimPrefix(u.Path, "/")
}
