package postgres

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

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

// ActivateModel makes a model the live one; it takes a catalogue change number. ErrNotFound if
// there is no such model.
func (s *Store) ActivateModel(ctx context.Context, model recsys.ModelID) error {
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
		if _, err := tx.Exec(ctx, `UPDATE setting SET active_model_id = $1`, model); err != nil {
			return err
		}
		return logCatalogChange(ctx, tx, modelActivated, fmt.Sprint(int64(model)), seq)
	})
}
