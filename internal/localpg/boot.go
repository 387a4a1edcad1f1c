package localpg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// boot brings the server up or finds it up, under start.lock: of processes that
// boot together one becomes the owner and the others attach.
func (s *Server) boot(ctx context.Context) error {
	ctx, cancel := s.untilStop(ctx)
	defer cancel()
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	lock, err := waitLock(ctx, s.home.startLock, s.acct)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := s.home.prepare(s.acct); err != nil { // a former owner may have removed the short directory
		return err
	}
	launched, err := s.bring(ctx)
	if err == nil {
		err = s.createDatabase(ctx)
	}
	if err != nil {
		if launched.running() {
			err = errors.Join(err, launched.stop(s.cfg.StopTimeout))
		}
		return err
	}
	s.log.InfoContext(ctx, "PostgreSQL ready", "dir", s.home.root, "pid", s.PID(),
		"attached", launched == nil, "init", s.Timings().Init, "start", s.Timings().Start)
	return nil
}

// bring waits until the server is ready and starts it whenever none runs: the one
// that was found may be on its way down. It returns the server that it started,
// with an error too, or nil.
func (s *Server) bring(ctx context.Context) (launched *process, err error) {
	begun, refusal := time.Now(), errors.New("it is not ready yet")
	for wait := firstWait; ; wait = nextWait(wait) {
		if launched == nil {
			if launched, err = s.launch(ctx); err != nil {
				return nil, err
			}
			if launched != nil {
				begun, wait = time.Now(), firstWait
			}
		}
		if readPIDFile(s.home.pidFile()).ready {
			if refusal = s.answers(ctx); refusal == nil {
				s.yield()
				s.mu.Lock()
				s.timings.Start = time.Since(begun)
				s.mu.Unlock()
				return launched, nil
			}
			if permanent(refusal) {
				return launched, fmt.Errorf("%w: %w", ErrNotReady, refusal)
			}
		}
		select {
		case <-launched.ended():
			return launched, fmt.Errorf("%w: the server ended (%v): %s", ErrNotReady, launched.err, logTail(s.home.log))
		case <-ctx.Done():
			return launched, context.Cause(ctx)
		case <-time.After(wait):
		}
		if time.Since(begun) > s.cfg.StartTimeout {
			return launched, fmt.Errorf("%w: no answer in %v in %s: %w: %s",
				ErrNotReady, s.cfg.StartTimeout, s.home.root, refusal, logTail(s.home.log))
		}
	}
}

// launch starts the server, after initdb if need be, unless a process of it (or of
// an interrupted initdb) is still alive: then it returns nil.
func (s *Server) launch(ctx context.Context) (*process, error) {
	claim, err := tryLock(s.home.serverLock, s.acct)
	if claim == nil || err != nil {
		return nil, err
	}
	defer claim.Close() // the children have their own copy
	binDir, err := s.programs(ctx)
	if err != nil {
		return nil, err
	}
	version, err := s.home.version()
	if err != nil {
		return nil, err
	}
	begun, initTime := time.Now(), time.Duration(0)
	if version == "" {
		if err := s.initialise(ctx, binDir, claim); err != nil {
			return nil, err
		}
		initTime = time.Since(begun)
	}
	if err := s.home.dropStale(); err != nil {
		return nil, err
	}
	child, err := s.serve(binDir, claim)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.child, s.timings = child, Timings{Init: initTime}
	return child, nil
}

// maintenance is the database that every cluster has.
const maintenance = "postgres"

func (s *Server) answers(ctx context.Context) error {
	conn, err := s.connect(ctx, maintenance)
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

// connect opens one connection, with a bound of its own: a server that is stopped
// in its tracks takes connections and says nothing.
func (s *Server) connect(ctx context.Context, database string) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return pgx.Connect(ctx, s.home.dsn(database))
}

// permanent tells errors that waiting does not cure: the socket is closed to this
// account, or the server refuses for another reason than being about to start or
// stop (57P..) or full (53...).
func permanent(err error) bool {
	if errors.Is(err, fs.ErrPermission) {
		return true
	}
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) || len(pgErr.Code) != 5 {
		return false
	}
	return pgErr.Code[:3] != "57P" && pgErr.Code[:2] != "53"
}

// createDatabase makes the database if it is not there. start.lock makes looking
// first safe.
func (s *Server) createDatabase(ctx context.Context) error {
	if s.cfg.Database == maintenance {
		return nil
	}
	conn, err := s.connect(ctx, maintenance)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotReady, err)
	}
	defer conn.Close(ctx)
	var exists bool
	const look = `SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)`
	if err := conn.QueryRow(ctx, look, s.cfg.Database).Scan(&exists); err != nil {
		return fmt.Errorf("%w: look for the database: %w", ErrNotReady, err)
	}
	if exists {
		return nil
	}
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{s.cfg.Database}.Sanitize()); err != nil {
		return fmt.Errorf("%w: create the database: %w", ErrNotReady, err)
	}
	return nil
}
