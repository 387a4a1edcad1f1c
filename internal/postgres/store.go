package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// Store is an open database. All methods are safe for concurrent use. It must be closed.
type Store struct {
	pool      *pgxpool.Pool
	log       *slog.Logger
	healer    *healer
	writers   map[string]chan struct{} // places for transactions, by log
	bell      *bell
	committer *committer
	stop      context.CancelFunc
	closing   sync.Once
	closed    atomic.Bool
}

var _ engine.Store = (*Store)(nil)

var errClosed = errors.New("the store was closed")

// Open connects and checks that the schema is the one this package knows. The end of ctx ends
// the opening, not the store.
//
// Errors: ErrInvalid for a faulty config, ErrUnavailable if the server cannot be reached,
// ErrIncompatible for a server before PostgreSQL 13 or another schema version.
func Open(ctx context.Context, config Config) (*Store, error) {
	if err := config.Validate(); err != nil {
		return nil, fmt.Errorf("database settings: %w", err)
	}
	pooled, err := poolConfig(config)
	if err != nil {
		return nil, err
	}
	// The pool keeps its context for connections it makes ahead of need.
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	pool, err := pgxpool.NewWithConfig(life, pooled)
	if err != nil {
		stop()
		return nil, fault(ctx, "open the database", err)
	}
	log := config.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &Store{pool: pool, log: log, healer: newHealer(life, config.Ensure), stop: stop, writers: map[string]chan struct{}{
		catalogLog:     make(chan struct{}, config.MaxConns/4),
		interactionLog: make(chan struct{}, max(1, config.MaxConns/8)), // beside the committer
	}}
	s.bell = newBell(life, s)
	if err := s.checkServer(ctx); err != nil {
		s.bell.close()
		stop()
		s.healer.done.Wait()
		pool.Close()
		return nil, err
	}
	s.committer = newCommitter(life, s, config.StatementTimeout)
	return s, nil
}

func poolConfig(config Config) (*pgxpool.Config, error) {
	pooled, err := pgxpool.ParseConfig(config.URL)
	if err != nil {
		return nil, recsys.Invalid("url", "is no PostgreSQL connection string")
	}
	pooled.MaxConns = int32(config.MaxConns)
	pooled.MinConns = 0
	pooled.ConnConfig.ConnectTimeout = config.ConnectTimeout
	timeout := strconv.FormatInt(config.StatementTimeout.Milliseconds(), 10)
	for name, value := range map[string]string{
		"application_name":  "vitrine",
		"statement_timeout": timeout,
		// A process that stops in the middle of a transaction must not keep the counter row.
		"idle_in_transaction_session_timeout": "60000",
		"timezone":                            "UTC",
		"jit":                                 "off", // compiling costs more than these statements take
	} {
		if _, given := pooled.ConnConfig.RuntimeParams[name]; !given {
			pooled.ConnConfig.RuntimeParams[name] = value
		}
	}
	pooled.AfterConnect = durable
	return pooled, nil
}

// durable makes acknowledged mean on disk, whatever the server's default. All settings but off
// mean at least that and stay: which standbys must have a write is the operator's to say.
func durable(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, `SELECT set_config('synchronous_commit', 'on', false)
		WHERE current_setting('synchronous_commit') = 'off'`, pgx.QueryExecModeSimpleProtocol)
	return err
}

func (s *Store) checkServer(ctx context.Context) error {
	const what = "open the database"
	var version int
	err := s.read(ctx, what, func(conn *pgxpool.Conn) error {
		return conn.QueryRow(ctx, `SELECT current_setting('server_version_num')::int`).Scan(&version)
	})
	if err != nil {
		return err
	}
	if version < 130000 {
		return fmt.Errorf("%s: PostgreSQL %d, want 13 or later: %w", what, version/10000, recsys.ErrIncompatible)
	}
	known, err := knownVersion()
	if err != nil {
		return err
	}
	var current int64
	err = s.read(ctx, what, func(conn *pgxpool.Conn) error {
		current, err = readVersion(ctx, conn.Conn())
		return err
	})
	switch {
	case err != nil:
		return err
	case current < known:
		return fmt.Errorf("%s: schema version %d, want %d (vitrine migrate brings it there): %w", what, current, known, recsys.ErrIncompatible)
	case current > known:
		return newerSchema(current, known)
	}
	return nil
}

// Close writes the interactions that wait, answers their callers and frees all connections.
// Later calls answer ErrUnavailable.
func (s *Store) Close() {
	s.closing.Do(func() {
		s.committer.close()
		s.bell.close()
		s.closed.Store(true)
		s.stop()
		s.healer.done.Wait()
		s.pool.Close()
	})
}

// Ping reports whether the database answers; like every call it brings a lost server back if
// Config.Ensure can.
func (s *Store) Ping(ctx context.Context) error {
	return s.read(ctx, "reach the database", func(conn *pgxpool.Conn) error {
		return conn.Ping(ctx)
	})
}
