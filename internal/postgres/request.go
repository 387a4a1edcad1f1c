package postgres

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// requestKey is the constraint two transactions with one request id meet at. The later one is
// rolled back, starts over and finds the response of the first.
const requestKey = "request_pkey"

// stored is a request that was carried out.
type stored struct {
	digest   [32]byte
	seq      int64
	response []byte // JSON
}

// answers reports whether the stored response belongs to the same body; ErrConflict if not.
func (s stored) answers(request recsys.RequestID) error {
	if s.digest != request.Digest {
		return &recsys.FieldError{Field: "request_id", Reason: "was used with another request", Err: recsys.ErrConflict}
	}
	return nil
}

// decode reads the response into v.
func (s stored) decode(v any) error {
	if err := json.Unmarshal(s.response, v); err != nil {
		return fmt.Errorf("stored response: %w: %w", recsys.ErrCorrupt, err)
	}
	return nil
}

// querier is a transaction or a connection.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// findRequests returns those of the requests that were carried out before.
func findRequests(ctx context.Context, q querier, ids [][16]byte) (map[[16]byte]stored, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	rows, err := q.Query(ctx, `SELECT request_id, digest, seq, response FROM request WHERE request_id = ANY ($1)`, ids)
	if err != nil {
		return nil, err
	}
	found := make(map[[16]byte]stored)
	var id [16]byte
	var digest []byte
	var s stored
	_, err = pgx.ForEachRow(rows, []any{&id, &digest, &s.seq, &s.response}, func() error {
		s.digest = [32]byte(digest)
		found[id] = s
		s.response = nil // owned by the map now
		return nil
	})
	return found, err
}

// findRequest looks for one request; ok is false if it is unnamed or new. ErrConflict if it was
// used with another body.
func findRequest(ctx context.Context, q querier, request recsys.RequestID) (s stored, ok bool, err error) {
	if request.IsZero() {
		return stored{}, false, nil
	}
	found, err := findRequests(ctx, q, [][16]byte{request.ID})
	if err != nil {
		return stored{}, false, err
	}
	if s, ok = found[request.ID]; ok {
		err = s.answers(request)
	}
	return s, ok, err
}

// putRequest stores the response to a request, if it has a name.
func putRequest(ctx context.Context, tx pgx.Tx, request recsys.RequestID, seq int64, response any) error {
	if request.IsZero() {
		return nil
	}
	b, err := json.Marshal(response)
	if err != nil {
		return fmt.Errorf("response: %w", err)
	}
	_, err = tx.Exec(ctx, `INSERT INTO request (request_id, digest, seq, response) VALUES ($1, $2, $3, $4)`,
		request.ID, request.Digest[:], seq, b)
	return err
}

// uuidOf gives the column value of a request: null if it is unnamed.
func uuidOf(request recsys.RequestID) pgtype.UUID {
	return pgtype.UUID{Bytes: request.ID, Valid: !request.IsZero()}
}
