package filter

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// twin answers an expression of plain CEL, written out without this package's shorthands, item
// by item over attributes of type map(string, dyn). What cannot be computed does not match.
type twin struct {
	env   *cel.Env
	items map[*recsys.Item]map[string]any
}

func newTwin(t testing.TB) *twin {
	t.Helper()
	env, err := cel.NewEnv(
		cel.Variable("attributes", cel.MapType(cel.StringType, cel.DynType)),
		cel.Variable("item_id", cel.StringType),
		cel.Variable("title", cel.StringType),
		cel.Variable("create_time", cel.TimestampType),
		cel.CrossTypeNumericComparisons(true),
	)
	if err != nil {
		t.Fatal(err)
	}
	return &twin{env, map[*recsys.Item]map[string]any{}}
}

func (tw *twin) match(expression string, items map[uint32]*recsys.Item) ([]uint32, error) {
	checked, issues := tw.env.Compile(expression)
	if issues.Err() != nil {
		return nil, issues.Err()
	}
	program, err := tw.env.Program(checked)
	if err != nil {
		return nil, err
	}
	found := []uint32{}
	for _, number := range slices.Sorted(maps.Keys(items)) {
		if v, _, err := program.Eval(tw.plain(items[number])); err == nil && v == types.True {
			found = append(found, number)
		}
	}
	return found, nil
}

func (tw *twin) plain(it *recsys.Item) map[string]any {
	if known := tw.items[it]; known != nil {
		return known
	}
	attributes := make(map[string]any)
	for name, a := range it.Attributes {
		switch a.Kind {
		case recsys.KindLabels:
			attributes[name] = a.Labels
		case recsys.KindNumber:
			attributes[name] = a.Number
		case recsys.KindText:
			attributes[name] = a.Text
		}
	}
	tw.items[it] = map[string]any{"attributes": attributes, "item_id": it.ItemID, "title": it.Title, "create_time": it.CreateTime}
	return tw.items[it]
}

// version is an Index and, as its slow twin, the items in it.
type version struct {
	*Index
	items map[uint32]*recsys.Item
}

func newVersion(known ...string) version {
	return version{New(known...), map[uint32]*recsys.Item{}}
}

// apply applies the changes to both; the receiver keeps its own twin.
func (v version) apply(changes ...Change) version {
	next := version{v.Index.Apply(changes), maps.Clone(v.items)}
	for _, c := range changes {
		if c.Item == nil {
			delete(next.items, c.Number)
		} else {
			next.items[c.Number] = c.Item
		}
	}
	return next
}

// fault checks all that the Index keeps against the items.
func (v version) fault() error {
	if v.Len() != len(v.items) {
		return fmt.Errorf("Len = %d, want %d", v.Len(), len(v.items))
	}
	for at, c := range v.chunks {
		for i := range chunkSize {
			if err := v.placeFault(c, i, uint32(at*chunkSize+i)); err != nil {
				return err
			}
		}
		for i := range c.columns {
			if c.columns[i].present == (mask{}) {
				return fmt.Errorf("chunk %d keeps an empty column", at)
			}
		}
	}
	return v.vocabularyFault()
}

func (v version) placeFault(c *chunk, i int, number uint32) error {
	it, r := v.items[number], c.records[i]
	if (it != nil) != (r != nil) || (it != nil) != c.registered.has(i) {
		return fmt.Errorf("item %d: record %v, registered %v, want %v", number, r != nil, c.registered.has(i), it != nil)
	}
	for attribute, a := range v.schema.attributes {
		var want recsys.Attribute
		if it != nil {
			want = it.Attributes[a.name]
		}
		present := want.Kind != 0 && !absent(want)
		col := c.column(int32(attribute))
		if has := col != nil && col.present.has(i); has != present {
			return fmt.Errorf("item %d: %s present %v, want %v", number, a.name, has, present)
		}
		if !present {
			continue
		}
		if got := r.get(int32(attribute)).Value(); !sameValue(got, want) {
			return fmt.Errorf("item %d: %s is %v, want %v", number, a.name, got, want)
		}
		if want.Kind == recsys.KindNumber {
			if got := col.values[col.present.rank(i)]; got != want.Number || got < col.low || got > col.high {
				return fmt.Errorf("item %d: %s in column %v (%v … %v), want %v", number, a.name, got, col.low, col.high, want.Number)
			}
		}
	}
	return nil
}

func sameValue(got any, want recsys.Attribute) bool {
	switch got := got.(type) {
	case []string:
		return slices.Equal(got, want.Labels)
	case float64:
		return want.Kind == recsys.KindNumber && got == want.Number
	case string:
		return want.Kind == recsys.KindText && got == want.Text
	}
	return false
}

func (v version) vocabularyFault() error {
	for attribute, vocabulary := range v.vocabularies {
		want := make(map[string][]uint32)
		name := v.schema.attributes[attribute].name
		for _, number := range slices.Sorted(maps.Keys(v.items)) {
			for _, text := range v.items[number].Attributes[name].Labels {
				if !slices.Contains(want[text], number) {
					want[text] = append(want[text], number)
				}
			}
		}
		got := make(map[string][]uint32)
		vocabulary.each(func(e *entry) bool {
			got[e.label.text] = union(e.items.parts()).ToArray()
			if e.items.size != len(got[e.label.text]) || len(e.items.delta) > maxDelta {
				got[e.label.text] = nil
			}
			return true
		})
		if !maps.EqualFunc(got, want, slices.Equal) || vocabulary.size != len(want) {
			return fmt.Errorf("labels of %s (%d) are on\n%v, want\n%v", name, vocabulary.size, got, want)
		}
	}
	return nil
}

// matches runs a program and lists what it found.
func (v version) matches(p *Program) ([]uint32, error) {
	found, err := p.Bitmap(context.Background(), v.Index)
	if err != nil {
		return nil, err
	}
	return append([]uint32{}, found.ToArray()...), nil
}
