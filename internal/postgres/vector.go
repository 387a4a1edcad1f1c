package postgres

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/jackc/pgx/v5"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// encodeVector gives the stored form of a vector, little-endian float32; nil for none.
// ErrInvalid if it is empty, has dims other than wanted (0: any), or holds NaN or infinity.
func encodeVector(v []float32, dims int) ([]byte, error) {
	if v == nil {
		return nil, nil
	}
	if len(v) == 0 || dims != 0 && len(v) != dims {
		return nil, fmt.Errorf("vector of %d numbers, want %d: %w", len(v), dims, recsys.ErrInvalid)
	}
	b := make([]byte, 0, 4*len(v))
	for i, x := range v {
		if !finite(x) {
			return nil, fmt.Errorf("vector holds %v at %d: %w", x, i, recsys.ErrInvalid)
		}
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b, nil
}

func finite(x float32) bool { return x-x == 0 }

// vectorScan receives a stored vector without copying its bytes. Set dst to reuse memory; a
// database null makes it nil.
type vectorScan struct {
	dims int // wanted; 0: any
	dst  []float32
}

// ScanBytes implements pgtype.BytesScanner; b is the driver's.
func (s *vectorScan) ScanBytes(b []byte) error {
	if b == nil {
		s.dst = nil
		return nil
	}
	if len(b) == 0 || len(b)%4 != 0 || s.dims != 0 && len(b) != 4*s.dims {
		return fmt.Errorf("stored vector of %d bytes, want %d: %w", len(b), 4*s.dims, recsys.ErrCorrupt)
	}
	if n := len(b) / 4; cap(s.dst) < n {
		s.dst = make([]float32, n)
	} else {
		s.dst = s.dst[:n]
	}
	for i := range s.dst {
		x := math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
		if !finite(x) {
			return fmt.Errorf("stored vector holds %v at %d: %w", x, i, recsys.ErrCorrupt)
		}
		s.dst[i] = x
	}
	return nil
}

// vectorRows are vectors to store, as parallel arrays.
type vectorRows struct {
	itemIDs []string
	spaces  []int64
	vectors [][]byte
}

func (r *vectorRows) add(itemID string, space recsys.SpaceID, vector []byte) {
	r.itemIDs = append(r.itemIDs, itemID)
	r.spaces = append(r.spaces, int64(space))
	r.vectors = append(r.vectors, vector)
}

// putVectors stores vectors of items that exist and passes over the others. A row that is
// locked for deletion is waited for and then passed over: that is what FOR KEY SHARE does
// before the foreign key could complain.
const putVectors = `
	INSERT INTO item_vector (item_id, space_id, vector)
	SELECT i.item_id, v.space_id, v.vector
	FROM unnest($1::text[], $2::bigint[], $3::bytea[]) AS v (item_id, space_id, vector)
	JOIN item i ON i.item_id = v.item_id COLLATE "C"
	ORDER BY i.item_id
	FOR KEY SHARE OF i
	ON CONFLICT (item_id, space_id) DO UPDATE SET vector = excluded.vector`

// PutVectors stores vectors of a space that is not the live one; vectors[i] nil removes what is
// stored for the item. Items that do not exist are passed over. No change number is taken.
//
// Errors: ErrNotFound if there is no such space, ErrConflict if it is live, ErrInvalid for a
// vector of the wrong length or with numbers that are not finite.
func (s *Store) PutVectors(ctx context.Context, space recsys.SpaceID, itemIDs []string, vectors [][]float32) error {
	if len(itemIDs) != len(vectors) {
		return fmt.Errorf("put vectors: %d items and %d vectors: %w", len(itemIDs), len(vectors), recsys.ErrInvalid)
	}
	return s.write(ctx, writing{"put vectors", catalogLog, true}, func(tx pgx.Tx, _ bool) error {
		var dims int
		var live bool
		err := tx.QueryRow(ctx, `SELECT s.dims, coalesce(l.active_space_id = s.space_id, false)
			FROM embedding_space s, setting l WHERE s.space_id = $1`, space).Scan(&dims, &live)
		if err != nil {
			return fmt.Errorf("%v: %w", space, err)
		}
		if live {
			return fmt.Errorf("%v is live: %w", space, recsys.ErrConflict)
		}
		return replaceVectors(ctx, tx, recsys.SpaceRecord{ID: space, Dims: dims}, itemIDs, vectors)
	})
}

// replaceVectors makes vectors what one space holds of the items.
func replaceVectors(ctx context.Context, tx pgx.Tx, space recsys.SpaceRecord, itemIDs []string, vectors [][]float32) error {
	var rows vectorRows
	var none []string
	for i, id := range itemIDs {
		stored, err := encodeVector(vectors[i], space.Dims)
		if err != nil {
			return fmt.Errorf("item %q: %w", id, err)
		}
		if stored == nil {
			none = append(none, id)
			continue
		}
		rows.add(id, space.ID, stored)
	}
	if len(none) > 0 {
		if _, err := tx.Exec(ctx, `DELETE FROM item_vector WHERE space_id = $1 AND item_id = ANY ($2)`, space.ID, none); err != nil {
			return err
		}
	}
	if len(rows.itemIDs) == 0 {
		return nil
	}
	_, err := tx.Exec(ctx, putVectors, rows.itemIDs, rows.spaces, rows.vectors)
	return err
}
