package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// interactionColumns are what interactionScan reads, in its order, of interaction under the name n.
const interactionColumns = `coalesce(n.user_id, n.visitor_id), n.visitor_id IS NOT NULL, n.item_id, n.type, n.value,
	n.event_time, n.recommendation_id`

// interactionScan receives one row of interactionColumns.
type interactionScan struct{ recsys.Interaction }

func (s *interactionScan) into() []any {
	return []any{&s.Actor.ID, &s.Actor.Visitor, &s.ItemID, &s.Type, &s.Value, &s.EventTime, &s.RecommendationID}
}

func (s *interactionScan) interaction() recsys.Interaction {
	in := s.Interaction
	in.EventTime = in.EventTime.UTC()
	return in
}

func collectInteractions(rows pgx.Rows) ([]recsys.Interaction, error) {
	var list []recsys.Interaction
	var scan interactionScan
	_, err := pgx.ForEachRow(rows, scan.into(), func() error {
		list = append(list, scan.interaction())
		return nil
	})
	return list, err
}

// actorColumn names the column that holds an actor's id.
func actorColumn(actor recsys.Actor) string {
	if actor.Visitor {
		return "visitor_id"
	}
	return "user_id"
}

// History returns an actor's newest interactions first by event time, at most limit; of equal
// times the later stored comes first.
func (s *Store) History(ctx context.Context, actor recsys.Actor, limit int) (list []recsys.Interaction, err error) {
	query := `SELECT ` + interactionColumns + ` FROM interaction n WHERE n.` + actorColumn(actor) + ` = $1
		ORDER BY n.event_time DESC, n.interaction_id DESC LIMIT $2`
	err = s.read(ctx, "read a history", func(conn *pgxpool.Conn) error {
		rows, err := conn.Query(ctx, query, actor.ID, limit)
		if err != nil {
			return err
		}
		list, err = collectInteractions(rows)
		return err
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// Interactions calls each for every interaction (both lists of the filter nil), for those with
// the items, or for those of the actors, oldest first by event time, and returns the change
// number up to which they are complete. Rows are streamed from one snapshot; an error of each
// ends the read and is returned as it is.
func (s *Store) Interactions(ctx context.Context, of engine.InteractionFilter, each func(recsys.Interaction) error) (seq int64, err error) {
	where, args := filtered(of)
	err = s.snapshot(ctx, "read interactions", func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, `SELECT seq FROM change_counter WHERE log = $1`, interactionLog).Scan(&seq); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `SELECT `+interactionColumns+` FROM interaction n`+where+` ORDER BY n.event_time, n.interaction_id`, args...)
		if err != nil {
			return err
		}
		var scan interactionScan
		return handOut(rows, scan.into(), func() error { return each(scan.interaction()) })
	})
	if err != nil {
		return 0, err
	}
	return seq, nil
}

func filtered(of engine.InteractionFilter) (where string, args []any) {
	switch {
	case of.ItemIDs != nil:
		return ` WHERE n.item_id = ANY ($1)`, []any{of.ItemIDs}
	case of.Actors != nil:
		users, visitors := []string{}, []string{}
		for _, actor := range of.Actors {
			if actor.Visitor {
				visitors = append(visitors, actor.ID)
			} else {
				users = append(users, actor.ID)
			}
		}
		return ` WHERE n.user_id = ANY ($1) OR n.visitor_id = ANY ($2)`, []any{users, visitors}
	}
	return "", nil
}

// ItemIDsSince returns the items that have interactions after an interaction change number,
// ascending, each once.
func (s *Store) ItemIDsSince(ctx context.Context, seq int64) (ids []string, err error) {
	err = s.snapshot(ctx, "list items with new interactions", func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `SELECT DISTINCT item_id FROM interaction WHERE seq > $1 ORDER BY item_id`, seq)
		if err != nil {
			return err
		}
		ids, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	if err != nil {
		return nil, err
	}
	return ids, nil
}

// ListInteractions returns at most q.Limit interactions, newest first. ErrInvalid if neither
// Actor nor ItemID is set.
func (s *Store) ListInteractions(ctx context.Context, q engine.InteractionQuery) (list []engine.ListedInteraction, err error) {
	if q.Actor.IsZero() && q.ItemID == "" {
		return nil, recsys.Invalid("item_id", "is wanted where no user_id or visitor_id is given")
	}
	query, args := listSQL(q)
	err = s.read(ctx, "list interactions", func(conn *pgxpool.Conn) error {
		rows, err := conn.Query(ctx, query, args...)
		if err != nil {
			return err
		}
		list = nil
		var scan interactionScan
		var id int64
		_, err = pgx.ForEachRow(rows, append(scan.into(), &id), func() error {
			list = append(list, engine.ListedInteraction{Interaction: scan.interaction(), ID: id})
			return nil
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

func listSQL(q engine.InteractionQuery) (query string, args []any) {
	query = `SELECT ` + interactionColumns + `, n.interaction_id FROM interaction n WHERE true`
	if !q.Actor.IsZero() {
		args = append(args, q.Actor.ID)
		query += ` AND n.` + actorColumn(q.Actor) + ` = ` + place(args)
	}
	if q.ItemID != "" {
		args = append(args, q.ItemID)
		query += ` AND n.item_id = ` + place(args)
	}
	if q.After.ID != 0 {
		args = append(args, q.After.EventTime)
		query += ` AND (n.event_time, n.interaction_id) < (` + place(args)
		args = append(args, q.After.ID)
		query += `, ` + place(args) + `)`
	}
	args = append(args, q.Limit)
	return query + ` ORDER BY n.event_time DESC, n.interaction_id DESC LIMIT ` + place(args), args
}

// place names the last of the arguments.
func place(args []any) string { return "$" + string(rune('0'+len(args))) }
