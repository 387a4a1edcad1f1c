package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// maxAttempts bounds how often an operation is tried when the connection is lost.
	maxAttempts = 4
	// maxRollbacks bounds how often a transaction is tried that was rolled back for another's
	// sake. Each time the other has made progress, so only a crowd can get there.
	maxRollbacks = 20
	// commitTimeout bounds a commit whose caller has gone.
	commitTimeout = 10 * time.Second
	// firstPause is how long the first wait for a starting server takes; each next is double.
	firstPause = 50 * time.Millisecond
)

// again calls try until it succeeds, fails for good or has been tried often enough, and turns
// the last error into one for callers. try must start from nothing each time.
func (s *Store) again(ctx context.Context, what string, try func() error) error {
	lost, rollbacks := 0, 0
	for {
		if s.closed.Load() {
			return fault(ctx, what, errClosed)
		}
		before := s.healer.heals()
		err := try()
		var final onceError
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil || errors.As(err, &final):
			return fault(ctx, what, err)
		case isRolledBack(err) && rollbacks < maxRollbacks:
			rollbacks++
		case isLost(err) && lost < maxAttempts-1:
			s.log.Warn("database connection lost", "during", what, "error", err)
			s.pool.Reset() // its other connections are as dead
			if notHealed := s.healer.heal(ctx, before, lost, err); notHealed != nil {
				s.log.Warn("database not brought back", "error", notHealed)
				return fault(ctx, what, err)
			}
			lost++
		case s.closed.Load():
			return fault(ctx, what, errClosed)
		default:
			return fault(ctx, what, err)
		}
	}
}

// healer brings the server back. One attempt runs at a time, for everybody who lost it, and
// independent of how long any of them can wait: callers with short deadlines must not start a
// server over and over without letting it come up.
type healer struct {
	ensure func() error // nil: nobody can
	done   sync.WaitGroup

	mu         sync.Mutex
	running    *healing
	generation int64 // how often ensure has succeeded
}

type healing struct {
	finished chan struct{}
	err      error
}

// newHealer returns a healer that works until life ends.
func newHealer(life context.Context, ensure func(context.Context) error) *healer {
	h := new(healer)
	if ensure != nil {
		h.ensure = func() error { return ensure(life) }
	}
	return h
}

// heals tells how often the server was brought back.
func (h *healer) heals() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.generation
}

// heal returns nil if another attempt makes sense. generation is what heals said before the
// attempt that failed: if the server was brought back since, there is nothing left to do.
func (h *healer) heal(ctx context.Context, generation int64, lost int, cause error) error {
	if h.ensure == nil {
		switch {
		case sqlState(cause) == "57P03": // the server is starting
			return pause(ctx, firstPause<<lost)
		case lost == 0: // a connection of the pool may have died with a server that is back since
			return nil
		}
		return errors.New("nobody to start it")
	}
	current := h.join(generation)
	if current == nil {
		return nil
	}
	select {
	case <-current.finished:
	case <-ctx.Done():
		return ctx.Err()
	}
	if current.err != nil || lost == 0 {
		return current.err
	}
	return pause(ctx, firstPause<<lost)
}

// join returns the attempt that runs, or starts one; nil if the server was brought back since.
func (h *healer) join(generation int64) *healing {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.generation != generation {
		return nil
	}
	if h.running != nil {
		return h.running
	}
	current := &healing{finished: make(chan struct{})}
	h.running = current
	h.done.Go(func() {
		current.err = h.ensure()
		h.mu.Lock()
		defer h.mu.Unlock()
		h.running = nil
		if current.err == nil {
			h.generation++
		}
		close(current.finished)
	})
	return current
}

// pause waits; an error means that ctx ended first.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// read runs fn on a connection; fn must not write.
func (s *Store) read(ctx context.Context, what string, fn func(*pgxpool.Conn) error) error {
	return s.again(ctx, what, func() error {
		conn, err := s.pool.Acquire(ctx)
		if err != nil {
			return err
		}
		defer conn.Release()
		return fn(conn)
	})
}

// snapshot runs fn in a REPEATABLE READ READ ONLY transaction without a statement timeout. fn
// marks its error with once when it has handed out rows.
func (s *Store) snapshot(ctx context.Context, what string, fn func(pgx.Tx) error) error {
	return s.read(ctx, what, func(conn *pgxpool.Conn) error {
		tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
		if err != nil {
			return err
		}
		defer rollback(ctx, tx)
		if _, err := tx.Exec(ctx, `SET LOCAL statement_timeout = 0`); err != nil {
			return err
		}
		return fn(tx)
	})
}

// writing describes a transaction that changes something.
type writing struct {
	what string
	log  string // whose change number it takes, or might have to wait for
	// twice: doing it twice comes to the same as once, so that it may be repeated when the
	// outcome of a commit is unknown.
	twice bool
}

// write runs fn in a transaction and rings the bell after the commit. fn may run several times
// and must start from nothing each time; it is told when the commit before may have happened.
//
// Only so many transactions of a log get a connection as leave enough for reads: they all wait
// for the same counter row, at times for one who holds it long and needs to read.
func (s *Store) write(ctx context.Context, w writing, fn func(tx pgx.Tx, unknown bool) error) error {
	places := s.writers[w.log]
	select {
	case places <- struct{}{}:
	case <-ctx.Done():
		return fault(ctx, w.what, ctx.Err())
	}
	defer func() { <-places }()
	unknown := false
	err := s.again(ctx, w.what, func() error {
		err := s.transact(ctx, func(tx pgx.Tx) error { return fn(tx, unknown) })
		var lost unknownError
		if errors.As(err, &lost) {
			unknown = true
			if !w.twice {
				return once(err)
			}
		}
		return err
	})
	if err == nil {
		s.bell.ring()
	}
	return err
}

// errNothing ends a transaction that has nothing to change: it is rolled back, so that the log
// has no number without a change, and counts as done.
var errNothing = errors.New("nothing to change")

func (s *Store) transact(ctx context.Context, fn func(pgx.Tx) error) error {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	if err := fn(tx); err != nil {
		rollback(ctx, tx)
		if errors.Is(err, errNothing) {
			return nil
		}
		return err
	}
	// A commit under way is seen through: its outcome is worth more than the caller's deadline.
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
	defer cancel()
	if err := tx.Commit(last); err != nil {
		if isLost(err) || last.Err() != nil {
			return unknownError{fmt.Errorf("commit: %w", err)}
		}
		return err
	}
	return nil
}

// rollback frees the locks of a transaction at once, also when ctx has ended.
func rollback(ctx context.Context, tx pgx.Tx) {
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
	defer cancel()
	_ = tx.Rollback(last) // a connection that cannot roll back is closed by the pool
}
