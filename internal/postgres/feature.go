package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

var _ engine.FeatureStore = (*Store)(nil)

// LiveAt returns the embedding space and the factor model that were live at a time, 0 where none
// is known: activations are kept since schema version 7.
func (s *Store) LiveAt(ctx context.Context, asOf time.Time) (space recsys.SpaceID, model recsys.ModelID, err error) {
	const newest = `SELECT subject FROM activation WHERE activate_time <= $1 AND kind = `
	err = s.read(ctx, "read what was live", func(conn *pgxpool.Conn) error {
		return conn.QueryRow(ctx, `SELECT coalesce((`+newest+`$2 ORDER BY seq DESC LIMIT 1), 0), coalesce((`+newest+`$3 ORDER BY seq DESC LIMIT 1), 0)`,
			asOf, spaceActivated, modelActivated).Scan(&space, &model)
	})
	return space, model, err
}

// Model returns a factor model; ErrNotFound if there is none of that id (any more).
func (s *Store) Model(ctx context.Context, id recsys.ModelID) (record *recsys.ModelRecord, err error) {
	err = s.snapshot(ctx, "read a factor model", func(tx pgx.Tx) error {
		record, err = readModel(ctx, tx, id)
		return err
	})
	return record, err
}

// versionsAt are the items as of the time $1: those that are still so, and those of the history.
const versionsAt = `(
	SELECT item_id, title, description, attributes, image_digest, create_time, value_time FROM item WHERE value_time <= $1
	UNION ALL
	SELECT item_id, title, description, attributes, image_digest, create_time, value_time FROM item_history
	WHERE value_time <= $1 AND end_time > $1) f`

// ItemsAt returns items as they were at a time, ascending by id.
func (s *Store) ItemsAt(ctx context.Context, q engine.ItemsAtQuery) (list []engine.FeatureRow, err error) {
	query := `SELECT f.item_id, f.title, f.description, f.attributes, f.image_digest, f.create_time, f.value_time, o.output
		FROM ` + versionsAt + ` LEFT JOIN encoder_output o ON o.image_digest = f.image_digest AND o.encoder = $2 `
	args := []any{q.AsOf, q.Encoder, q.ItemIDs}
	if q.ItemIDs != nil {
		query += `WHERE f.item_id = ANY ($3) ORDER BY f.item_id`
	} else {
		query += `WHERE f.item_id > $3 ORDER BY f.item_id LIMIT $4`
		args = []any{q.AsOf, q.Encoder, q.After, q.Limit}
	}
	err = s.read(ctx, "read items as they were", func(conn *pgxpool.Conn) error {
		list = nil
		rows, err := conn.Query(ctx, query, args...)
		if err != nil {
			return err
		}
		list, err = collectVersions(rows)
		return err
	})
	return list, err
}

func collectVersions(rows pgx.Rows) ([]engine.FeatureRow, error) {
	var list []engine.FeatureRow
	var row engine.FeatureRow
	var attributes attributesScan
	var raw vectorScan
	it := &row.Item
	_, err := pgx.ForEachRow(rows, []any{&it.ItemID, &it.Title, &it.Description, &attributes, &it.ImageDigest, &it.CreateTime, &row.ValueTime, &raw}, func() error {
		out := row
		out.Item.Attributes, out.Raw = attributes.attributes, raw.dst
		out.Item.CreateTime, out.ValueTime = row.Item.CreateTime.UTC(), row.ValueTime.UTC()
		list = append(list, out)
		it.ImageDigest, raw.dst = nil, nil // the next scan must not write into them
		return nil
	})
	return list, err
}

// UnknownAt counts the items that were registered at a time but of which only later versions are
// known. An item's create_time tells its lives apart: it may have been deleted in between.
func (s *Store) UnknownAt(ctx context.Context, asOf time.Time) (n int64, err error) {
	err = s.read(ctx, "count items of unknown values", func(conn *pgxpool.Conn) error {
		return conn.QueryRow(ctx, `SELECT count(*) FROM (
				SELECT min(value_time) AS known FROM (
					SELECT item_id, create_time, value_time FROM item WHERE create_time <= $1
					UNION ALL SELECT item_id, create_time, value_time FROM item_history WHERE create_time <= $1) v
				GROUP BY item_id, create_time) life
			WHERE known > $1`, asOf).Scan(&n)
	})
	return n, err
}

// ActorsAt lists at most limit actors that had interactions at a time, users before visitors,
// ascending by id, that come after the given one.
func (s *Store) ActorsAt(ctx context.Context, asOf time.Time, after recsys.Actor, limit int) (list []recsys.Actor, err error) {
	err = s.read(ctx, "list actors", func(conn *pgxpool.Conn) error {
		list = nil
		if !after.Visitor {
			if list, err = actorsAfter(ctx, conn, asOf, after, limit); err != nil || len(list) == limit {
				return err
			}
			after = recsys.Actor{Visitor: true}
		}
		visitors, err := actorsAfter(ctx, conn, asOf, after, limit-len(list))
		list = append(list, visitors...)
		return err
	})
	return list, err
}

func actorsAfter(ctx context.Context, conn *pgxpool.Conn, asOf time.Time, after recsys.Actor, limit int) ([]recsys.Actor, error) {
	column := actorColumn(after)
	rows, err := conn.Query(ctx, `SELECT DISTINCT `+column+` FROM interaction
		WHERE `+column+` > $1 AND create_time <= $2 AND event_time <= $2 ORDER BY `+column+` LIMIT $3`, after.ID, asOf, limit)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (recsys.Actor, error) {
		actor := recsys.Actor{Visitor: after.Visitor}
		return actor, row.Scan(&actor.ID)
	})
}

// HistoriesAt returns all interactions of the actors that were stored, and had happened, at a
// time, oldest first by event time.
func (s *Store) HistoriesAt(ctx context.Context, asOf time.Time, actors []recsys.Actor) (list []recsys.Interaction, err error) {
	where, args := filtered(engine.InteractionFilter{Actors: actors})
	args = append(args, asOf)
	err = s.read(ctx, "read histories", func(conn *pgxpool.Conn) error {
		rows, err := conn.Query(ctx, `SELECT `+interactionColumns+` FROM (SELECT * FROM interaction n`+where+`) n
			WHERE n.create_time <= $3 AND n.event_time <= $3 ORDER BY n.event_time, n.interaction_id`, args...)
		if err != nil {
			return err
		}
		list, err = collectInteractions(rows)
		return err
	})
	return list, err
}
