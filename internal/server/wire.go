package server

import (
	"strconv"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// excessive is far beyond a limit: the scan refuses only what would be costly to decode. Smaller
// excess is decoded and refused by the rules, together with all other faults of the message.
func excessive(limit int) int { return 2*limit + 1024 }

// place is where a scan is, as a list towards the root.
type place struct {
	parent *place // nil: the field belongs to the request itself
	field  *wireField
	index  int    // of an element; negative: the field as a whole
	key    []byte // of a map entry
}

// String is the path as google.rpc.BadRequest spells it: item.attributes["price"].text.
func (p *place) String() string {
	path := p.field.name
	switch {
	case p.index < 0 || !p.field.repeated:
	case p.field.isMap:
		path += "[" + strconv.Quote(string(p.key[:min(len(p.key), 256)])) + "]"
	default:
		path += "[" + strconv.Itoa(p.index) + "]"
	}
	if p.parent == nil {
		return path
	}
	return p.parent.String() + "." + path
}

// scan is one pass over the bytes of a message. The zero value is ready.
type scan struct {
	faults    faults
	malformed bool
	itemID    string         // the first item_id met: the answer to a faulty row names it
	counts    map[string]int // elements by path; a message may come in parts that are merged
}

// wireFault is what a scan found, or the decoder after it.
type wireFault struct {
	faults
	itemID string
}

// scan looks for what protobuf would refuse (malformed data, strings that are not UTF-8) and
// for what is far too large, and names the field of each. Nothing is decoded or kept: the cost
// is one pass over the bytes, and at most maxViolations faults are stored. nil means sound.
func (m *wireMessage) scan(b []byte) *wireFault {
	var s scan
	s.message(b, m, nil)
	if s.malformed {
		return malformed()
	}
	if len(s.faults) == 0 {
		return nil
	}
	s.faults.sort()
	return &wireFault{faults: s.faults, itemID: s.itemID}
}

func malformed() *wireFault {
	return &wireFault{faults: faults{{Reason: "the request is not a valid protobuf message"}}}
}

func (s *scan) fault(at *place, format string, args ...any) {
	if len(s.faults) < maxViolations {
		s.faults = append(s.faults, recsys.Invalid(at.String(), format, args...))
	}
}

// next takes one field off b. value is nil unless the field is length-delimited; ok is false at
// the end and on malformed data.
func (s *scan) next(b *[]byte) (num protowire.Number, value []byte, ok bool) {
	if len(*b) == 0 || s.malformed {
		return 0, nil, false
	}
	num, typ, n := protowire.ConsumeTag(*b)
	if n < 0 {
		s.malformed = true
		return 0, nil, false
	}
	*b = (*b)[n:]
	if typ == protowire.BytesType {
		value, n = protowire.ConsumeBytes(*b)
	} else {
		n = protowire.ConsumeFieldValue(num, typ, *b)
	}
	if n < 0 {
		s.malformed = true
		return 0, nil, false
	}
	*b = (*b)[n:]
	return num, value, true
}

func (s *scan) message(b []byte, m *wireMessage, at *place) {
	var counts map[*wireField]int
	for {
		num, value, ok := s.next(&b)
		if !ok {
			break
		}
		field := m.fields[num]
		if field == nil || value == nil {
			continue // unknown, or a scalar
		}
		index := 0
		if field.repeated {
			if counts == nil {
				counts = make(map[*wireField]int)
			}
			index = s.count(counts, field, at)
			if field.maxCount > 0 && index >= excessive(field.maxCount) {
				continue // only counted: the fault is told once, with the number
			}
		}
		s.value(value, &place{parent: at, field: field, index: index})
	}
	s.recount(counts, at)
}

// count returns the index of the next element of a repeated field. counts are those of this
// part of the message; they go on where the part before stopped.
func (s *scan) count(counts map[*wireField]int, field *wireField, at *place) int {
	n, known := counts[field]
	if !known && s.counts != nil {
		n = s.counts[(&place{parent: at, field: field, index: -1}).String()]
	}
	counts[field] = n + 1
	return n
}

// recount tells of counts that are too high and keeps them for the next part of the message.
func (s *scan) recount(counts map[*wireField]int, at *place) {
	for field, n := range counts {
		if field.maxCount == 0 {
			continue
		}
		whole := place{parent: at, field: field, index: -1}
		if s.counts == nil {
			s.counts = make(map[string]int)
		}
		path := whole.String()
		if n > excessive(field.maxCount) && s.counts[path] <= excessive(field.maxCount) {
			s.fault(&whole, "must have at most %d entries, has %d", field.maxCount, n)
		}
		s.counts[path] = n
	}
}

func (s *scan) value(value []byte, at *place) {
	field := at.field
	switch {
	case field.isMap:
		s.entry(value, at)
	case field.kind == wireNested:
		s.message(value, field.message, at)
	case s.sound(value, field.kind, field.limit, at):
		if field.name == "item_id" && len(value) <= field.limit && s.itemID == "" {
			s.itemID = string(value)
		}
	}
}

// sound reports whether a string or bytes value may be decoded, and tells of the fault if not.
func (s *scan) sound(value []byte, kind wireKind, limit int, at *place) bool {
	if limit > 0 && len(value) > excessive(limit) {
		s.fault(at, "must be at most %d bytes, has %d", limit, len(value))
		return false
	}
	if kind == wireString && !utf8.Valid(value) {
		s.fault(at, "must be valid UTF-8, byte %d is not", invalidAt(value))
		return false
	}
	return true
}

// invalidAt is the offset of the first byte that is not UTF-8.
func invalidAt(value []byte) int {
	at := 0
	for at < len(value) {
		r, n := utf8.DecodeRune(value[at:])
		if r == utf8.RuneError && n == 1 {
			break
		}
		at += n
	}
	return at
}

// entry scans one map entry: field 1 is the key, field 2 the value, and the last of each counts.
func (s *scan) entry(b []byte, at *place) {
	for rest := b; ; {
		num, key, ok := s.next(&rest)
		if !ok {
			break
		}
		if num == 1 && key != nil {
			at.key = key
			if !s.sound(key, wireString, at.field.limit, at) {
				return
			}
		}
	}
	for !s.malformed {
		num, value, ok := s.next(&b)
		if !ok {
			return
		}
		if num != 2 || value == nil {
			continue
		}
		if at.field.message != nil {
			s.message(value, at.field.message, at)
		} else {
			s.sound(value, at.field.kind, 0, at)
		}
	}
}
