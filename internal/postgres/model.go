package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// CreateModel stores a model, not yet live, and returns its id; record's ID and CreateTime are
// not read. Parameters must be JSON (ErrInvalid if not; empty counts as {}) and come back as
// the same values, not the same bytes.
func (s *Store) CreateModel(ctx context.Context, record recsys.ModelRecord) (id recsys.ModelID, err error) {
	const what = "create a factor model"
	parameters, model := record.Parameters, record.Model
	if len(parameters) == 0 {
		parameters = []byte("{}")
	}
	if model == nil {
		model = []byte{}
	}
	if !json.Valid(parameters) {
		return 0, fmt.Errorf("%s: parameters are no JSON: %w", what, recsys.ErrInvalid)
	}
	err = s.write(ctx, writing{what, catalogLog, false}, func(tx pgx.Tx, _ bool) error {
		return tx.QueryRow(ctx, `INSERT INTO factor_model (model, parameters, catalog_seq, interaction_seq)
			VALUES ($1, $2, $3, $4) RETURNING model_id`,
			model, parameters, record.CatalogSeq, record.InteractionSeq).Scan(&id)
	})
	return id, err
}

// readModel reads a model; nil for 0.
func readModel(ctx context.Context, tx pgx.Tx, id recsys.ModelID) (*recsys.ModelRecord, error) {
	if id == 0 {
		return nil, nil
	}
	r := recsys.ModelRecord{ID: id}
	err := tx.QueryRow(ctx, `SELECT model, parameters, catalog_seq, interaction_seq, create_time FROM factor_model WHERE model_id = $1`, id).
		Scan(&r.Model, &r.Parameters, &r.CatalogSeq, &r.InteractionSeq, &r.CreateTime)
	if err != nil {
		return nil, fmt.Errorf("%v: %w", id, err)
	}
	r.CreateTime = r.CreateTime.UTC()
	return &r, nil
}

// ActivateModel makes a model the live one and pauses automatic training or ends the pause; it
// takes a catalogue change number. ErrNotFound if there is no such model.
func (s *Store) ActivateModel(ctx context.Context, model recsys.ModelID, pause bool) error {
	return s.write(ctx, writing{"activate a factor model", catalogLog, true}, func(tx pgx.Tx, _ bool) error {
		seq, _, err := nextNumber(ctx, tx, catalogLog)
		if err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, `UPDATE factor_model SET activate_time = clock_timestamp() WHERE model_id = $1`, model)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return fmt.Errorf("%v: %w", model, recsys.ErrNotFound)
		}
		if _, err := tx.Exec(ctx, `UPDATE setting SET active_model_id = $1, training_paused = $2`, model, pause); err != nil {
			return err
		}
		return logActivation(ctx, tx, modelActivated, int64(model), seq)
	})
}

// Models lists all factor models, newest first, without their contents.
func (s *Store) Models(ctx context.Context) (models []recsys.ModelInfo, err error) {
	err = s.read(ctx, "list factor models", func(conn *pgxpool.Conn) error {
		models = nil
		rows, err := conn.Query(ctx, `SELECT m.model_id, m.parameters, m.catalog_seq, m.interaction_seq, octet_length(m.model),
				m.create_time, m.activate_time, m.model_id IS NOT DISTINCT FROM s.active_model_id
			FROM factor_model m, setting s ORDER BY m.model_id DESC`)
		if err != nil {
			return err
		}
		var m recsys.ModelInfo
		var activated *time.Time
		_, err = pgx.ForEachRow(rows, []any{&m.ID, &m.Parameters, &m.CatalogSeq, &m.InteractionSeq, &m.Bytes, &m.CreateTime, &activated, &m.Live}, func() error {
			m.ActivateTime = utcOrZero(activated)
			m.CreateTime = m.CreateTime.UTC()
			models = append(models, m)
			m.Parameters = nil // the next scan must not write into it
			return nil
		})
		return err
	})
	return models, err
}

// PruneModels deletes all factor models but the live one and the keep newest, and returns how
// many. Followers need not know: what is live stays.
func (s *Store) PruneModels(ctx context.Context, keep int) (deleted int64, err error) {
	err = s.write(ctx, writing{"prune factor models", catalogLog, true}, func(tx pgx.Tx, _ bool) error {
		tag, err := tx.Exec(ctx, `DELETE FROM factor_model WHERE model_id NOT IN (SELECT model_id FROM factor_model ORDER BY model_id DESC LIMIT $1)
			AND model_id IS DISTINCT FROM (SELECT active_model_id FROM setting)`, keep)
		deleted = tag.RowsAffected()
		return err
	})
	return deleted, err
}
