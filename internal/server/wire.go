package server

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// excessive is far beyond a limit: the scan refuses only what would be costly to decode. Smaller
// excess is decoded and refused by the rules, together with all other faults of the message.
func excessive(limit int) int { return 2*limit + 1024 }

// step is one field on the way from the request to a value.
type step struct {
	field *wireField
	index int    // of an element of a list
	key   []byte // of a map entry
}

// path spells steps as google.rpc.BadRequest does: item.attributes["price"].text. Without
// subscript the last step stands for the list or map as a whole.
func path(steps []step, subscript bool) string {
	var b strings.Builder
	for i, s := range steps {
		if i > 0 {
			b.WriteByte('.')
		}
		b.WriteString(s.field.name)
		switch {
		case !s.field.repeated, i == len(steps)-1 && !subscript:
		case s.field.isMap:
			b.WriteString("[" + strconv.Quote(string(s.key[:min(len(s.key), 256)])) + "]")
		default:
			b.WriteString("[" + strconv.Itoa(s.index) + "]")
		}
	}
	return b.String()
}

// counts are the lengths of the lists and maps of one message and of those nested in it. They
// outlive the bytes, since a message may come in parts that are merged.
type counts struct {
	lengths [wireSlots]int
	nested  [wireSlots]*counts
}

// scan is one pass over the bytes of a message.
type scan struct {
	faults    faults
	malformed bool
	itemID    string // the first item_id met: the answer to a faulty row names it
	at        []step
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
	s := scan{at: make([]step, 0, 8)}
	s.message(b, m, &counts{})
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

func (s *scan) fault(field, format string, args ...any) {
	if len(s.faults) < maxViolations {
		s.faults = append(s.faults, recsys.Invalid(field, format, args...))
	}
}

// next takes one field off b. value is nil unless the field is length-delimited; ok is false at
// the end and on malformed data.
func (s *scan) next(b *[]byte) (num protowire.Number, value []byte, ok bool) {
	if len(*b) == 0 || s.malformed {
		return 0, nil, false
	}
	num, typ, n := protowire.ConsumeTag(*b)
	if n < 0 || num > protowire.MaxValidNumber {
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

func (s *scan) message(b []byte, m *wireMessage, c *counts) {
	for {
		num, value, ok := s.next(&b)
		if !ok {
			return
		}
		field := m.fields[num]
		if field == nil || value == nil {
			continue // unknown, or a scalar
		}
		index := 0
		if field.repeated {
			index = c.lengths[field.slot]
			c.lengths[field.slot]++
			if field.maxCount > 0 && index >= excessive(field.maxCount) {
				s.tooMany(field, index, b, num)
				continue
			}
		}
		s.at = append(s.at, step{field: field, index: index})
		switch {
		case field.isMap:
			s.entry(value)
		case field.kind != wireNested:
			s.leaf(value, field)
		case field.repeated:
			s.message(value, field.message, &counts{})
		default:
			if c.nested[field.slot] == nil {
				c.nested[field.slot] = &counts{}
			}
			s.message(value, field.message, c.nested[field.slot])
		}
		s.at = s.at[:len(s.at)-1]
	}
}

// tooMany tells once, and with their number, of elements that will not be looked at.
func (s *scan) tooMany(field *wireField, index int, rest []byte, num protowire.Number) {
	if index > excessive(field.maxCount) {
		return
	}
	n := index + 1
	for {
		next, value, ok := s.next(&rest)
		if !ok {
			break
		}
		if next == num && value != nil {
			n++
		}
	}
	whole := path(append(s.at, step{field: field}), false)
	s.fault(whole, "must have at most %d entries, has %d", field.maxCount, n)
}

func (s *scan) leaf(value []byte, field *wireField) {
	if s.sound(value, field.kind, field.limit) && field.name == "item_id" && len(value) <= field.limit && s.itemID == "" {
		s.itemID = string(value)
	}
}

// sound reports whether a string or bytes value may be decoded, and tells of the fault if not.
func (s *scan) sound(value []byte, kind wireKind, limit int) bool {
	if limit > 0 && len(value) > excessive(limit) {
		s.fault(path(s.at, true), "must be at most %d bytes, has %d", limit, len(value))
		return false
	}
	if kind == wireString && !utf8.Valid(value) {
		s.fault(path(s.at, true), "must be valid UTF-8, byte %d is not", invalidAt(value))
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

// entry scans one map entry: field 1 is the key, the last one counts; field 2 is the value,
// whose parts are merged if it is a message.
func (s *scan) entry(b []byte) {
	here := &s.at[len(s.at)-1]
	field := here.field
	for rest := b; ; {
		num, key, ok := s.next(&rest)
		if !ok {
			break
		}
		if num == 1 && key != nil {
			here.key = key
			if !s.sound(key, wireString, field.limit) {
				return
			}
		}
	}
	var c counts
	for {
		num, value, ok := s.next(&b)
		if !ok {
			return
		}
		switch {
		case num != 2 || value == nil:
		case field.message != nil:
			s.message(value, field.message, &c)
		default:
			s.sound(value, field.kind, 0)
		}
	}
}
