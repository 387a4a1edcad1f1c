package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

const runColumns = `run_id, kind, state, order_json, stage, done, total, outcome, error, create_time, start_time, end_time`

func scanRun(row pgx.CollectableRow) (r recsys.Run, err error) {
	var started, ended *time.Time
	err = row.Scan(&r.ID, &r.Kind, &r.State, &r.Order, &r.Stage, &r.Done, &r.Total, &r.Outcome, &r.Error, &r.CreateTime, &started, &ended)
	r.CreateTime, r.StartTime, r.EndTime = r.CreateTime.UTC(), utcOrZero(started), utcOrZero(ended)
	return r, err
}

// CreateRun queues a run; order is a JSON object. The same request again answers the run of the
// first, whatever has become of it; ErrConflict if the request id was used with another body.
func (s *Store) CreateRun(ctx context.Context, kind recsys.RunKind, order []byte, request recsys.RequestID) (run recsys.Run, err error) {
	var id, digest any
	if !request.IsZero() {
		id, digest = request.ID, request.Digest[:]
	}
	err = s.write(ctx, writing{"create a run", catalogLog, !request.IsZero()}, func(tx pgx.Tx, _ bool) error {
		rows, err := tx.Query(ctx, `INSERT INTO run (kind, order_json, state, request_id, digest) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (request_id) DO NOTHING RETURNING `+runColumns, kind, order, recsys.RunQueued, id, digest)
		if err != nil {
			return err
		}
		run, err = pgx.CollectExactlyOneRow(rows, scanRun)
		if errors.Is(err, pgx.ErrNoRows) {
			run, err = replayedRun(ctx, tx, request)
		}
		return err
	})
	return run, err
}

func replayedRun(ctx context.Context, tx pgx.Tx, request recsys.RequestID) (recsys.Run, error) {
	var before stored
	var digest []byte
	if err := tx.QueryRow(ctx, `SELECT digest FROM run WHERE request_id = $1`, request.ID).Scan(&digest); err != nil {
		return recsys.Run{}, err
	}
	before.digest = [32]byte(digest)
	if err := before.answers(request); err != nil {
		return recsys.Run{}, err
	}
	rows, err := tx.Query(ctx, `SELECT `+runColumns+` FROM run WHERE request_id = $1`, request.ID)
	if err != nil {
		return recsys.Run{}, err
	}
	return pgx.CollectExactlyOneRow(rows, scanRun)
}

// Run returns a run; ErrNotFound if there is none.
func (s *Store) Run(ctx context.Context, id recsys.RunID) (run recsys.Run, err error) {
	runs, err := s.runs(ctx, `WHERE run_id = $1`, id)
	if err != nil {
		return recsys.Run{}, err
	}
	if len(runs) == 0 {
		return recsys.Run{}, fmt.Errorf("%v: %w", id, recsys.ErrNotFound)
	}
	return runs[0], nil
}

// Runs returns at most limit runs before one, newest first; before 0: from the newest.
func (s *Store) Runs(ctx context.Context, before recsys.RunID, limit int) ([]recsys.Run, error) {
	return s.runs(ctx, `WHERE $1 = 0 OR run_id < $1 ORDER BY run_id DESC LIMIT $2`, before, limit)
}

// OpenRuns returns the runs that have not ended, oldest first.
func (s *Store) OpenRuns(ctx context.Context) ([]recsys.Run, error) {
	return s.runs(ctx, `WHERE end_time IS NULL ORDER BY run_id`)
}

func (s *Store) runs(ctx context.Context, where string, args ...any) (runs []recsys.Run, err error) {
	err = s.read(ctx, "read runs", func(conn *pgxpool.Conn) error {
		rows, err := conn.Query(ctx, `SELECT `+runColumns+` FROM run `+where, args...)
		if err != nil {
			return err
		}
		runs, err = pgx.CollectRows(rows, scanRun)
		return err
	})
	return runs, err
}

// ReportRun says how far an open run is and that it is being done. open is false if the run has
// ended, as when somebody cancelled it: whoever does it must stop.
func (s *Store) ReportRun(ctx context.Context, id recsys.RunID, stage string, done, total int64) (open bool, err error) {
	err = s.write(ctx, writing{"report a run", catalogLog, true}, func(tx pgx.Tx, _ bool) error {
		tag, err := tx.Exec(ctx, `UPDATE run SET state = $2, start_time = coalesce(start_time, clock_timestamp()), stage = $3, done = $4, total = $5
			WHERE run_id = $1 AND end_time IS NULL`, id, recsys.RunRunning, stage, done, total)
		open = tag.RowsAffected() > 0
		return err
	})
	return open, err
}

// EndRun ends an open run; one that has ended stays as it is. outcome is a JSON object, nil for none.
func (s *Store) EndRun(ctx context.Context, id recsys.RunID, state recsys.RunState, outcome []byte, fault string) error {
	if outcome == nil {
		outcome = []byte("{}")
	}
	return s.write(ctx, writing{"end a run", catalogLog, true}, func(tx pgx.Tx, _ bool) error {
		_, err := tx.Exec(ctx, `UPDATE run SET state = $2, outcome = $3, error = $4, end_time = clock_timestamp()
			WHERE run_id = $1 AND end_time IS NULL`, id, state, outcome, fault)
		return err
	})
}
