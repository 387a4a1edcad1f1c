package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// CreateSpace stores a recipe, not yet live, and returns its id; record's ID and CreateTime are
// not read.
func (s *Store) CreateSpace(ctx context.Context, record recsys.SpaceRecord) (id recsys.SpaceID, err error) {
	recipe := record.Recipe
	if recipe == nil {
		recipe = []byte{}
	}
	err = s.write(ctx, writing{"create an embedding space", catalogLog, false}, func(tx pgx.Tx, _ bool) error {
		return tx.QueryRow(ctx, `INSERT INTO embedding_space (encoder, dims, recipe) VALUES ($1, $2, $3) RETURNING space_id`,
			record.Encoder, record.Dims, recipe).Scan(&id)
	})
	return id, err
}

// readSpace reads a space; nil for 0.
func readSpace(ctx context.Context, tx pgx.Tx, id recsys.SpaceID) (*recsys.SpaceRecord, error) {
	if id == 0 {
		return nil, nil
	}
	r := recsys.SpaceRecord{ID: id}
	err := tx.QueryRow(ctx, `SELECT encoder, dims, recipe, create_time FROM embedding_space WHERE space_id = $1`, id).
		Scan(&r.Encoder, &r.Dims, &r.Recipe, &r.CreateTime)
	if err != nil {
		return nil, fmt.Errorf("%v: %w", id, err)
	}
	r.CreateTime = r.CreateTime.UTC()
	return &r, nil
}

// Space returns a stored space; ErrNotFound if there is none of that id.
func (s *Store) Space(ctx context.Context, id recsys.SpaceID) (record recsys.SpaceRecord, err error) {
	err = s.snapshot(ctx, "read an embedding space", func(tx pgx.Tx) error {
		r, err := readSpace(ctx, tx, id)
		if err == nil {
			record = *r
		}
		return err
	})
	return record, err
}

// activationPause is how long the counter row may be held while fill embeds.
const activationPause = `SET LOCAL idle_in_transaction_session_timeout = '10min'`

// ActivateSpace makes a space the live one. It first takes the catalogue's counter row, so that
// no item changes meanwhile, then calls fill with the items changed after change number seen,
// without vectors; fill returns their vectors in the space, in order, nil for none. fill may
// read from the store and must not write to it. It is called at most once, and not at all if
// nothing changed.
//
// Errors: ErrNotFound if there is no such space, ErrInvalid if fill returns vectors that do not
// fit, and the errors of fill.
func (s *Store) ActivateSpace(ctx context.Context, space recsys.SpaceID, seen int64, fill func(rows []engine.ItemRow) ([][]float32, error)) error {
	return s.write(ctx, writing{"activate an embedding space", catalogLog, false}, func(tx pgx.Tx, _ bool) error {
		seq, _, err := nextNumber(ctx, tx, catalogLog)
		if err != nil {
			return err
		}
		record := recsys.SpaceRecord{ID: space}
		err = tx.QueryRow(ctx, `UPDATE embedding_space SET activate_time = clock_timestamp() WHERE space_id = $1 RETURNING dims`, space).Scan(&record.Dims)
		if err != nil {
			return fmt.Errorf("%v: %w", space, err)
		}
		if err := fillSpace(ctx, tx, record, seen, fill); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE setting SET active_space_id = $1`, space); err != nil {
			return err
		}
		return logCatalogChange(ctx, tx, spaceActivated, fmt.Sprint(int64(space)), seq)
	})
}

// fillSpace brings into a space what changed after seen; the caller holds the counter row.
func fillSpace(ctx context.Context, tx pgx.Tx, space recsys.SpaceRecord, seen int64, fill func(rows []engine.ItemRow) ([][]float32, error)) error {
	rows, err := collectItems(tx.Query(ctx, `SELECT `+itemColumns+` FROM item i WHERE i.seq > $1 ORDER BY i.item_id`, seen))
	if err != nil || len(rows) == 0 {
		return err
	}
	if _, err := tx.Exec(ctx, activationPause); err != nil {
		return err
	}
	vectors, err := fill(rows)
	if err != nil {
		return once(callbackError{err})
	}
	if len(vectors) != len(rows) {
		return once(fmt.Errorf("%d vectors for %d items: %w", len(vectors), len(rows), recsys.ErrInvalid))
	}
	ids := make([]string, len(rows))
	for i := range rows {
		ids[i] = rows[i].Item.ItemID
	}
	if err := replaceVectors(ctx, tx, space, ids, vectors); err != nil {
		return once(err)
	}
	return nil
}
