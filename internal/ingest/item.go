package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// The columns of an items file that are no attributes.
const (
	columnItemID    = "item_id"
	columnTitle     = "title"
	columnDescript  = "description"
	columnImage     = "image"
	columnAvailable = "available_time"
	columnExpire    = "expire_time"
	columnHidden    = "hidden"
)

// ItemSource is a table of items and the pictures it names.
type ItemSource struct {
	Table Source
	// Images is the folder that the image column's paths start in. No path leaves it, not by
	// links either. ImageFS is the same as a file system that keeps to itself, such as
	// embed.FS or (*os.Root).FS. At most one is set; none will do if no row names a picture.
	Images  string
	ImageFS fs.FS
	// WithoutImages leaves pictures out: the image column is not read.
	WithoutImages bool
	// Kinds overrides what an attribute column is taken for; columns that the file lacks and
	// kinds of 0 are passed over.
	Kinds map[string]recsys.AttributeKind
}

// Items loads a table of items with their pictures. The report is valid beside an error.
//
// Items get no request ids: a file that goes back to an earlier state must be written, not
// taken for a replay. Errors: ErrInvalid and ErrNotFound for the settings, the file and its
// header, with a FieldError that names the column; ErrUnavailable if the sink stayed away;
// ctx's error.
func Items(ctx context.Context, source ItemSource, sink Sink, cfg Config) (Report, error) {
	var report Report
	if err := cfg.Validate(); err != nil {
		return report, err
	}
	cfg = cfg.filled()
	pictures, err := openImages(source)
	if err != nil {
		return report, err
	}
	defer pictures.close()
	columns, err := surveyItems(ctx, source, &report)
	if err != nil {
		return report, err
	}
	t, err := openTable(source.Table)
	if err != nil {
		return report, err
	}
	defer t.close()
	if source.WithoutImages {
		columns.image = -1
	}
	items := &itemReader{table: t, columns: columns, pictures: pictures, cfg: cfg}
	send := func(ctx context.Context, writes []engine.Registration) []outcome {
		answers := sink.RegisterItems(ctx, writes)
		got := make([]outcome, len(answers))
		for i, a := range answers {
			got[i] = outcome{created: a.Created, err: a.Err}
		}
		return got
	}
	l := loader[engine.Registration]{name: source.Table.Name, cfg: cfg, next: items.next, send: send, tally: tallyItem}
	err = l.run(ctx, &report)
	return report, err
}

func tallyItem(report *Report, write engine.Registration, got outcome) {
	if got.created {
		report.Created++
	} else {
		report.Replaced++
	}
	if write.Image == nil {
		report.WithoutImage++
	}
}

type itemRow struct {
	row[engine.Registration]
	image string // the path of the picture to read; empty: none
}

// itemReader turns rows into registrations, a batch at a time.
type itemReader struct {
	table    *table
	columns  *itemColumns
	pictures *images
	cfg      Config
}

func (r *itemReader) next(ctx context.Context) ([]row[engine.Registration], error) {
	var batch []itemRow
	var err error
	for bytes := int64(0); len(batch) < r.cfg.ItemBatch && bytes < batchImageBytes; {
		var rec record
		var faults []Fault
		if rec, faults, err = r.table.next(ctx); err != nil {
			break
		}
		read := itemRow{row: row[engine.Registration]{line: rec.line, end: rec.end, faults: faults}}
		if faults == nil {
			bytes += r.fill(&read, rec)
		}
		batch = append(batch, read)
	}
	r.pictures.readAll(batch, r.cfg.Workers)
	rows := make([]row[engine.Registration], len(batch))
	for i := range batch {
		rows[i] = batch[i].row
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return rows, err
}

// fill parses a record into its row and returns the size of its picture.
func (r *itemReader) fill(into *itemRow, rec record) (size int64) {
	into.write.Item, into.faults = r.columns.parse(rec)
	image := strings.TrimSpace(cell(rec, r.columns.image))
	if image == "" {
		return 0
	}
	size, reason := r.pictures.size(image)
	if reason != "" {
		into.faults = append(into.faults, Fault{Line: rec.line, Column: columnImage, Reason: reason})
	}
	into.image = image
	return size
}

// cell is the value in a column; empty if there is no such column.
func cell(rec record, column int) string {
	if column < 0 {
		return ""
	}
	return rec.fields[column]
}

// parse checks a row and builds the item; with faults, the item is not to be used.
func (c *itemColumns) parse(rec record) (item recsys.Item, faults []Fault) {
	refuse := func(column, reason string) {
		if reason != "" {
			faults = append(faults, Fault{Line: rec.line, Column: column, Reason: reason})
		}
	}
	item.ItemID = cell(rec, c.id)
	refuse(columnItemID, checkName(item.ItemID, maxID))
	item.Title = cell(rec, c.title)
	refuse(columnTitle, checkText(item.Title, maxTitle))
	item.Description = cell(rec, c.description)
	refuse(columnDescript, checkText(item.Description, maxText))
	var reason string
	item.AvailableTime, reason = optionalTime(cell(rec, c.available))
	refuse(columnAvailable, reason)
	item.ExpireTime, reason = optionalTime(cell(rec, c.expire))
	refuse(columnExpire, reason)
	if !item.AvailableTime.IsZero() && !item.ExpireTime.IsZero() && !item.ExpireTime.After(item.AvailableTime) {
		refuse(columnExpire, "must lie after available_time")
	}
	item.Hidden, reason = parseBool(cell(rec, c.hidden))
	refuse(columnHidden, reason)
	item.Attributes = c.parseAttributes(rec, refuse)
	return item, faults
}

// parseAttributes returns a row's attributes; nil if it has none.
func (c *itemColumns) parseAttributes(rec record, refuse func(column, reason string)) map[string]recsys.Attribute {
	var all map[string]recsys.Attribute
	for _, a := range c.attributes {
		value, present, reason := parseAttribute(rec.fields[a.index], a.kind)
		refuse(a.name, reason)
		if !present || reason != "" {
			continue
		}
		if all == nil {
			all = make(map[string]recsys.Attribute, len(c.attributes))
		}
		all[a.name] = value
	}
	if n := len(all); n > maxAttributes {
		refuse("", fmt.Sprintf("has %d attributes, want at most %d", n, maxAttributes))
	}
	return all
}

func optionalTime(cell string) (at time.Time, reason string) {
	if strings.TrimSpace(cell) == "" {
		return time.Time{}, ""
	}
	return parseTime(cell)
}

// parseAttribute reads a value of the column's kind; present is false for an absent attribute.
func parseAttribute(cell string, kind recsys.AttributeKind) (value recsys.Attribute, present bool, reason string) {
	if strings.TrimSpace(cell) == "" {
		return recsys.Attribute{}, false, ""
	}
	switch kind {
	case recsys.KindNumber:
		number, ok := parseNumber(cell)
		if !ok {
			return recsys.Attribute{}, false, fmt.Sprintf("is %s, want a finite number", shown(cell))
		}
		return recsys.Number(number), true, ""
	case recsys.KindText:
		return recsys.Text(cell), true, checkText(cell, maxText)
	}
	labels, reason := splitLabels(cell)
	return recsys.Labels(labels...), labels != nil, reason
}
