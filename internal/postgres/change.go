package postgres

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// The two logs of change_counter.
const (
	catalogLog     = "catalog"
	interactionLog = "interaction"
)

// The kinds of catalog_change.
const (
	itemDeleted    int16 = 1
	spaceActivated int16 = 2
	modelActivated int16 = 3
)

// takeNumber takes the next number of a log and locks its counter row until the transaction
// ends. Statements that follow see everything that earlier holders of the row have committed,
// because READ COMMITTED reads anew for each statement; the time is the server's, so that times
// rise with numbers.
const takeNumber = `UPDATE change_counter SET seq = seq + 1 WHERE log = $1 RETURNING seq, clock_timestamp()`

func nextNumber(ctx context.Context, tx pgx.Tx, log string) (seq int64, now time.Time, err error) {
	err = tx.QueryRow(ctx, takeNumber, log).Scan(&seq, &now)
	return seq, now, err
}

func logCatalogChange(ctx context.Context, tx pgx.Tx, kind int16, subject string, seq int64) error {
	_, err := tx.Exec(ctx, `INSERT INTO catalog_change (kind, subject, seq) VALUES ($1, $2, $3)
		ON CONFLICT (kind, subject) DO UPDATE SET seq = excluded.seq`, kind, subject, seq)
	return err
}

// logActivation is logCatalogChange for what went live, and keeps when.
func logActivation(ctx context.Context, tx pgx.Tx, kind int16, subject, seq int64) error {
	_, err := tx.Exec(ctx, `INSERT INTO activation (seq, kind, subject, activate_time) VALUES ($1, $2, $3, clock_timestamp())`, seq, kind, subject)
	if err != nil {
		return err
	}
	return logCatalogChange(ctx, tx, kind, fmt.Sprint(subject), seq)
}

// More changes than these are not worth applying one by one: Changes asks for a Load.
const (
	maxChangedItems        = 5_000
	maxChangedInteractions = 50_000
)

// heads is where the logs stand and what is live.
type heads struct {
	catalogSeq, interactionSeq       int64
	catalogReload, interactionReload int64 // followers below these cannot catch up
	space                            recsys.SpaceID
	model                            recsys.ModelID
	trainingPaused                   bool
}

func readHeads(ctx context.Context, tx pgx.Tx) (h heads, err error) {
	err = tx.QueryRow(ctx, `SELECT c.seq, i.seq, c.reload_below, i.reload_below,
			coalesce(s.active_space_id, 0), coalesce(s.active_model_id, 0), s.training_paused
		FROM change_counter c, change_counter i, setting s WHERE c.log = 'catalog' AND i.log = 'interaction'`).
		Scan(&h.catalogSeq, &h.interactionSeq, &h.catalogReload, &h.interactionReload, &h.space, &h.model, &h.trainingPaused)
	return h, err
}

// Heads returns the two current change numbers.
func (s *Store) Heads(ctx context.Context) (catalogSeq, interactionSeq int64, err error) {
	err = s.read(ctx, "read the change numbers", func(conn *pgxpool.Conn) error {
		return conn.QueryRow(ctx, `SELECT c.seq, i.seq FROM change_counter c, change_counter i
			WHERE c.log = 'catalog' AND i.log = 'interaction'`).Scan(&catalogSeq, &interactionSeq)
	})
	return catalogSeq, interactionSeq, err
}

// Load calls each for every item with its vector in the live space, ascending by item id, all
// in one REPEATABLE READ transaction with the Head it returns. Rows are streamed; each owns
// what it was given. An error of each ends the load and is returned as it is. Vectors of items
// last written up to what vectorsAfter returns, if it is not nil, stay in the database.
func (s *Store) Load(ctx context.Context, halfLife time.Duration, vectorsAfter func(engine.Head) int64, each func(engine.ItemRow) error) (head engine.Head, err error) {
	err = s.snapshot(ctx, "load the catalogue", func(tx pgx.Tx) error {
		h, err := readHeads(ctx, tx)
		if err != nil {
			return err
		}
		head = engine.Head{CatalogSeq: h.catalogSeq, InteractionSeq: h.interactionSeq, TrainingPaused: h.trainingPaused}
		if head.Space, err = readSpace(ctx, tx, h.space); err != nil {
			return err
		}
		if head.Model, err = readModel(ctx, tx, h.model); err != nil {
			return err
		}
		if head.Newest, head.Counts, err = readCounts(ctx, tx, halfLife); err != nil {
			return err
		}
		var after int64
		if vectorsAfter != nil {
			after = vectorsAfter(head)
		}
		return eachItem(ctx, tx, head.Space, after, each)
	})
	if err != nil {
		return engine.Head{}, err
	}
	return head, nil
}

// eachItem streams the items, those written after a change with their vectors in a space (nil:
// without).
func eachItem(ctx context.Context, tx pgx.Tx, space *recsys.SpaceRecord, after int64, each func(engine.ItemRow) error) error {
	var of recsys.SpaceRecord
	if space != nil {
		of = *space
	}
	rows, err := tx.Query(ctx, `SELECT `+itemColumns+`, v.vector FROM item i
		LEFT JOIN item_vector v ON v.item_id = i.item_id AND v.space_id = $1 AND i.seq > $2 ORDER BY i.item_id`, of.ID, after)
	if err != nil {
		return err
	}
	var scan itemScan
	vector := vectorScan{dims: of.Dims}
	return handOut(rows, append(scan.into(), &vector), func() error {
		row := scan.row()
		row.Vector, vector.dst = vector.dst, nil
		return each(row)
	})
}

// readCounts counts interactions and weighs them by their age beside the newest one. The exponent
// is bounded because PostgreSQL reports an underflow as an error.
func readCounts(ctx context.Context, tx pgx.Tx, halfLife time.Duration) (newest time.Time, counts []engine.TypeCount, err error) {
	var last *time.Time
	if err := tx.QueryRow(ctx, `SELECT max(event_time) FROM interaction`).Scan(&last); err != nil || last == nil {
		return time.Time{}, nil, err
	}
	perSecond := 0.0
	if halfLife > 0 {
		perSecond = math.Ln2 / halfLife.Seconds()
	}
	rows, err := tx.Query(ctx, `SELECT item_id, type, value, count(*), min(event_time),
			sum(exp(greatest($1::float8 * extract(epoch FROM event_time - $2)::float8, -300)))
		FROM interaction GROUP BY item_id, type, value`, perSecond, *last)
	if err != nil {
		return time.Time{}, nil, err
	}
	var c engine.TypeCount
	_, err = pgx.ForEachRow(rows, []any{&c.ItemID, &c.Type, &c.Value, &c.Count, &c.First, &c.Recent}, func() error {
		counts = append(counts, c)
		return nil
	})
	return *last, counts, err
}

// Changes returns what happened after the two change numbers, read in one REPEATABLE READ
// transaction: items as they are now, with their vectors in the live space. Reload says that a
// whole Load is needed instead: another space or model is live, a user was deleted (the log
// must not name them), there are more changes than is worth applying one by one, or the log
// does not reach back, or that far. Interactions come oldest first by event time.
func (s *Store) Changes(ctx context.Context, space recsys.SpaceID, model recsys.ModelID, catalogSeq, interactionSeq int64) (changes engine.Changes, err error) {
	since := heads{catalogSeq: catalogSeq, interactionSeq: interactionSeq, space: space, model: model}
	err = s.snapshot(ctx, "read changes", func(tx pgx.Tx) error {
		h, err := readHeads(ctx, tx)
		if err != nil {
			return err
		}
		changes = engine.Changes{CatalogSeq: h.catalogSeq, InteractionSeq: h.interactionSeq}
		if h.beyond(since) {
			changes.Reload = true
			return nil
		}
		if h.catalogSeq > catalogSeq {
			if err := readCatalogChanges(ctx, tx, since, &changes); err != nil {
				return err
			}
		}
		if h.interactionSeq > interactionSeq && !changes.Reload {
			return readInteractionChanges(ctx, tx, interactionSeq, &changes)
		}
		return nil
	})
	if err != nil {
		return engine.Changes{}, err
	}
	return changes, nil
}

// beyond reports whether a follower cannot get from where it is to h by the log. One that is
// ahead follows a database that was set back, by restoring a backup.
func (h heads) beyond(since heads) bool {
	return h.space != since.space || h.model != since.model ||
		since.catalogSeq < h.catalogReload || since.interactionSeq < h.interactionReload ||
		since.catalogSeq > h.catalogSeq || since.interactionSeq > h.interactionSeq
}

func readCatalogChanges(ctx context.Context, tx pgx.Tx, since heads, changes *engine.Changes) error {
	rows, err := tx.Query(ctx, `SELECT `+itemColumns+`, v.vector FROM item i
		LEFT JOIN item_vector v ON v.item_id = i.item_id AND v.space_id = $1
		WHERE i.seq > $2 ORDER BY i.seq, i.item_id LIMIT $3`, since.space, since.catalogSeq, maxChangedItems+1)
	if err != nil {
		return err
	}
	var scan itemScan
	var vector vectorScan
	_, err = pgx.ForEachRow(rows, append(scan.into(), &vector), func() error {
		row := scan.row()
		row.Vector, vector.dst = vector.dst, nil
		changes.Items = append(changes.Items, row)
		return nil
	})
	if err != nil {
		return err
	}
	rows, err = tx.Query(ctx, `SELECT subject FROM catalog_change c WHERE kind = $1 AND seq > $2
		AND NOT EXISTS (SELECT FROM item WHERE item.item_id = c.subject) ORDER BY seq LIMIT $3`,
		itemDeleted, since.catalogSeq, maxChangedItems+1)
	if err != nil {
		return err
	}
	if changes.DeletedItemIDs, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
		return err
	}
	if len(changes.Items)+len(changes.DeletedItemIDs) > maxChangedItems {
		changes.Reload, changes.Items, changes.DeletedItemIDs = true, nil, nil
	}
	return nil
}

func readInteractionChanges(ctx context.Context, tx pgx.Tx, since int64, changes *engine.Changes) error {
	var n int
	err := tx.QueryRow(ctx, `SELECT count(*) FROM (SELECT FROM interaction WHERE seq > $1 LIMIT $2) AS new`,
		since, maxChangedInteractions+1).Scan(&n)
	if err != nil {
		return err
	}
	if n > maxChangedInteractions {
		changes.Reload, changes.Items, changes.DeletedItemIDs = true, nil, nil
		return nil
	}
	rows, err := tx.Query(ctx, `SELECT `+interactionColumns+` FROM interaction n WHERE n.seq > $1 ORDER BY n.event_time, n.interaction_id`, since)
	if err != nil {
		return err
	}
	if changes.Interactions, err = collectInteractions(rows); err != nil {
		return err
	}
	changes.Actors, err = mergedActors(ctx, tx, since)
	return err
}
