package ingest

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
)

// maxRecord bounds the bytes of one row and so how far a quote that is never closed is followed.
const maxRecord = 4 << 20

// record is one row as the file spells it. With problem set, fields holds those before it.
type record struct {
	line, end int // the lines it begins and ends on, from 1
	fields    []string
	problem   string
}

// reader cuts a file into records by RFC 4180, like encoding/csv, with two differences: it
// knows where in the file it is whatever quoted fields contain, and after a row with broken
// quotes it goes on with the next line, so that one stray quote costs one row and not the rest
// of the file. Not safe for concurrent use.
type reader struct {
	in    *bufio.Reader
	ahead []line // read in search of a closing quote and given back
	at    int    // number of the line read last
}

type line struct {
	text string // without its end
	long bool   // longer than maxRecord; text is empty
}

func newReader(r io.Reader) *reader { return &reader{in: bufio.NewReaderSize(r, 64<<10)} }

// next returns the next row, passing over blank lines; io.EOF at the end, else what the file answered.
func (r *reader) next() (record, error) {
	for {
		first, err := r.readLine()
		if err != nil {
			return record{}, err
		}
		if first.text != "" || first.long {
			return r.follow(first)
		}
	}
}

// follow completes the row that begins with first.
func (r *reader) follow(first line) (record, error) {
	rec := record{line: r.at, end: r.at}
	if first.long {
		rec.problem = "is longer than 4 MiB"
		return rec, nil
	}
	var split splitter
	open, problem := split.feed(first.text)
	var taken []line
	for size := len(first.text); open; {
		more, err := r.readLine()
		if errors.Is(err, io.EOF) {
			problem = "a quoted field is not closed before the end of the file"
			break
		}
		if err != nil {
			return record{}, err
		}
		taken = append(taken, more)
		if size += len(more.text) + 1; more.long || size > maxRecord {
			problem = "a quoted field is not closed within 4 MiB"
			break
		}
		open, problem = split.feed(more.text)
	}
	rec.fields, rec.problem = split.fields, problem
	if problem != "" {
		r.ahead = append(taken, r.ahead...)
		r.at -= len(taken)
		return rec, nil
	}
	rec.end = r.at
	return rec, nil
}

func (r *reader) readLine() (line, error) {
	if len(r.ahead) > 0 {
		next := r.ahead[0]
		r.ahead = r.ahead[1:]
		r.at++
		return next, nil
	}
	var text []byte
	long := false
	for {
		part, err := r.in.ReadSlice('\n')
		if long = long || len(text)+len(part) > maxRecord; long {
			text = nil
		} else {
			text = append(text, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && (len(text) > 0 || long), err == nil:
			r.at++
			text = bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r"))
			return line{text: string(text), long: long}, nil
		default:
			return line{}, err
		}
	}
}

// splitter cuts the lines of one row into fields.
type splitter struct {
	fields []string
	quoted bool // inside quotes; field is what they hold so far
	field  []byte
}

// feed takes the next line; open says that a quoted field goes on after it.
func (s *splitter) feed(text string) (open bool, problem string) {
	for {
		if !s.quoted && !strings.HasPrefix(text, `"`) {
			field, rest, more := strings.Cut(text, ",")
			if strings.Contains(field, `"`) {
				return false, `holds a quote but is not quoted: wrap it in quotes and double those inside`
			}
			s.fields = append(s.fields, field)
			if !more {
				return false, ""
			}
			text = rest
			continue
		}
		if !s.quoted {
			s.quoted, s.field, text = true, s.field[:0], text[1:]
		}
		inside, rest, closed := strings.Cut(text, `"`)
		s.field = append(s.field, inside...)
		switch {
		case !closed:
			s.field = append(s.field, '\n')
			return true, ""
		case strings.HasPrefix(rest, `"`):
			s.field = append(s.field, '"')
			text = rest[1:]
		case rest == "" || rest[0] == ',':
			s.fields, s.quoted = append(s.fields, string(s.field)), false
			if rest == "" {
				return false, ""
			}
			text = rest[1:]
		default:
			return false, `goes on after its closing quote: double quotes inside a quoted field`
		}
	}
}
