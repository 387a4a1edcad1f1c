package recsys

import "time"

// Item is one thing a shop shows. Image bytes travel beside it, never in it.
//
// Values are owned by whoever built them and are not changed after they were
// handed on; Attributes may be shared between copies.
type Item struct {
	ItemID        string
	Title         string
	Description   string
	Attributes    map[string]Attribute
	AvailableTime time.Time // zero: at once
	ExpireTime    time.Time // zero: never
	Hidden        bool
	ImageDigest   []byte // SHA-256 of the picture's bytes; empty: no picture
	CreateTime    time.Time
	UpdateTime    time.Time
}

// ShownAt reports whether the item may be recommended at time t.
func (it *Item) ShownAt(t time.Time) bool {
	return !it.Hidden &&
		(it.AvailableTime.IsZero() || !t.Before(it.AvailableTime)) &&
		(it.ExpireTime.IsZero() || t.Before(it.ExpireTime))
}

// AttributeKind says which field of an Attribute is set.
type AttributeKind uint8

// The kinds of attribute.
const (
	KindLabels AttributeKind = iota + 1
	KindNumber
	KindText
)

// String names the kind as the schema file spells it.
func (k AttributeKind) String() string {
	switch k {
	case KindLabels:
		return "labels"
	case KindNumber:
		return "number"
	case KindText:
		return "text"
	}
	return "unknown"
}

// Attribute is one typed fact about an item. The JSON form is what the store keeps:
// {"labels":["a","b"]}, {"number":1.5} or {"text":"…"}.
type Attribute struct {
	Kind   AttributeKind
	Labels []string
	Number float64 // finite
	Text   string
}

// Labels builds a label attribute.
func Labels(values ...string) Attribute { return Attribute{Kind: KindLabels, Labels: values} }

// Number builds a number attribute.
func Number(v float64) Attribute { return Attribute{Kind: KindNumber, Number: v} }

// Text builds a text attribute.
func Text(s string) Attribute { return Attribute{Kind: KindText, Text: s} }
