package ingest

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// The columns of an interactions file.
const (
	columnUser      = "user"
	columnVisitor   = "visitor"
	columnItem      = "item"
	columnType      = "type"
	columnValue     = "value"
	columnTimestamp = "timestamp"
)

// Interactions loads a table of interactions. The report is valid beside an error; errors are those of Items.
func Interactions(ctx context.Context, source Source, sink Sink, cfg Config) (Report, error) {
	var report Report
	if err := cfg.Validate(); err != nil {
		return report, err
	}
	cfg = cfg.filled()
	if err := surveyInteractions(ctx, source, &report); err != nil {
		return report, err
	}
	t, err := openTable(source)
	if err != nil {
		return report, err
	}
	defer t.close()
	columns, err := findInteractionColumns(t)
	if err != nil {
		return report, err
	}
	interactions := &interactionReader{table: t, columns: columns, cfg: cfg, space: requestSpace()}
	send := func(ctx context.Context, writes []engine.InteractionWrite) []outcome {
		answers := sink.RecordInteractions(ctx, writes)
		got := make([]outcome, len(answers))
		for i, a := range answers {
			got[i] = outcome{replayed: a.Replayed, err: a.Err}
		}
		return got
	}
	l := loader[engine.InteractionWrite]{name: source.Name, cfg: cfg, next: interactions.next, send: send, tally: tallyInteraction}
	err = l.run(ctx, &report)
	return report, err
}

func tallyInteraction(report *Report, _ engine.InteractionWrite, got outcome) {
	if got.replayed {
		report.Replayed++
	}
}

// surveyInteractions counts the rows and describes the columns.
func surveyInteractions(ctx context.Context, source Source, report *Report) error {
	t, err := openTable(source)
	if err != nil {
		return err
	}
	defer t.close()
	columns, err := findInteractionColumns(t)
	if err != nil {
		return err
	}
	report.Columns = columns.described
	report.Rows, err = scan(ctx, t, func(record) {})
	return err
}

// interactionColumns says where in a row what stands; -1 marks a column that the file lacks.
type interactionColumns struct {
	user, visitor, item, kind, value, timestamp int
	described                                   []Column
}

func findInteractionColumns(t *table) (interactionColumns, error) {
	c := interactionColumns{
		user: t.column(columnUser), visitor: t.column(columnVisitor), item: t.column(columnItem),
		kind: t.column(columnType), value: t.column(columnValue), timestamp: t.column(columnTimestamp),
	}
	stranger := ""
	for _, name := range t.header {
		described := Column{Name: name, Kind: "known"}
		switch name {
		case columnUser, columnVisitor, columnItem, columnType, columnValue, columnTimestamp:
		default:
			stranger, described.Kind = name, "ignored"
		}
		c.described = append(c.described, described)
	}
	switch {
	case c.item < 0:
		return c, t.missing(columnItem, "the item's id")
	case c.user < 0 && c.visitor < 0:
		return c, t.missing(columnUser, "the user's id (or a column visitor)")
	case c.timestamp < 0:
		return c, t.missing(columnTimestamp, "Unix seconds or RFC 3339")
	case c.value < 0 && c.kind < 0 && stranger != "":
		// Without this, a column "rating" would quietly make every rating a view.
		return c, t.missing(columnValue, fmt.Sprintf("value or type beside the unknown column %s, or neither of the three for views alone", shown(stranger)))
	}
	return c, nil
}

// interactionReader turns rows into interactions, a batch at a time.
type interactionReader struct {
	table   *table
	columns interactionColumns
	cfg     Config
	space   uuid.UUID
}

func (r *interactionReader) next(ctx context.Context) ([]row[engine.InteractionWrite], error) {
	batch := make([]row[engine.InteractionWrite], 0, r.cfg.InteractionBatch)
	latest := r.cfg.Now().Add(maxAhead)
	for len(batch) < r.cfg.InteractionBatch {
		rec, faults, err := r.table.next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return batch, err
		}
		read := row[engine.InteractionWrite]{line: rec.line, end: rec.end, faults: faults}
		if faults == nil {
			read.write.Interaction, read.faults = r.columns.parse(rec, latest)
			read.write.Request = requestID(r.space, read.write.Interaction)
		}
		batch = append(batch, read)
	}
	return batch, nil
}

// parse checks a row and builds the interaction; with faults, it is not to be used.
func (c *interactionColumns) parse(rec record, latest time.Time) (in recsys.Interaction, faults []Fault) {
	refuse := func(column, reason string) {
		if reason != "" {
			faults = append(faults, Fault{Line: rec.line, Column: column, Reason: reason})
		}
	}
	var column, reason string
	in.Actor, column, reason = c.actor(rec)
	refuse(column, reason)
	in.ItemID = cell(rec, c.item)
	refuse(columnItem, checkName(in.ItemID, maxID))
	in.Type, in.Value, column, reason = c.what(rec)
	refuse(column, reason)
	in.EventTime, reason = parseTime(cell(rec, c.timestamp))
	if reason == "" && (in.EventTime.Before(time.Unix(0, 0)) || in.EventTime.After(latest)) {
		reason = fmt.Sprintf("is %s, want a time between 1970 and five minutes from now (Unix seconds, not milliseconds)",
			in.EventTime.Format(time.RFC3339))
	}
	refuse(columnTimestamp, reason)
	return in, faults
}

func (c *interactionColumns) actor(rec record) (actor recsys.Actor, column, reason string) {
	user, visitor := cell(rec, c.user), cell(rec, c.visitor)
	switch {
	case user != "" && visitor != "":
		return actor, columnVisitor, "is set beside user, want one of the two"
	case visitor != "":
		return recsys.Visitor(visitor), columnVisitor, checkName(visitor, maxID)
	case user == "" && c.user < 0:
		return actor, columnVisitor, checkName(visitor, maxID)
	case user == "" && c.visitor >= 0:
		return actor, columnUser, "is empty and so is visitor, want one of the two"
	}
	return recsys.User(user), columnUser, checkName(user, maxID)
}

// what reads type and value, which depend on each other.
func (c *interactionColumns) what(rec record) (kind recsys.InteractionType, value float64, column, reason string) {
	spelled := strings.TrimSpace(cell(rec, c.value))
	kind, reason = parseType(cell(rec, c.kind), spelled != "")
	if reason != "" {
		return kind, 0, columnType, reason
	}
	if spelled == "" {
		if kind == recsys.Rating {
			reason = fmt.Sprintf("is empty, want a rating from 0 to %d", maxRating)
		}
		return kind, 0, columnValue, reason
	}
	value, ok := parseNumber(spelled)
	switch {
	case !ok:
		return kind, 0, columnValue, fmt.Sprintf("is %s, want a number", shown(spelled))
	case kind != recsys.Rating && value != 0:
		return kind, 0, columnValue, fmt.Sprintf("is %v for %v, want none: a value belongs to RATING", value, kind)
	case value < 0 || value > maxRating:
		return kind, 0, columnValue, fmt.Sprintf("is %v, want 0 to %d", value, maxRating)
	}
	return kind, value + 0, "", "" // +0 makes one number of 0 and -0
}

// parseType reads a type as recsys or the proto spells it, in any case; rated says that the row has a value.
func parseType(cell string, rated bool) (kind recsys.InteractionType, reason string) {
	name := strings.TrimPrefix(strings.ToUpper(strings.TrimSpace(cell)), "INTERACTION_TYPE_")
	switch {
	case name != "":
	case rated:
		return recsys.Rating, ""
	default:
		return recsys.View, ""
	}
	kind, err := recsys.ParseInteractionType(name)
	if err != nil {
		return 0, fmt.Sprintf("is %s, want VIEW, LIKE, ADD_TO_CART, PURCHASE, RATING, DISLIKE or HIDE", shown(cell))
	}
	return kind, ""
}

// requestSpace is the UUID that the ids of imported interactions are derived from. Stored ids
// depend on it: it never changes.
func requestSpace() uuid.UUID {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("https://github.com/seed-473295a7/vitrine/internal/ingest#interaction-1"))
}

// requestID names an interaction by its content (UUID version 5, RFC 9562), so that one that
// was stored before is not stored again, whichever file or line it comes from.
func requestID(space uuid.UUID, in recsys.Interaction) recsys.RequestID {
	canonical := make([]byte, 0, 64)
	actor := byte('u')
	if in.Actor.Visitor {
		actor = 'v'
	}
	canonical = append(canonical, actor)
	for _, id := range []string{in.Actor.ID, in.ItemID} { // with their lengths: no two pairs spell alike
		canonical = binary.LittleEndian.AppendUint32(canonical, uint32(len(id)))
		canonical = append(canonical, id...)
	}
	canonical = binary.LittleEndian.AppendUint16(canonical, uint16(in.Type))
	canonical = binary.LittleEndian.AppendUint64(canonical, math.Float64bits(in.Value))
	canonical = binary.LittleEndian.AppendUint64(canonical, uint64(in.EventTime.UnixMicro()))
	return recsys.RequestID{ID: uuid.NewSHA1(space, canonical), Digest: sha256.Sum256(canonical)}
}
