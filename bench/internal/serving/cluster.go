package serving

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

// Cluster is the private PostgreSQL of this run, with the service's own settings.
type Cluster struct {
	server  *localpg.Server
	Version string
	PGBench string // "" where the server's programs have none beside them
}

func StartCluster(ctx context.Context, dir string) (*Cluster, error) {
	config := localpg.DefaultConfig()
	config.Dir = dir
	server, err := localpg.Start(ctx, config)
	if err != nil {
		return nil, err
	}
	c := &Cluster{server: server}
	if err := c.describe(ctx); err != nil {
		return nil, errors.Join(err, server.Stop())
	}
	return c, nil
}

func (c *Cluster) Stop() error { return c.server.Stop() }

// CPUSeconds is the processor time of the server and of its backends so far.
func (c *Cluster) CPUSeconds() float64 { return familySeconds(c.server.PID()) }

func (c *Cluster) describe(ctx context.Context) error {
	return c.With(ctx, c.server.DSN(), func(conn *pgx.Conn) error {
		var programs, commit string
		err := conn.QueryRow(ctx, `SELECT current_setting('server_version'), current_setting('synchronous_commit'),
			(SELECT setting FROM pg_config WHERE name = 'BINDIR')`).Scan(&c.Version, &commit, &programs)
		if err != nil {
			return err
		}
		c.Version = fmt.Sprintf("%s, synchronous_commit=%s", c.Version, commit)
		if path := filepath.Join(programs, "pgbench"); isFile(path) {
			c.PGBench = path
		}
		return nil
	})
}

func isFile(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Mode().IsRegular()
}

// Create makes an empty database and returns its URL.
func (c *Cluster) Create(ctx context.Context, name string) (string, error) {
	at, err := c.URL(name)
	if err != nil {
		return "", err
	}
	return at, c.With(ctx, c.server.DSN(), func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize())
		return err
	})
}

// URL is the address of a database.
func (c *Cluster) URL(name string) (string, error) {
	at, err := url.Parse(c.server.DSN())
	if err != nil {
		return "", err
	}
	at.Path = "/" + name
	return at.String(), nil
}

// With runs do on a connection of its own.
func (c *Cluster) With(ctx context.Context, dsn string, do func(*pgx.Conn) error) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	return errors.Join(do(conn), conn.Close(context.WithoutCancel(ctx)))
}
