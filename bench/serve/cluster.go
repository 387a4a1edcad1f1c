package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"github.com/jackc/pgx/v5"

	"github.com/seed-473295a7/vitrine/internal/localpg"
)

// cluster is the private PostgreSQL of this run, with the service's own settings.
type cluster struct {
	server  *localpg.Server
	version string
	pgbench string // "" where the server's programs have none beside them
}

func startCluster(ctx context.Context, dir string) (*cluster, error) {
	config := localpg.DefaultConfig()
	config.Dir = dir
	server, err := localpg.Start(ctx, config)
	if err != nil {
		return nil, err
	}
	c := &cluster{server: server}
	if err := c.describe(ctx); err != nil {
		return nil, errors.Join(err, server.Stop())
	}
	return c, nil
}

func (c *cluster) stop() error { return c.server.Stop() }

// cpuSeconds is the processor time of the server and of its backends so far.
func (c *cluster) cpuSeconds() float64 { return familySeconds(c.server.PID()) }

func (c *cluster) describe(ctx context.Context) error {
	return c.with(ctx, c.server.DSN(), func(conn *pgx.Conn) error {
		var programs, commit string
		err := conn.QueryRow(ctx, `SELECT current_setting('server_version'), current_setting('synchronous_commit'),
			(SELECT setting FROM pg_config WHERE name = 'BINDIR')`).Scan(&c.version, &commit, &programs)
		if err != nil {
			return err
		}
		c.version = fmt.Sprintf("%s, synchronous_commit=%s", c.version, commit)
		if path := filepath.Join(programs, "pgbench"); isFile(path) {
			c.pgbench = path
		}
		return nil
	})
}

func isFile(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Mode().IsRegular()
}

// create makes an empty database and returns its URL.
func (c *cluster) create(ctx context.Context, name string) (string, error) {
	at, err := c.url(name)
	if err != nil {
		return "", err
	}
	return at, c.with(ctx, c.server.DSN(), func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize())
		return err
	})
}

// url is the address of a database.
func (c *cluster) url(name string) (string, error) {
	at, err := url.Parse(c.server.DSN())
	if err != nil {
		return "", err
	}
	at.Path = "/" + name
	return at.String(), nil
}

// with runs do on a connection of its own.
func (c *cluster) with(ctx context.Context, dsn string, do func(*pgx.Conn) error) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	return errors.Join(do(conn), conn.Close(context.WithoutCancel(ctx)))
}
