package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// hangUpTimeout bounds the farewell to the server; after it the connection is just cut.
const hangUpTimeout = 2 * time.Second

// Lock takes a session advisory lock by name without waiting, on a connection of its own. ok is
// false when another session holds it, of this process or another. release may be called more
// than once.
func (s *Store) Lock(ctx context.Context, name string) (release func(), ok bool, err error) {
	var conn *pgx.Conn
	err = s.again(ctx, "lock "+name, func() error {
		var err error
		if conn, err = s.connect(ctx); err != nil {
			return err
		}
		if err = conn.QueryRow(ctx, `SELECT pg_try_advisory_lock($1)`, lockKey(name)).Scan(&ok); err != nil {
			hangUp(ctx, conn)
		}
		return err
	})
	if err != nil {
		return nil, false, err
	}
	if !ok {
		hangUp(ctx, conn)
		return nil, false, nil
	}
	var released sync.Once
	return func() { released.Do(func() { unlock(ctx, conn) }) }, true, nil
}

// unlock frees the locks of a connection and closes it. Closing alone would free them too, but
// some time after it returned.
func unlock(ctx context.Context, conn *pgx.Conn) {
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), hangUpTimeout)
	defer cancel()
	_, _ = conn.Exec(last, `SELECT pg_advisory_unlock_all()`) // if this fails the connection is gone, and the locks with it
	_ = conn.Close(last)
}

// connect opens a connection outside the pool, with the pool's settings.
func (s *Store) connect(ctx context.Context) (*pgx.Conn, error) {
	return pgx.ConnectConfig(ctx, s.pool.Config().ConnConfig)
}

// hangUp closes a connection, and so frees its session's locks, also when ctx has ended.
func hangUp(ctx context.Context, conn *pgx.Conn) {
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), hangUpTimeout)
	defer cancel()
	_ = conn.Close(last)
}

// lockKey spreads names over the 64-bit keys of advisory locks, which all users of a database share.
func lockKey(name string) int64 {
	sum := sha256.Sum256([]byte("vitrine lock " + name))
	return int64(binary.BigEndian.Uint64(sum[:8]))
}
