package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// claimImages locks pictures that an encoder has not seen. What another process works on is passed
// over, so that any number of them share the work; a lock ends with its process. The lock is the
// weakest that excludes itself: registrations refer to the picture meanwhile.
const claimImages = `
	SELECT i.image_digest FROM image i
	WHERE i.image_digest > $2 AND NOT EXISTS (
		SELECT FROM encoder_output o WHERE o.image_digest = i.image_digest AND o.encoder = $1)
	ORDER BY i.image_digest LIMIT $3
	FOR NO KEY UPDATE OF i SKIP LOCKED`

// readClaimed reads the locked pictures. Some were encoded and unlocked by another process between
// the snapshot and the lock of the statement before; this one has a later snapshot.
const readClaimed = `
	SELECT i.image_digest, i.image_bytes FROM image i
	WHERE i.image_digest = ANY ($2) AND NOT EXISTS (
		SELECT FROM encoder_output o WHERE o.image_digest = i.image_digest AND o.encoder = $1)`

// EncodeImages takes at most limit pictures whose digest comes after the given one and that the
// encoder has no output of, hands them to encode and stores what it returns, nil for a picture
// that cannot be encoded. Nobody else is given these pictures meanwhile. It returns the last
// digest handed out, nil if there was none. encode must not use the store.
//
// Errors: those of encode; ErrInvalid for outputs that do not fit.
func (s *Store) EncodeImages(ctx context.Context, encoder string, after []byte, limit int, encode func(images []engine.Image) ([][]float32, error)) (last []byte, err error) {
	if after == nil {
		after = []byte{}
	}
	err = s.read(ctx, "encode pictures", func(conn *pgxpool.Conn) error {
		last = nil
		tx, err := conn.Begin(ctx)
		if err != nil {
			return err
		}
		defer rollback(ctx, tx)
		if _, err := tx.Exec(ctx, activationPause); err != nil {
			return err
		}
		images, end, err := claimed(ctx, tx, encoder, after, limit)
		if last = end; err != nil || len(images) == 0 {
			return err
		}
		outputs, err := encode(images)
		if err != nil {
			return once(callbackError{err})
		}
		if len(outputs) != len(images) {
			return once(fmt.Errorf("%d outputs for %d pictures: %w", len(outputs), len(images), recsys.ErrInvalid))
		}
		var rows []outputRow
		for i, out := range outputs {
			stored, err := encodeVector(out, 0)
			if err != nil {
				return once(err)
			}
			if stored != nil {
				rows = append(rows, outputRow{images[i].Digest, encoder, stored, nil})
			}
		}
		if err := putOutputs(ctx, tx, rows); err != nil {
			return err
		}
		return tx.Commit(ctx)
	})
	return last, err
}

// claimed returns pictures that nobody else works on, and the last digest that was looked at.
func claimed(ctx context.Context, tx pgx.Tx, encoder string, after []byte, limit int) (images []engine.Image, last []byte, err error) {
	rows, err := tx.Query(ctx, claimImages, encoder, after, limit)
	if err != nil {
		return nil, nil, err
	}
	digests, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
	if err != nil || len(digests) == 0 {
		return nil, nil, err
	}
	if rows, err = tx.Query(ctx, readClaimed, encoder, digests); err != nil {
		return nil, nil, err
	}
	images, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (i engine.Image, err error) {
		err = row.Scan(&i.Digest, &i.Bytes)
		return i, err
	})
	return images, digests[len(digests)-1], err
}

// CountImages tells how many pictures there are and how many of them the encoder has no output of.
func (s *Store) CountImages(ctx context.Context, encoder string) (lacking, all int, err error) {
	err = s.read(ctx, "count pictures", func(conn *pgxpool.Conn) error {
		return conn.QueryRow(ctx, `SELECT count(*) FILTER (WHERE o.image_digest IS NULL), count(*)
			FROM image i LEFT JOIN encoder_output o ON o.image_digest = i.image_digest AND o.encoder = $1`, encoder).Scan(&lacking, &all)
	})
	return lacking, all, err
}
