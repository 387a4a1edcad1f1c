package postgres

import (
	"context"
	"crypto/sha256"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// textRows are text outputs to store, as parallel arrays.
type textRows struct {
	itemIDs, encoders []string
	digests, outputs  [][]byte
}

func (r *textRows) add(itemID, encoder string, digest, output []byte) {
	r.itemIDs = append(r.itemIDs, itemID)
	r.encoders = append(r.encoders, encoder)
	r.digests = append(r.digests, digest)
	r.outputs = append(r.outputs, output)
}

// putTexts stores text outputs of items that exist and passes over the others, as putVectors does.
const putTexts = `
	INSERT INTO text_output (item_id, encoder, text_digest, output)
	SELECT i.item_id, t.encoder, t.text_digest, t.output
	FROM unnest($1::text[], $2::text[], $3::bytea[], $4::bytea[]) AS t (item_id, encoder, text_digest, output)
	JOIN item i ON i.item_id = t.item_id COLLATE "C"
	ORDER BY i.item_id
	FOR KEY SHARE OF i
	ON CONFLICT (item_id, encoder) DO UPDATE SET text_digest = excluded.text_digest, output = excluded.output`

// encodeText gives a text output its stored form; nil if it has none.
func encodeText(encoder string, t engine.TextOutput) ([]byte, error) {
	if t.Raw == nil {
		return nil, nil
	}
	if encoder == "" || len(t.Digest) != sha256.Size {
		return nil, fmt.Errorf("text output of encoder %q has a digest of %d bytes, want %d: %w", encoder, len(t.Digest), sha256.Size, recsys.ErrInvalid)
	}
	output, err := encodeVector(t.Raw, 0)
	if err != nil {
		return nil, fmt.Errorf("text output: %w", err)
	}
	return output, nil
}

// PutTextOutputs stores outputs of a text encoder in place of what it had stored of the same
// items. Items that do not exist are passed over. No change number is taken.
//
// Errors: ErrInvalid for a digest of the wrong length and for numbers that are not finite.
func (s *Store) PutTextOutputs(ctx context.Context, encoder string, outputs []engine.TextOutput) error {
	var rows textRows
	for _, t := range outputs {
		output, err := encodeText(encoder, t)
		if err != nil {
			return fmt.Errorf("item %q: %w", t.ItemID, err)
		}
		rows.add(t.ItemID, encoder, t.Digest, output)
	}
	return s.write(ctx, writing{"put text outputs", catalogLog, true}, func(tx pgx.Tx, _ bool) error {
		_, err := tx.Exec(ctx, putTexts, rows.itemIDs, rows.encoders, rows.digests, rows.outputs)
		return err
	})
}

// TextOutputs calls each for every item that has an output of the text encoder, ascending by
// item id; itemIDs nil means all. Digest and Raw are valid during the call only.
func (s *Store) TextOutputs(ctx context.Context, encoder string, itemIDs []string, each func(engine.TextOutput) error) error {
	const query = `SELECT item_id, text_digest, output FROM text_output WHERE encoder = $1`
	return s.snapshot(ctx, "read text encoder outputs", func(tx pgx.Tx) error {
		var rows pgx.Rows
		var err error
		if itemIDs == nil {
			rows, err = tx.Query(ctx, query+` ORDER BY item_id`, encoder)
		} else {
			rows, err = tx.Query(ctx, query+` AND item_id = ANY ($2) ORDER BY item_id`, encoder, itemIDs)
		}
		if err != nil {
			return err
		}
		var t engine.TextOutput
		var raw vectorScan
		return handOut(rows, []any{&t.ItemID, &t.Digest, &raw}, func() error {
			t.Raw = raw.dst
			return each(t)
		})
	})
}
