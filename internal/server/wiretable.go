package server

import (
	"fmt"

	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// wireMessage is what a scan needs to know of a type of message: its strings, bytes and
// messages, the only fields whose bytes can be faulty, large or many.
type wireMessage struct {
	fields map[protowire.Number]*wireField
}

type wireKind uint8

const (
	wireString wireKind = iota + 1
	wireBytes
	wireNested
)

// wireSlots is how many lists, maps and nested messages one message may have.
const wireSlots = 8

// wireField is one field. Limits are those of its protovalidate rules; 0 is none.
type wireField struct {
	name     string
	kind     wireKind // of a map: the kind of its values
	repeated bool     // also true for a map
	isMap    bool
	limit    int          // bytes of one value; of a map: of one key
	maxCount int          // elements or entries
	slot     int          // of a list, map or nested message: its place in counts
	message  *wireMessage // what a nested message or a map value is; else nil
}

// newWireTable describes request types and all that they contain, by full name.
func newWireTable(requests []protoreflect.MessageDescriptor) (map[protoreflect.FullName]*wireMessage, error) {
	table := make(map[protoreflect.FullName]*wireMessage)
	for _, request := range requests {
		if _, err := describe(table, request); err != nil {
			return nil, err
		}
	}
	return table, nil
}

func describe(table map[protoreflect.FullName]*wireMessage, desc protoreflect.MessageDescriptor) (*wireMessage, error) {
	if m := table[desc.FullName()]; m != nil {
		return m, nil
	}
	m := &wireMessage{fields: make(map[protowire.Number]*wireField)}
	table[desc.FullName()] = m
	slots := 0
	for i := range desc.Fields().Len() {
		fd := desc.Fields().Get(i)
		field, err := describeField(table, fd)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", fd.FullName(), err)
		}
		if field == nil {
			continue
		}
		m.fields[fd.Number()] = field
		if field.repeated || field.kind == wireNested {
			field.slot = slots
			slots++
		}
	}
	if slots > wireSlots {
		return nil, fmt.Errorf("%s has %d lists, maps and messages, want at most %d", desc.FullName(), slots, wireSlots)
	}
	return m, nil
}

// describeField returns nil for a field that needs no look.
func describeField(table map[protoreflect.FullName]*wireMessage, fd protoreflect.FieldDescriptor) (*wireField, error) {
	field := &wireField{name: string(fd.Name()), isMap: fd.IsMap(), repeated: fd.IsList() || fd.IsMap()}
	content := fd
	if field.isMap {
		content = fd.MapValue()
		if fd.MapKey().Kind() != protoreflect.StringKind {
			return nil, fmt.Errorf("maps by %v are not checked on the wire", fd.MapKey().Kind())
		}
	}
	var err error
	switch content.Kind() {
	case protoreflect.StringKind:
		field.kind = wireString
	case protoreflect.BytesKind:
		field.kind = wireBytes
	case protoreflect.MessageKind:
		field.kind = wireNested
		if field.message, err = describe(table, content.Message()); err != nil {
			return nil, err
		}
	default:
		if !field.isMap {
			return nil, nil
		}
	}
	return field, limits(field, fd)
}

// limits reads a field's rules.
func limits(field *wireField, fd protoreflect.FieldDescriptor) error {
	rules, err := protovalidate.ResolveFieldRules(fd)
	if err != nil {
		return err
	}
	own := rules
	switch {
	case field.isMap:
		field.maxCount = int(rules.GetMap().GetMaxPairs())
		own = rules.GetMap().GetKeys()
	case field.repeated:
		field.maxCount = int(rules.GetRepeated().GetMaxItems())
		own = rules.GetRepeated().GetItems()
	}
	field.limit = int(max(own.GetString().GetMaxBytes(), own.GetBytes().GetMaxLen()))
	return nil
}
