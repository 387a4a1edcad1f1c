package filter

import (
	"errors"
	"reflect"
	"slices"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// labels is the value of a label attribute as CEL sees it: a list of strings. It differs from
// the lists of cel-go by sharing its elements between items: 8 bytes a label instead of 32. It
// is a pointer because cel-go keeps values as keys of maps.
type labels struct{ list []*label }

var _ traits.Lister = (*labels)(nil)

// all returns the labels, to be read and appended to; none of nil.
func (l *labels) all() []*label {
	if l == nil {
		return nil
	}
	return slices.Clip(l.list)
}

// Contains reports whether elem is one of the labels.
func (l *labels) Contains(elem ref.Val) ref.Val {
	text, ok := elem.(types.String)
	return types.Bool(ok && slices.ContainsFunc(l.list, func(have *label) bool { return have.text == string(text) }))
}

// Get returns one label.
func (l *labels) Get(index ref.Val) ref.Val {
	at, err := types.IndexOrError(index)
	if err != nil {
		return types.WrapErr(err)
	}
	if at < 0 || at >= len(l.list) {
		return types.NewErr("index %d is outside a list of %d", at, len(l.list))
	}
	return l.list[at].value
}

// Size returns the number of labels.
func (l *labels) Size() ref.Val { return types.Int(len(l.list)) }

// Iterator goes over the labels.
func (l *labels) Iterator() traits.Iterator { return &labelIterator{rest: l.list} }

// Add joins two lists.
func (l *labels) Add(other ref.Val) ref.Val { return l.plain().Add(other) }

// Equal compares as lists do: same elements in the same order.
func (l *labels) Equal(other ref.Val) ref.Val { return l.plain().Equal(other) }

// ConvertToNative converts as lists do.
func (l *labels) ConvertToNative(to reflect.Type) (any, error) { return l.plain().ConvertToNative(to) }

// ConvertToType converts as lists do.
func (l *labels) ConvertToType(to ref.Type) ref.Val { return l.plain().ConvertToType(to) }

// Type is that of lists.
func (l *labels) Type() ref.Type { return types.ListType }

// Value returns the labels as strings.
func (l *labels) Value() any {
	texts := make([]string, len(l.list))
	for i, have := range l.list {
		texts[i] = have.text
	}
	return texts
}

// plain is the same list as one of cel-go's own, for the rarely used operations.
func (l *labels) plain() traits.Lister {
	return types.NewStringList(types.DefaultTypeAdapter, l.Value().([]string))
}

// labelIterator has the two methods that comprehensions call; the others of ref.Val are not
// there, because expressions never hold an iterator.
type labelIterator struct {
	ref.Val
	rest []*label
}

// HasNext reports whether Next may be called.
func (it *labelIterator) HasNext() ref.Val { return types.Bool(len(it.rest) > 0) }

// Next returns the next label.
func (it *labelIterator) Next() ref.Val {
	next := it.rest[0]
	it.rest = it.rest[1:]
	return next.value
}

// errMissing is what reading an attribute gives on an item that does not have it. CEL's logical
// operators treat errors as unknown, and so does this package.
var errMissing = errors.New("the item does not have the attribute")

// valuesOf is the function behind every use of a dynamic attribute as a set: labels are the set
// themselves, anything else is a set of one.
func valuesOf(v ref.Val) ref.Val {
	if list, ok := v.(traits.Lister); ok {
		return list
	}
	return types.NewRefValList(types.DefaultTypeAdapter, []ref.Val{v})
}
