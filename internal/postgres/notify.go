package postgres

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// channel is the NOTIFY channel; its payload is empty.
const channel = "vitrine_change"

// relistenPause is how long a listener that lost its server waits before it tries again.
const relistenPause = 250 * time.Millisecond

// bell tells other processes that something was committed, and this one what others tell.
type bell struct {
	rung        chan struct{} // one token: a commit has not been told yet
	quit        chan struct{}
	done        sync.WaitGroup
	listen      sync.Once
	startHear   func()
	stopHearing context.CancelFunc

	mu       sync.Mutex
	heard    uint64        // how often something was heard
	reported uint64        // what of it some Wait has returned for
	news     chan struct{} // closed and renewed when heard grows
}

// newBell starts telling. life ends with the store.
func newBell(life context.Context, s *Store) *bell {
	b := &bell{rung: make(chan struct{}, 1), quit: make(chan struct{}), news: make(chan struct{})}
	hearing, stop := context.WithCancel(life)
	b.stopHearing = stop
	b.startHear = func() { b.done.Go(func() { b.hear(hearing, s) }) }
	b.done.Go(func() { b.tell(life, s) })
	return b
}

// ring asks for a NOTIFY. It does not wait: commits that follow each other quickly share one.
func (b *bell) ring() {
	select {
	case b.rung <- struct{}{}:
	default:
	}
}

// close sends what was rung and ends both loops.
func (b *bell) close() {
	b.listen.Do(func() {}) // a later Wait starts nothing
	b.stopHearing()
	close(b.quit)
	b.done.Wait()
}

func (b *bell) tell(ctx context.Context, s *Store) {
	for {
		select {
		case <-b.rung:
			b.notify(ctx, s)
		case <-b.quit:
			select {
			case <-b.rung:
				b.notify(ctx, s)
			default:
			}
			return
		}
	}
}

// notify sends one NOTIFY. A failure is not repeated: followers also look on their own.
func (b *bell) notify(ctx context.Context, s *Store) {
	ctx, cancel := context.WithTimeout(ctx, hangUpTimeout)
	defer cancel()
	if _, err := s.pool.Exec(ctx, `SELECT pg_notify($1, '')`, channel); err != nil {
		s.log.Debug("change not announced", "error", err)
	}
}

// hear listens until ctx ends, on a connection of its own.
func (b *bell) hear(ctx context.Context, s *Store) {
	for ctx.Err() == nil {
		conn, err := s.connect(ctx)
		if err == nil {
			err = b.hearOn(ctx, conn)
			hangUp(ctx, conn)
		}
		if ctx.Err() == nil {
			s.log.Debug("listening for changes was interrupted", "error", err)
			_ = pause(ctx, relistenPause)
		}
	}
}

func (b *bell) hearOn(ctx context.Context, conn *pgx.Conn) error {
	if _, err := conn.Exec(ctx, "LISTEN "+channel); err != nil {
		return err
	}
	for {
		b.wake() // at first too: what happened before LISTEN was not heard
		if _, err := conn.WaitForNotification(ctx); err != nil {
			return err
		}
	}
}

func (b *bell) wake() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.heard++
	close(b.news)
	b.news = make(chan struct{})
}

// Wait blocks until a change was announced since a Wait last returned, timeout has passed, ctx
// ends or the store is closed; the last two are its errors. It may return without a reason. The
// first call starts listening. Several may wait at once; all that do are woken.
func (s *Store) Wait(ctx context.Context, timeout time.Duration) error {
	b := s.bell
	b.listen.Do(b.startHear)
	b.mu.Lock()
	missed, news := b.heard != b.reported, b.news
	b.reported = b.heard
	b.mu.Unlock()
	if missed {
		return ctx.Err()
	}
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-news:
		b.mu.Lock()
		b.reported = b.heard
		b.mu.Unlock()
	case <-timer.C:
	case <-b.quit:
		return fault(ctx, "wait for changes", errClosed)
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}
