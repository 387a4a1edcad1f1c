package postgres

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// Config says how to reach the database.
type Config struct {
	// URL is a connection string as libpq reads it: postgres://… or key=value pairs. Its
	// parameters win over the settings that this package gives a connection. It must lead to a
	// server, not to a pooler of transactions: sessions keep locks, listen and prepare.
	URL string
	// MaxConns bounds the pool; two connections more serve notifications and each Lock one.
	MaxConns int
	// ConnectTimeout bounds one attempt to connect.
	ConnectTimeout time.Duration
	// StatementTimeout is how long the server works at one statement, waiting for locks
	// included; whole-table reads are exempt.
	StatementTimeout time.Duration
	// Ensure, if set, is called when the server cannot be reached, and brings it back or says
	// why it cannot. It is never called twice at a time; its context ends with the store.
	Ensure func(context.Context) error
	// Log receives what no caller can be told; nil drops it.
	Log *slog.Logger
}

// DefaultConfig has everything but URL.
func DefaultConfig() Config {
	return Config{MaxConns: 16, ConnectTimeout: 5 * time.Second, StatementTimeout: 30 * time.Second}
}

// Validate reports all faults.
func (c Config) Validate() error {
	var faults []error
	if _, err := pgxpool.ParseConfig(c.URL); err != nil || c.URL == "" {
		// The parser's text repeats the URL, password included at times.
		faults = append(faults, recsys.Invalid("url", "is no PostgreSQL connection string"))
	}
	if c.MaxConns < minConns || c.MaxConns > 10_000 {
		faults = append(faults, recsys.Invalid("max_conns", "is %d, want %d to 10000", c.MaxConns, minConns))
	}
	if c.ConnectTimeout <= 0 {
		faults = append(faults, recsys.Invalid("connect_timeout", "is %v, want above 0", c.ConnectTimeout))
	}
	if c.StatementTimeout < time.Millisecond {
		faults = append(faults, recsys.Invalid("statement_timeout", "is %v, want 1ms or more", c.StatementTimeout))
	}
	return errors.Join(faults...)
}

// minConns leaves one connection for reads when a writer of each log waits for its counter row
// and the committer is at work.
const minConns = 4
