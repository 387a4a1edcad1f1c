package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// interactionDraft is one write on its way.
type interactionDraft struct {
	write   *engine.InteractionWrite
	result  *engine.InteractionResult
	call    *call
	first   *interactionDraft // the earlier write of the batch with the same request id
	settled bool
}

// store settles a draft that was written under a change number.
func (d *interactionDraft) store(seq int64) {
	in := d.write.Interaction
	in.EventTime = storedTime(in.EventTime)
	*d.result, d.settled = engine.InteractionResult{Interaction: in, Seq: seq}, true
}

// replay settles a draft by the stored response of its request. The body is the same, so only
// what the first answer added to it is stored.
func (d *interactionDraft) replay(s stored) {
	if err := s.answers(d.write.Request); err != nil {
		d.fail(err)
		return
	}
	var r interactionResponse
	if err := s.decode(&r); err != nil {
		d.fail(err)
		return
	}
	d.store(s.seq)
	d.result.Interaction.EventTime, d.result.Replayed = time.UnixMicro(r.EventMicros).UTC(), true
}

func (d *interactionDraft) fail(err error) {
	*d.result, d.settled = engine.InteractionResult{Err: err}, true
}

// giveUp settles a draft that nobody knows the outcome of, or that was never tried.
func (d *interactionDraft) giveUp(err error) {
	if errors.Is(err, context.DeadlineExceeded) { // the batch's own, not a caller's
		err = fmt.Errorf("%w: %v", recsys.ErrUnavailable, err)
	}
	d.fail(err)
	d.call.givenUp++
	d.call.err = err
}

// interactionResponse is the stored response to an interaction. It names nobody: a retry
// brings the actor along, and an actor who is deleted must be in no response.
type interactionResponse struct {
	EventMicros int64 `json:"event_micros"` // event_time since 1970
}

// appendInteractions settles every draft: it is stored, answered from a stored response, or
// given an error.
func (s *Store) appendInteractions(ctx context.Context, drafts []*interactionDraft) {
	const what = "put interactions"
	open := linkRepeats(drafts)
	// Once, as a rule. Rows stay open when their request was found taken and its response gone a
	// moment later, with the user it belonged to.
	for len(open) > 0 {
		err := s.again(ctx, what, func() error {
			err := s.flush(ctx, open)
			open = unsettled(open)
			return err
		})
		if isData(err) {
			err = s.appendApart(ctx, open)
			open = unsettled(open)
		}
		if err != nil {
			for _, d := range open {
				d.giveUp(err)
			}
			break
		}
	}
	for _, d := range drafts {
		d.repeatFirst()
	}
}

// linkRepeats returns the drafts to write: all but those that repeat a request id of the batch.
func linkRepeats(drafts []*interactionDraft) []*interactionDraft {
	first := make(map[[16]byte]*interactionDraft)
	var open []*interactionDraft
	for _, d := range drafts {
		if !d.write.Request.IsZero() {
			if earlier, ok := first[d.write.Request.ID]; ok {
				d.first = earlier
				continue
			}
			first[d.write.Request.ID] = d
		}
		open = append(open, d)
	}
	return open
}

func (d *interactionDraft) repeatFirst() {
	switch first := d.first; {
	case first == nil:
	case first.write.Request.Digest != d.write.Request.Digest:
		d.fail(stored{}.answers(d.write.Request))
	case errors.Is(first.result.Err, recsys.ErrUnavailable):
		d.giveUp(first.result.Err)
	default:
		*d.result, d.settled = *first.result, true
		d.result.Replayed = d.result.Err == nil
	}
}

func unsettled(drafts []*interactionDraft) []*interactionDraft {
	var open []*interactionDraft
	for _, d := range drafts {
		if !d.settled {
			open = append(open, d)
		}
	}
	return open
}

// appendSQL is one statement for a whole batch: it takes the change number (or is given it),
// claims the request ids that are new, and appends the rows without a request id and those
// whose id it has claimed. A claim of an id that another transaction has just taken waits for
// that transaction. Being alone in its transaction it needs one round trip and holds the
// counter row for little more than its commit. A batch of nothing but repetitions takes a
// number for nothing; looking first would cost every batch a round trip.
func appendSQL(counter string) string {
	return `
	WITH c AS (` + counter + `),
	u AS MATERIALIZED (
		SELECT * FROM unnest($1::text[], $2::boolean[], $3::text[], $4::smallint[], $5::float8[], $6::timestamptz[],
			$7::text[], $8::uuid[], $9::bytea[], $10::text[]) WITH ORDINALITY
			AS u (actor_id, visitor, item_id, type, value, event_time, recommendation_id, request_id, digest, response, place)),
	claimed AS (
		INSERT INTO request (request_id, digest, seq, response)
		SELECT u.request_id, u.digest, c.seq, u.response::jsonb FROM u, c WHERE u.request_id IS NOT NULL ORDER BY u.request_id
		ON CONFLICT (request_id) DO NOTHING RETURNING request_id),
	added AS (
		INSERT INTO interaction (user_id, visitor_id, item_id, type, value, event_time, recommendation_id, request_id, seq)
		SELECT CASE WHEN NOT u.visitor THEN u.actor_id END, CASE WHEN u.visitor THEN u.actor_id END,
			u.item_id, u.type, u.value, u.event_time, u.recommendation_id, u.request_id, c.seq
		FROM u, c WHERE u.request_id IS NULL OR u.request_id IN (SELECT request_id FROM claimed) ORDER BY u.place)
	SELECT c.seq, ARRAY(SELECT request_id FROM claimed) FROM c`
}

// interactionRows are interactions to append, as parallel arrays.
type interactionRows struct {
	actors, items, recommendations, responses []string
	visitors                                  []bool
	types                                     []int16
	values                                    []float64
	times                                     []time.Time
	requests                                  []pgtype.UUID
	digests                                   [][]byte
}

func rowsOf(drafts []*interactionDraft) *interactionRows {
	r := new(interactionRows)
	for _, d := range drafts {
		in, request := &d.write.Interaction, &d.write.Request
		r.actors, r.visitors = append(r.actors, in.Actor.ID), append(r.visitors, in.Actor.Visitor)
		r.items, r.types = append(r.items, in.ItemID), append(r.types, int16(in.Type))
		r.values, r.times = append(r.values, in.Value), append(r.times, in.EventTime)
		r.recommendations = append(r.recommendations, in.RecommendationID)
		r.requests = append(r.requests, uuidOf(*request))
		if request.IsZero() {
			r.digests, r.responses = append(r.digests, nil), append(r.responses, "")
			continue
		}
		response := `{"event_micros": ` + strconv.FormatInt(in.EventTime.UnixMicro(), 10) + `}`
		r.digests, r.responses = append(r.digests, request.Digest[:]), append(r.responses, response)
	}
	return r
}

func (r *interactionRows) args() []any {
	return []any{r.actors, r.visitors, r.items, r.types, r.values, r.times, r.recommendations, r.requests, r.digests, r.responses}
}

const nextInteractionNumber = `UPDATE change_counter SET seq = seq + 1 WHERE log = 'interaction' RETURNING seq`

// flush appends the drafts in one transaction and answers those whose request was carried out
// before. If the connection breaks meanwhile, the drafts without a request id are given up: the
// others can be repeated.
func (s *Store) flush(ctx context.Context, drafts []*interactionDraft) error {
	if len(drafts) == 0 {
		return nil
	}
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	var seq int64
	var claimed [][16]byte
	err = conn.QueryRow(ctx, appendSQL(nextInteractionNumber), rowsOf(drafts).args()...).Scan(&seq, &claimed)
	if err != nil {
		// Not even pgconn.SafeToRetry proves that nothing was carried out: an answer that breaks
		// off can come out as "conn closed", which claims it.
		if isLost(err) || ctx.Err() != nil {
			giveUpUnnamed(drafts, fault(ctx, "put interactions", err))
		}
		return err
	}
	s.bell.ring()
	settle(drafts, seq, claimed)
	return replayOpen(ctx, conn, drafts)
}

func giveUpUnnamed(drafts []*interactionDraft, err error) {
	for _, d := range drafts {
		if d.write.Request.IsZero() {
			d.giveUp(err)
		}
	}
}

// settle answers the drafts that were written.
func settle(drafts []*interactionDraft, seq int64, claimed [][16]byte) {
	mine := make(map[[16]byte]bool, len(claimed))
	for _, id := range claimed {
		mine[id] = true
	}
	for _, d := range drafts {
		if d.write.Request.IsZero() || mine[d.write.Request.ID] {
			d.store(seq)
		}
	}
}

// replayOpen answers the drafts whose request was carried out before.
func replayOpen(ctx context.Context, q querier, drafts []*interactionDraft) error {
	var ids [][16]byte
	open := unsettled(drafts)
	for _, d := range open {
		ids = append(ids, d.write.Request.ID)
	}
	found, err := findRequests(ctx, q, ids)
	if err != nil {
		return err
	}
	for _, d := range open {
		if s, ok := found[d.write.Request.ID]; ok {
			d.replay(s)
		}
	}
	return nil
}

// appendApart appends drafts of which the database refuses some: it halves them until the
// faulty ones stand alone. All of it is one transaction with one change number, which is
// taken first here; that is slow and rare, since faults are caught at the door.
func (s *Store) appendApart(ctx context.Context, drafts []*interactionDraft) error {
	var apart apartAppend
	err := s.write(ctx, writing{"put interactions", interactionLog, false}, func(tx pgx.Tx, _ bool) (err error) {
		apart = apartAppend{faults: make(map[*interactionDraft]error)}
		if apart.seq, _, err = nextNumber(ctx, tx, interactionLog); err != nil {
			return err
		}
		if err := apart.add(ctx, tx, drafts); err != nil {
			return err
		}
		if len(apart.faults) == len(drafts) {
			return errNothing
		}
		return nil
	})
	if err != nil {
		return err
	}
	for d, cause := range apart.faults {
		d.fail(fault(ctx, "put an interaction", cause))
	}
	settle(unsettled(drafts), apart.seq, apart.claimed)
	return nil
}

type apartAppend struct {
	seq     int64
	claimed [][16]byte
	faults  map[*interactionDraft]error
}

func (a *apartAppend) add(ctx context.Context, tx pgx.Tx, drafts []*interactionDraft) error {
	attempt, err := tx.Begin(ctx) // a savepoint
	if err != nil {
		return err
	}
	var claimed [][16]byte
	err = attempt.QueryRow(ctx, appendSQL(`SELECT $11::bigint AS seq`), append(rowsOf(drafts).args(), a.seq)...).Scan(&a.seq, &claimed)
	if err == nil {
		a.claimed = append(a.claimed, claimed...)
		return attempt.Commit(ctx)
	}
	if undone := attempt.Rollback(ctx); undone != nil || !isData(err) {
		return errors.Join(err, undone)
	}
	if len(drafts) == 1 {
		a.faults[drafts[0]] = err
		return nil
	}
	half := len(drafts) / 2
	if err := a.add(ctx, tx, drafts[:half]); err != nil {
		return err
	}
	return a.add(ctx, tx, drafts[half:])
}
