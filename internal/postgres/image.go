package postgres

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// maxImageChunk is how many bytes of pictures travel in one statement: one message must stay
// far below the gigabyte PostgreSQL takes.
const maxImageChunk = 4 << 20

type imageRow struct{ digest, bytes []byte }

type outputRow struct {
	digest  []byte
	encoder string
	output  []byte
	hash    []byte // of the picture; nil: not known
}

// putImages stores the pictures and raw outputs of writes that are not stored yet. It runs
// before the change number is taken; both tables are written in the order of digests, so that
// two writers of the same pictures cannot wait for each other.
func putImages(ctx context.Context, tx pgx.Tx, writes []*itemDraft) error {
	var images []imageRow
	var outputs []outputRow
	for _, w := range writes {
		digest := w.write.Item.ImageDigest
		if w.write.Image != nil {
			images = append(images, imageRow{digest, w.write.Image})
		}
		if w.raw != nil {
			outputs = append(outputs, outputRow{digest, w.write.Encoder, w.raw, w.write.Hash})
		}
	}
	if err := putImageRows(ctx, tx, images); err != nil {
		return err
	}
	return putOutputs(ctx, tx, outputs)
}

func putImageRows(ctx context.Context, tx pgx.Tx, images []imageRow) error {
	images, err := lackingImages(ctx, tx, images)
	if err != nil {
		return err
	}
	for len(images) > 0 {
		var digests, contents [][]byte
		for size := 0; len(images) > 0 && (size == 0 || size+len(images[0].bytes) <= maxImageChunk); images = images[1:] {
			size += len(images[0].bytes)
			digests, contents = append(digests, images[0].digest), append(contents, images[0].bytes)
		}
		_, err := tx.Exec(ctx, `INSERT INTO image (image_digest, image_bytes)
			SELECT * FROM unnest($1::bytea[], $2::bytea[]) AS i (image_digest, image_bytes) ORDER BY image_digest
			ON CONFLICT (image_digest) DO NOTHING`, digests, contents)
		if err != nil {
			return fmt.Errorf("store images: %w", err)
		}
	}
	return nil
}

// lackingImages returns the images that are not stored yet, each once, ascending by digest: a
// shop that sends its catalogue again must not send its pictures through the connection.
func lackingImages(ctx context.Context, tx pgx.Tx, images []imageRow) ([]imageRow, error) {
	if len(images) == 0 {
		return nil, nil
	}
	slices.SortFunc(images, func(a, b imageRow) int { return bytes.Compare(a.digest, b.digest) })
	images = slices.CompactFunc(images, func(a, b imageRow) bool { return bytes.Equal(a.digest, b.digest) })
	digests := make([][]byte, len(images))
	for i := range images {
		digests[i] = images[i].digest
	}
	present, err := presentImages(ctx, tx, digests)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(images, func(i imageRow) bool { return present[string(i.digest)] }), nil
}

func presentImages(ctx context.Context, tx pgx.Tx, digests [][]byte) (map[string]bool, error) {
	rows, err := tx.Query(ctx, `SELECT image_digest FROM image WHERE image_digest = ANY ($1)`, digests)
	if err != nil {
		return nil, err
	}
	present := make(map[string]bool)
	var digest []byte
	_, err = pgx.ForEachRow(rows, []any{&digest}, func() error {
		present[string(digest)] = true
		return nil
	})
	return present, err
}

func putOutputs(ctx context.Context, tx pgx.Tx, outputs []outputRow) error {
	if len(outputs) == 0 {
		return nil
	}
	digests := make([][]byte, len(outputs))
	encoders := make([]string, len(outputs))
	values, hashes := make([][]byte, len(outputs)), make([][]byte, len(outputs))
	for i, o := range outputs {
		digests[i], encoders[i], values[i], hashes[i] = o.digest, o.encoder, o.output, o.hash
	}
	_, err := tx.Exec(ctx, `INSERT INTO encoder_output (image_digest, encoder, output, picture_hash)
		SELECT * FROM unnest($1::bytea[], $2::text[], $3::bytea[], $4::bytea[]) AS o (image_digest, encoder, output, picture_hash)
		ORDER BY image_digest, encoder
		ON CONFLICT (image_digest, encoder) DO NOTHING`, digests, encoders, values, hashes)
	if err != nil {
		return fmt.Errorf("store encoder outputs: %w", err)
	}
	return nil
}

// dropUnused removes those of the images that no item has any more, with their raw outputs unless
// the history names them: they are a hundredth of a picture, and without them no vector of that
// time can be made again. It runs under the catalogue's counter row, where no item can take one up again.
const dropUnused = `
	WITH unused AS (
		DELETE FROM image WHERE image_digest = ANY ($1)
			AND NOT EXISTS (SELECT FROM item WHERE item.image_digest = image.image_digest)
		RETURNING image_digest)
	DELETE FROM encoder_output USING unused WHERE encoder_output.image_digest = unused.image_digest
		AND NOT EXISTS (SELECT FROM item_history WHERE item_history.image_digest = unused.image_digest)`

// RawOutputs calls each for every item that has an image and an output of the encoder,
// ascending by item id; itemIDs nil means all. raw is valid during the call only.
func (s *Store) RawOutputs(ctx context.Context, encoder string, itemIDs []string, each func(itemID string, raw []float32) error) error {
	const query = `SELECT i.item_id, o.output FROM item i
		JOIN encoder_output o ON o.image_digest = i.image_digest AND o.encoder = $1`
	return s.snapshot(ctx, "read encoder outputs", func(tx pgx.Tx) error {
		var rows pgx.Rows
		var err error
		if itemIDs == nil {
			rows, err = tx.Query(ctx, query+` ORDER BY i.item_id`, encoder)
		} else {
			rows, err = tx.Query(ctx, query+` WHERE i.item_id = ANY ($2) ORDER BY i.item_id`, encoder, itemIDs)
		}
		if err != nil {
			return err
		}
		var itemID string
		var raw vectorScan
		return handOut(rows, []any{&itemID, &raw}, func() error { return each(itemID, raw.dst) })
	})
}

// Fingerprints calls each for those of the items that have an image and an output of the encoder;
// its slices are valid during the call only.
func (s *Store) Fingerprints(ctx context.Context, encoder string, itemIDs []string, each func(f engine.Fingerprint) error) error {
	return s.snapshot(ctx, "read fingerprints", func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `SELECT i.item_id, o.output, o.picture_hash FROM item i
			JOIN encoder_output o ON o.image_digest = i.image_digest AND o.encoder = $1
			WHERE i.item_id = ANY ($2) ORDER BY i.item_id`, encoder, itemIDs)
		if err != nil {
			return err
		}
		var itemID string
		var raw vectorScan
		var hash []byte
		return handOut(rows, []any{&itemID, &raw, &hash}, func() error {
			return each(engine.Fingerprint{ItemID: itemID, Raw: raw.dst, Hash: hash})
		})
	})
}

// handOut gives rows to a function of the caller. Once it was called the operation is not
// repeated, and its own error comes back untouched.
func handOut(rows pgx.Rows, into []any, each func() error) error {
	given := false
	_, err := pgx.ForEachRow(rows, into, func() error {
		given = true
		if err := each(); err != nil {
			return callbackError{err}
		}
		return nil
	})
	if err != nil && given {
		return once(err)
	}
	return err
}

// Images calls each for those of the items that have a picture, with its bytes, which are valid
// during the call only.
func (s *Store) Images(ctx context.Context, itemIDs []string, each func(itemID string, image []byte) error) error {
	return s.snapshot(ctx, "read pictures", func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `SELECT i.item_id, p.image_bytes FROM item i JOIN image p USING (image_digest) WHERE i.item_id = ANY ($1)`, itemIDs)
		if err != nil {
			return err
		}
		var itemID string
		var image pgtype.DriverBytes
		return handOut(rows, []any{&itemID, &image}, func() error { return each(itemID, image) })
	})
}

// RawOutput returns the encoder's output for an image seen before; ErrNotFound if it was not.
func (s *Store) RawOutput(ctx context.Context, encoder string, imageDigest []byte) ([]float32, error) {
	var raw vectorScan
	err := s.read(ctx, "read an encoder output", func(conn *pgxpool.Conn) error {
		return conn.QueryRow(ctx, `SELECT output FROM encoder_output WHERE image_digest = $1 AND encoder = $2`,
			imageDigest, encoder).Scan(&raw)
	})
	if err != nil {
		return nil, err
	}
	return raw.dst, nil
}

// checkImage finds what makes a write's picture unusable before the database does.
func checkImage(w *engine.ItemWrite) error {
	switch n := len(w.Item.ImageDigest); {
	case n == 0 && (w.Image != nil || w.Raw != nil):
		return recsys.Invalid("item.image", "has no digest")
	case n != 0 && n != 32:
		return recsys.Invalid("item.image", "has a digest of %d bytes, want 32", n)
	}
	return nil
}
