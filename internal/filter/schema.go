package filter

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// Schema is what expressions are checked against: the attributes that were declared to New or
// seen on an item, and the kinds each was seen with. It only ever grows within one history of
// an Index, so that an expression does not stop compiling because the last item with an
// attribute was sold.
//
// A Schema never changes and is safe for concurrent use; Apply makes the next one when an item
// brings a new name or kind. Programs are bound to the Schema they were compiled with.
type Schema struct {
	numbers    map[string]int32
	attributes []attribute

	base *cel.Env // without attributes; shared by all versions
	once sync.Once
	env  *cel.Env
}

// attribute is what a Schema knows of a name.
type attribute struct {
	name  string
	kinds kinds
}

// kinds is a set of recsys.AttributeKind; empty for an attribute that no item has had.
type kinds uint8

func kindsOf(kind recsys.AttributeKind) kinds { return 1 << kind }

var (
	onlyLabels = kindsOf(recsys.KindLabels)
	onlyNumber = kindsOf(recsys.KindNumber)
	onlyText   = kindsOf(recsys.KindText)
)

func (k kinds) has(other kinds) bool { return k&other != 0 }

// maxAttributes bounds the names of a Schema: a shop that makes attribute names out of article
// numbers must not make every change slow. Names beyond are unknown to expressions.
const maxAttributes = 10_000

// nowhere is the number of an attribute that no item has.
const nowhere = -1

// lookup finds an attribute. While none at all is known, as in a catalogue without items, every
// name is accepted and no item has it: an empty shop answers empty lists, not errors.
func (s *Schema) lookup(name string) (number int32, a attribute, ok bool) {
	if len(s.attributes) == 0 {
		return nowhere, attribute{name: name}, true
	}
	if number, ok = s.numbers[name]; ok {
		return number, s.attributes[number], true
	}
	return 0, attribute{}, false
}

// with returns the Schema that also knows the attribute with these kinds. fresh says that s
// is not shared yet and may be changed.
func (s *Schema) with(name string, k kinds, fresh bool) *Schema {
	number, known := s.numbers[name]
	if known && s.attributes[number].kinds|k == s.attributes[number].kinds || !known && len(s.attributes) == maxAttributes {
		return s
	}
	if !fresh {
		s = &Schema{numbers: maps.Clone(s.numbers), attributes: slices.Clone(s.attributes), base: s.base}
	}
	if known {
		s.attributes[number].kinds |= k
		return s
	}
	s.numbers[name] = int32(len(s.attributes))
	s.attributes = append(s.attributes, attribute{name, k})
	return s
}

// nearest returns the known name most like one that is not known; "" if none is like it.
func (s *Schema) nearest(name string) string {
	best, least := "", min(2, (len(name)+1)/3)
	for _, a := range s.attributes {
		if strings.EqualFold(a.name, name) {
			return a.name
		}
		if d := distance(name, a.name, least+1); d < least || d == least && (best == "" || a.name < best) {
			best, least = a.name, d
		}
	}
	return best
}

// distance is the Levenshtein distance of two names in bytes, or limit if that is less.
func distance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal, least := row[0], limit
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
			least = min(least, row[j+1])
		}
		if least >= limit {
			return limit
		}
	}
	return min(limit, row[len(b)])
}
