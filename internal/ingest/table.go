package ingest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// table is an opened file behind its header.
type table struct {
	name   string
	file   io.ReadCloser
	rows   *reader
	header []string
}

// openTable opens a source and reads its header. Errors name the file and the column.
func openTable(source Source) (*table, error) {
	file, err := source.Open()
	if err != nil {
		return nil, err
	}
	t := &table{name: source.Name, file: file}
	if err := t.readHeader(); err != nil {
		file.Close()
		return nil, fmt.Errorf("%s: %w", source.Name, err)
	}
	return t, nil
}

func (t *table) close() { t.file.Close() } // read only: nothing can be lost

func (t *table) readHeader() error {
	in := bufio.NewReader(t.file)
	start, err := in.Peek(3)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read: %w: %w", recsys.ErrInvalid, cause(err))
	}
	switch {
	case bytes.HasPrefix(start, []byte("\xef\xbb\xbf")):
		in.Discard(3) // peeked above, so it cannot fail
	case bytes.HasPrefix(start, []byte("\xff\xfe")), bytes.HasPrefix(start, []byte("\xfe\xff")):
		return recsys.Invalid("header", "is UTF-16, want UTF-8")
	}
	t.rows = newReader(in)
	rec, err := t.rows.next()
	switch {
	case errors.Is(err, io.EOF):
		return recsys.Invalid("header", "is missing: the file is empty")
	case err != nil:
		return fmt.Errorf("read: %w: %w", recsys.ErrInvalid, cause(err))
	case rec.problem != "":
		return recsys.Invalid("header", "%s", rec.problem)
	}
	t.header = rec.fields
	return checkHeader(t.header)
}

func checkHeader(header []string) error {
	for i, name := range header {
		name = strings.TrimSpace(name)
		header[i] = name
		if reason := checkName(name, maxAttributeName); reason != "" {
			return recsys.Invalid("header", "the name of column %d %s", i+1, reason)
		}
		if first := slices.Index(header[:i], name); first >= 0 {
			return recsys.Invalid(name, "names two columns, %d and %d", first+1, i+1)
		}
	}
	if len(header) == 1 && strings.ContainsAny(header[0], ";\t") {
		return recsys.Invalid("header", "is one column, %s: want columns separated by commas", shown(header[0]))
	}
	return nil
}

// column finds a column; -1 if there is none.
func (t *table) column(name string) int { return slices.Index(t.header, name) }

// missing is the error for a required column.
func (t *table) missing(name, wanted string) error {
	found := strings.Join(t.header, ", ")
	return fmt.Errorf("%s: %w", t.name, recsys.Invalid(name, "the column is missing: want %s; the header has %s", wanted, found))
}

// next reads a row of as many fields as the header has, or says in faults why it is none; io.EOF at the end.
func (t *table) next(ctx context.Context) (rec record, faults []Fault, err error) {
	if err := ctx.Err(); err != nil {
		return record{}, nil, err
	}
	rec, err = t.rows.next()
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("read: %w: %w", recsys.ErrInvalid, cause(err))
	}
	if err != nil {
		return record{}, nil, err
	}
	if rec.problem != "" {
		column := ""
		if at := len(rec.fields); at < len(t.header) {
			column = t.header[at]
		}
		return rec, []Fault{{Line: rec.line, Column: column, Reason: rec.problem}}, nil
	}
	if len(rec.fields) != len(t.header) {
		reason := fmt.Sprintf("has %d fields, the header has %d", len(rec.fields), len(t.header))
		return rec, []Fault{{Line: rec.line, Reason: reason}}, nil
	}
	return rec, nil, nil
}

// scan calls each for the sound rows of a file and counts all.
func scan(ctx context.Context, t *table, each func(rec record)) (rows int64, err error) {
	for {
		rec, faults, err := t.next(ctx)
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return rows, fmt.Errorf("%s: %w", t.name, err)
		}
		rows++
		if faults == nil {
			each(rec)
		}
	}
}
