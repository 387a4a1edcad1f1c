package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// countResponse is the stored response to DeleteUser and MergeUsers. It names nobody.
type countResponse struct {
	Count int64 `json:"count"`
}

// DeleteUser removes all interactions of an actor, the stored responses to them and what the
// change log knows of the actor, and returns how many interactions there were. Followers are
// told to load everything, because a log entry that names the actor would be a trace. Only the
// digest of this very request remains, if it has an id.
//
// ErrConflict if the request id was used with another body.
func (s *Store) DeleteUser(ctx context.Context, actor recsys.Actor, request recsys.RequestID) (int64, error) {
	column := actorColumn(actor)
	return s.changeActors(ctx, "delete a user", request, func(tx pgx.Tx) (count, seq int64, err error) {
		var merges int64
		err = tx.QueryRow(ctx, `
			WITH gone AS (DELETE FROM interaction WHERE `+column+` = $1 RETURNING request_id),
				merge AS (DELETE FROM actor_change WHERE `+column+` = $1 RETURNING request_id),
				response AS (DELETE FROM request WHERE request_id IN (SELECT request_id FROM gone UNION ALL SELECT request_id FROM merge))
			SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM merge)`, actor.ID).Scan(&count, &merges)
		if err != nil || count+merges == 0 {
			return 0, 0, err
		}
		if seq, _, err = nextNumber(ctx, tx, interactionLog); err != nil {
			return 0, 0, err
		}
		return count, seq, reloadBelow(ctx, tx, seq)
	})
}

// reloadBelow makes followers of the interaction log that are below seq load everything.
func reloadBelow(ctx context.Context, tx pgx.Tx, seq int64) error {
	_, err := tx.Exec(ctx, `UPDATE change_counter SET reload_below = greatest(reload_below, $2) WHERE log = $1`, interactionLog, seq)
	return err
}

// MergeUsers gives a visitor's interactions to a user and returns how many. They keep their
// event times and change numbers: followers are told the two actors, not the interactions.
//
// ErrConflict if the request id was used with another body.
func (s *Store) MergeUsers(ctx context.Context, visitorID, userID string, request recsys.RequestID) (int64, error) {
	return s.changeActors(ctx, "merge users", request, func(tx pgx.Tx) (count, seq int64, err error) {
		tag, err := tx.Exec(ctx, `UPDATE interaction SET user_id = $2, visitor_id = NULL WHERE visitor_id = $1`, visitorID, userID)
		if err != nil || tag.RowsAffected() == 0 {
			return 0, 0, err
		}
		if seq, _, err = nextNumber(ctx, tx, interactionLog); err != nil {
			return 0, 0, err
		}
		_, err = tx.Exec(ctx, `INSERT INTO actor_change (seq, visitor_id, user_id, request_id) VALUES ($1, $2, $3, $4)`,
			seq, visitorID, userID, uuidOf(request))
		if err != nil {
			return 0, 0, err
		}
		return tag.RowsAffected(), seq, forgetMerges(ctx, tx)
	})
}

// forgetMerges keeps the log of merges short: followers more than a day behind load everything.
func forgetMerges(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, `
		WITH old AS (DELETE FROM actor_change WHERE seq IN (SELECT seq FROM actor_change ORDER BY seq LIMIT 100)
			AND create_time < now() - interval '1 day' RETURNING seq)
		UPDATE change_counter SET reload_below = greatest(reload_below, (SELECT max(seq) FROM old))
		WHERE log = $1 AND EXISTS (SELECT FROM old)`, interactionLog)
	return err
}

// changeActors carries out a change of actors once per request. Rows are changed before the
// change number is taken, which keeps it short; seq 0 says that nothing changed.
func (s *Store) changeActors(ctx context.Context, what string, request recsys.RequestID, change func(pgx.Tx) (count, seq int64, err error)) (count int64, err error) {
	err = s.write(ctx, writing{what, interactionLog, !request.IsZero()}, func(tx pgx.Tx, _ bool) error {
		before, replayed, err := findRequest(ctx, tx, request)
		if err != nil {
			return err
		}
		if replayed {
			var r countResponse
			if err := before.decode(&r); err != nil {
				return err
			}
			count = r.Count
			return errNothing
		}
		var seq int64
		if count, seq, err = change(tx); err != nil {
			return err
		}
		return putRequest(ctx, tx, request, seq, countResponse{count})
	})
	if err != nil {
		return 0, err
	}
	return count, nil
}

// mergedActors returns both sides of the merges after a change number.
func mergedActors(ctx context.Context, tx pgx.Tx, since int64) ([]recsys.Actor, error) {
	rows, err := tx.Query(ctx, `SELECT visitor_id, user_id FROM actor_change WHERE seq > $1 ORDER BY seq`, since)
	if err != nil {
		return nil, err
	}
	var actors []recsys.Actor
	var visitorID, userID string
	_, err = pgx.ForEachRow(rows, []any{&visitorID, &userID}, func() error {
		actors = append(actors, recsys.Visitor(visitorID), recsys.User(userID))
		return nil
	})
	return actors, err
}
