package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// CreateSpace stores a recipe, not yet live, and returns its id; record's ID and CreateTime are
// not read. Lineage must be a JSON object (ErrInvalid if not; empty counts as {}).
func (s *Store) CreateSpace(ctx context.Context, record recsys.SpaceRecord) (id recsys.SpaceID, err error) {
	const what = "create an embedding space"
	recipe, lineage := record.Recipe, record.Lineage
	if recipe == nil {
		recipe = []byte{}
	}
	if len(lineage) == 0 {
		lineage = []byte("{}")
	}
	if !json.Valid(lineage) {
		return 0, fmt.Errorf("%s: lineage is no JSON: %w", what, recsys.ErrInvalid)
	}
	err = s.write(ctx, writing{what, catalogLog, false}, func(tx pgx.Tx, _ bool) error {
		return tx.QueryRow(ctx, `INSERT INTO embedding_space (encoder, dims, recipe, lineage) VALUES ($1, $2, $3, $4) RETURNING space_id`,
			record.Encoder, record.Dims, recipe, lineage).Scan(&id)
	})
	return id, err
}

// readSpace reads a space; nil for 0.
func readSpace(ctx context.Context, tx pgx.Tx, id recsys.SpaceID) (*recsys.SpaceRecord, error) {
	if id == 0 {
		return nil, nil
	}
	r := recsys.SpaceRecord{ID: id}
	err := tx.QueryRow(ctx, `SELECT encoder, dims, recipe, lineage, create_time FROM embedding_space WHERE space_id = $1`, id).
		Scan(&r.Encoder, &r.Dims, &r.Recipe, &r.Lineage, &r.CreateTime)
	if err != nil {
		return nil, fmt.Errorf("%v: %w", id, err)
	}
	r.CreateTime = r.CreateTime.UTC()
	return &r, nil
}

// Space returns a stored space; ErrNotFound if there is none.
func (s *Store) Space(ctx context.Context, id recsys.SpaceID) (record recsys.SpaceRecord, err error) {
	err = s.snapshot(ctx, "read an embedding space", func(tx pgx.Tx) error {
		found, err := readSpace(ctx, tx, id)
		if err == nil && found != nil {
			record = *found
		}
		return err
	})
	if err == nil && record.ID == 0 {
		err = fmt.Errorf("embedding space 0: %w", recsys.ErrNotFound)
	}
	return record, err
}

// Spaces lists all embedding spaces, newest first, without their recipes.
func (s *Store) Spaces(ctx context.Context) (spaces []recsys.SpaceInfo, err error) {
	err = s.read(ctx, "list embedding spaces", func(conn *pgxpool.Conn) error {
		spaces = nil
		rows, err := conn.Query(ctx, `SELECT e.space_id, e.encoder, e.dims, e.lineage, e.create_time, e.activate_time,
				(SELECT count(*) FROM item_vector v WHERE v.space_id = e.space_id),
				e.space_id IS NOT DISTINCT FROM s.active_space_id
			FROM embedding_space e, setting s ORDER BY e.space_id DESC`)
		if err != nil {
			return err
		}
		var i recsys.SpaceInfo
		var activated *time.Time
		_, err = pgx.ForEachRow(rows, []any{&i.ID, &i.Encoder, &i.Dims, &i.Lineage, &i.CreateTime, &activated, &i.Vectors, &i.Live}, func() error {
			i.ActivateTime = utcOrZero(activated)
			i.CreateTime = i.CreateTime.UTC()
			spaces = append(spaces, i)
			i.Lineage = nil // the next scan must not write into it
			return nil
		})
		return err
	})
	return spaces, err
}

func utcOrZero(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

// PruneSpaces deletes all embedding spaces with their vectors but the live one and the keep
// newest, and the outputs of their encoders if no space of those is left, and returns how many spaces.
func (s *Store) PruneSpaces(ctx context.Context, keep int) (deleted int64, err error) {
	err = s.write(ctx, writing{"prune embedding spaces", catalogLog, true}, func(tx pgx.Tx, _ bool) error {
		rows, err := tx.Query(ctx, `DELETE FROM embedding_space WHERE space_id NOT IN (SELECT space_id FROM embedding_space ORDER BY space_id DESC LIMIT $1)
			AND space_id IS DISTINCT FROM (SELECT active_space_id FROM setting) RETURNING encoder`, keep)
		if err != nil {
			return err
		}
		encoders, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if deleted = int64(len(encoders)); err != nil || deleted == 0 {
			return err
		}
		_, err = tx.Exec(ctx, `DELETE FROM encoder_output WHERE encoder = ANY ($1) AND encoder NOT IN (SELECT encoder FROM embedding_space)`, encoders)
		return err
	})
	return deleted, err
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
		return logActivation(ctx, tx, spaceActivated, int64(space), seq)
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
