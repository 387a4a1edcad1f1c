package ingest

import (
	"context"
	"fmt"
	"strings"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// itemColumns says where in a row what stands; -1 marks a column that the file lacks.
type itemColumns struct {
	id, title, description, image, available, expire, hidden int
	attributes                                               []attributeColumn
}

type attributeColumn struct {
	name  string
	index int
	kind  recsys.AttributeKind
	fixed bool // by the caller

	number bool   // a number was seen
	word   string // the first value that is none
	wordAt int    // and its line
}

// surveyItems is the first pass over a file of items: it finds the columns, learns the kinds of
// the attributes from all rows that have as many fields as the header, and counts.
func surveyItems(ctx context.Context, source ItemSource, report *Report) (*itemColumns, error) {
	t, err := openTable(source.Table)
	if err != nil {
		return nil, err
	}
	defer t.close()
	columns, err := findItemColumns(t, source.Kinds)
	if err != nil {
		return nil, err
	}
	pictured := 0 // the line of the first row that names a picture
	report.Rows, err = scan(ctx, t, func(rec record) {
		if pictured == 0 && strings.TrimSpace(cell(rec, columns.image)) != "" {
			pictured = rec.line
		}
		for i := range columns.attributes {
			columns.attributes[i].learn(rec)
		}
	})
	if err != nil {
		return nil, err
	}
	if pictured != 0 && source.ImageFS == nil && source.Images == "" && !source.WithoutImages {
		return nil, fmt.Errorf("%s: %w", t.name, recsys.Invalid(columnImage, "line %d names a picture, want the folder the paths start in", pictured))
	}
	columns.conclude()
	report.Columns = columns.describe(t.header)
	return columns, nil
}

func findItemColumns(t *table, kinds map[string]recsys.AttributeKind) (*itemColumns, error) {
	c := &itemColumns{
		id: t.column(columnItemID), title: t.column(columnTitle), description: t.column(columnDescript),
		image: t.column(columnImage), available: t.column(columnAvailable), expire: t.column(columnExpire),
		hidden: t.column(columnHidden),
	}
	if c.id < 0 {
		return nil, t.missing(columnItemID, "the name of the item, 1 to 256 bytes")
	}
	for index, name := range t.header {
		switch name {
		case columnItemID, columnTitle, columnDescript, columnImage, columnAvailable, columnExpire, columnHidden:
			continue
		}
		kind := kinds[name]
		fixed := kind != 0
		if fixed && kind != recsys.KindLabels && kind != recsys.KindNumber && kind != recsys.KindText {
			return nil, recsys.Invalid(name, "is given the kind %v, want labels, number or text", kind)
		}
		c.attributes = append(c.attributes, attributeColumn{name: name, index: index, kind: kind, fixed: fixed})
	}
	return c, nil
}

// learn looks at a column's value in one row.
func (a *attributeColumn) learn(rec record) {
	value := strings.TrimSpace(rec.fields[a.index])
	if a.fixed || value == "" || a.number && a.word != "" {
		return
	}
	if _, ok := parseNumber(value); ok {
		a.number = true
	} else if a.word == "" {
		a.word, a.wordAt = value, rec.line
	}
}

func (c *itemColumns) conclude() {
	for i := range c.attributes {
		a := &c.attributes[i]
		switch {
		case a.fixed:
		case a.number && a.word == "":
			a.kind = recsys.KindNumber
		default:
			a.kind = recsys.KindLabels
		}
	}
}

// describe lists all columns in the order of the header.
func (c *itemColumns) describe(header []string) []Column {
	columns := make([]Column, len(header))
	for i, name := range header {
		columns[i] = Column{Name: name, Kind: "known"}
	}
	for _, a := range c.attributes {
		columns[a.index].Kind = a.kind.String()
		if a.number && a.word != "" {
			columns[a.index].Because = fmt.Sprintf("line %d holds %s", a.wordAt, shown(a.word))
		}
	}
	return columns
}
