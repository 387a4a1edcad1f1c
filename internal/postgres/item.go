package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// itemColumns are what itemScan reads, in its order, of item under the name i.
const itemColumns = `i.item_id, i.title, i.description, i.attributes, i.available_time, i.expire_time,
	i.hidden, i.image_digest, i.create_time, i.update_time, i.seq`

// itemScan receives one row of itemColumns.
type itemScan struct {
	item                  recsys.Item
	attributes            attributesScan
	available, expire     *time.Time
	createTime, updatedAt time.Time
	seq                   int64
}

func (s *itemScan) into() []any {
	it := &s.item
	return []any{&it.ItemID, &it.Title, &it.Description, &s.attributes, &s.available, &s.expire,
		&it.Hidden, &it.ImageDigest, &s.createTime, &s.updatedAt, &s.seq}
}

// row gives the item read last; it shares nothing with the next one.
func (s *itemScan) row() engine.ItemRow {
	it := s.item
	it.Attributes = s.attributes.attributes
	it.AvailableTime, it.ExpireTime = timeOf(s.available), timeOf(s.expire)
	it.CreateTime, it.UpdateTime = s.createTime.UTC(), s.updatedAt.UTC()
	s.item, s.available, s.expire = recsys.Item{}, nil, nil
	return engine.ItemRow{Item: it, Seq: s.seq}
}

// attributesScan receives the attributes of one item without copying the JSON.
type attributesScan struct{ attributes map[string]recsys.Attribute }

// ScanBytes implements pgtype.BytesScanner; b is the driver's.
func (s *attributesScan) ScanBytes(b []byte) error {
	s.attributes = nil
	if len(b) == 0 || string(b) == "{}" {
		return nil
	}
	if err := json.Unmarshal(b, &s.attributes); err != nil {
		return fmt.Errorf("stored attributes: %w: %w", recsys.ErrCorrupt, err)
	}
	return nil
}

// encodeAttributes gives the stored form; ErrInvalid for an attribute that has none.
func encodeAttributes(attributes map[string]recsys.Attribute) (string, error) {
	if len(attributes) == 0 {
		return "{}", nil
	}
	for name, a := range attributes {
		if a.Kind == recsys.KindLabels && a.Labels == nil {
			return "", recsys.Invalid("item.attributes", "%q has no labels", name)
		}
	}
	b, err := json.Marshal(attributes)
	if err != nil {
		return "", &recsys.FieldError{Field: "item.attributes", Reason: "cannot be stored: want labels, finite numbers or texts"}
	}
	return string(b), nil
}

func timeOf(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

// nullTime is the column value of a time: null for the zero time.
func nullTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// storedTime is what the database makes of a time: whole microseconds, UTC.
func storedTime(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.Truncate(time.Microsecond).UTC()
}

// Items returns those of the ids that exist, in no particular order, without vectors.
func (s *Store) Items(ctx context.Context, itemIDs []string) ([]engine.ItemRow, error) {
	return s.items(ctx, "read items", `SELECT `+itemColumns+` FROM item i WHERE i.item_id = ANY ($1)`, itemIDs)
}

// Item returns one item without its vector; ErrNotFound if it is not there.
func (s *Store) Item(ctx context.Context, itemID string) (engine.ItemRow, error) {
	rows, err := s.items(ctx, "read an item", `SELECT `+itemColumns+` FROM item i WHERE i.item_id = $1`, itemID)
	if err != nil {
		return engine.ItemRow{}, err
	}
	if len(rows) == 0 {
		return engine.ItemRow{}, &recsys.FieldError{Field: "item_id", Reason: "is not registered", Err: recsys.ErrNotFound}
	}
	return rows[0], nil
}

// ListItems returns at most limit items without vectors, ascending by item id in byte order,
// that come after the given id ("": from the first).
func (s *Store) ListItems(ctx context.Context, after string, limit int) ([]engine.ItemRow, error) {
	return s.items(ctx, "list items", `SELECT `+itemColumns+` FROM item i WHERE i.item_id > $1 ORDER BY i.item_id LIMIT $2`, after, limit)
}

func (s *Store) items(ctx context.Context, what, query string, args ...any) (list []engine.ItemRow, err error) {
	err = s.read(ctx, what, func(conn *pgxpool.Conn) error {
		list, err = collectItems(conn.Query(ctx, query, args...))
		return err
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

func collectItems(rows pgx.Rows, err error) ([]engine.ItemRow, error) {
	if err != nil {
		return nil, err
	}
	var list []engine.ItemRow
	var scan itemScan
	_, err = pgx.ForEachRow(rows, scan.into(), func() error {
		list = append(list, scan.row())
		return nil
	})
	return list, err
}

// DeleteItem removes an item, its vectors, and its image if no other item shares it, and returns
// the change number; what the item was stays in the history. ErrNotFound if it is not there, unless the request is a
// replay, which deletes nothing and returns 0; ErrConflict if the request id was used with
// another body.
func (s *Store) DeleteItem(ctx context.Context, itemID string, request recsys.RequestID) (seq int64, err error) {
	err = s.write(ctx, writing{"delete an item", catalogLog, true}, func(tx pgx.Tx, unknown bool) error {
		if _, replayed, err := findRequest(ctx, tx, request); err != nil {
			return err
		} else if replayed {
			seq = 0
			return errNothing
		}
		var now time.Time
		if seq, now, err = nextNumber(ctx, tx, catalogLog); err != nil {
			return err
		}
		var digest []byte
		err := tx.QueryRow(ctx, `
			WITH gone AS (DELETE FROM item WHERE item_id = $1 RETURNING *)
			INSERT INTO item_history (item_id, title, description, attributes, image_digest, create_time, value_time, end_time, seq)
			SELECT item_id, title, description, attributes, image_digest, create_time, value_time, $2, seq FROM gone
			RETURNING image_digest`, itemID, now).Scan(&digest)
		if errors.Is(err, pgx.ErrNoRows) && unknown {
			seq, err = deletedAt(ctx, tx, itemID) // by the commit whose outcome was unknown
			if err == nil {
				return errNothing
			}
		}
		if errors.Is(err, pgx.ErrNoRows) {
			return &recsys.FieldError{Field: "item_id", Reason: "is not registered", Err: recsys.ErrNotFound}
		}
		if err != nil {
			return err
		}
		if digest != nil {
			if _, err := tx.Exec(ctx, dropUnused, [][]byte{digest}); err != nil {
				return err
			}
		}
		if err := logCatalogChange(ctx, tx, itemDeleted, itemID, seq); err != nil {
			return err
		}
		return putRequest(ctx, tx, request, seq, struct{}{})
	})
	if err != nil {
		return 0, err
	}
	return seq, nil
}

func deletedAt(ctx context.Context, tx pgx.Tx, itemID string) (seq int64, err error) {
	err = tx.QueryRow(ctx, `SELECT seq FROM catalog_change WHERE kind = $1 AND subject = $2`, itemDeleted, itemID).Scan(&seq)
	return seq, err
}
