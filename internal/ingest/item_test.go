package ingest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

func TestItemsReadsEveryColumn(t *testing.T) {
	t.Parallel()
	items, report := mustItems(t, "\ufeffitem_id,title,description,available_time,expire_time,hidden,genres,year,price,plot\r\n"+
		"m1,\"Tea, with \"\"Mussolini\"\"\",\"two\r\nlines\",2026-01-02T03:04:05+01:00,1767322800.25,yes, Drama | War||Drama ,1999,9.5,A tale\r\n"+
		"\r\n"+
		"m2,,,,,,|,2000, ,\r\n", map[string]recsys.AttributeKind{"plot": recsys.KindText, "absent": recsys.KindNumber, "year": 0})
	want := map[string]recsys.Item{
		"m1": {
			ItemID: "m1", Title: `Tea, with "Mussolini"`, Description: "two\nlines", Hidden: true,
			AvailableTime: time.Date(2026, 1, 2, 2, 4, 5, 0, time.UTC),
			ExpireTime:    time.Date(2026, 1, 2, 3, 0, 0, 250e6, time.UTC),
			Attributes: map[string]recsys.Attribute{
				"genres": recsys.Labels("Drama", "War"), "year": recsys.Number(1999), "price": recsys.Number(9.5), "plot": recsys.Text("A tale"),
			},
		},
		"m2": {ItemID: "m2", Attributes: map[string]recsys.Attribute{"year": recsys.Number(2000)}},
	}
	if diff := cmp.Diff(want, items); diff != "" {
		t.Error(diff)
	}
	wantReport := Report{Rows: 2, Loaded: 2, Created: 2, WithoutImage: 2, Line: 5, Columns: []Column{
		{Name: "item_id", Kind: "known"}, {Name: "title", Kind: "known"}, {Name: "description", Kind: "known"},
		{Name: "available_time", Kind: "known"}, {Name: "expire_time", Kind: "known"}, {Name: "hidden", Kind: "known"},
		{Name: "genres", Kind: "labels"}, {Name: "year", Kind: "number"}, {Name: "price", Kind: "number"}, {Name: "plot", Kind: "text"},
	}}
	if diff := cmp.Diff(wantReport, report); diff != "" {
		t.Error(diff)
	}
}

func TestItemsLearnsKinds(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		values []string
		want   Column
	}{
		{"numbers", []string{"1", "-2.5", "+1e3", " 7 "}, Column{Kind: "number"}},
		{"numbers and empty cells", []string{"", "1", ""}, Column{Kind: "number"}},
		{"only empty cells", []string{"", ""}, Column{Kind: "labels"}},
		{"one word", []string{"1", "2", "n/a", "3"}, Column{Kind: "labels", Because: `line 4 holds "n/a"`}},
		{"a word first", []string{"n/a", "2"}, Column{Kind: "labels", Because: `line 2 holds "n/a"`}},
		{"not a number", []string{"1", "NaN"}, Column{Kind: "labels", Because: `line 3 holds "NaN"`}},
		{"infinite", []string{"1", "1e999"}, Column{Kind: "labels", Because: `line 3 holds "1e999"`}},
		{"hexadecimal", []string{"0x1p4"}, Column{Kind: "labels"}},
		{"underscores", []string{"1_000"}, Column{Kind: "labels"}},
		{"labels", []string{"a|b", "c"}, Column{Kind: "labels"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			content := "item_id,x\n"
			for i, v := range test.values {
				content += fmt.Sprintf("%d,%s\n", i, v)
			}
			_, report := mustItems(t, content, nil)
			test.want.Name = "x"
			if diff := cmp.Diff(test.want, report.Columns[1]); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestItemsHoldsKindsThatAreGiven(t *testing.T) {
	t.Parallel()
	items, report := mustItems(t, "item_id,year,price\n1,1999,3\n2,2000,free\n",
		map[string]recsys.AttributeKind{"year": recsys.KindLabels, "price": recsys.KindNumber})
	want := map[string]recsys.Item{"1": {ItemID: "1", Attributes: map[string]recsys.Attribute{
		"year": recsys.Labels("1999"), "price": recsys.Number(3)}}}
	if diff := cmp.Diff(want, items); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{`line 3, column price: is "free", want a finite number`}, faultStrings(report)); diff != "" {
		t.Error(diff)
	}
}

func TestItemsRefusesRows(t *testing.T) {
	t.Parallel()
	long := func(n int) string { return strings.Repeat("é", n/2) }
	labels := func(n int) string {
		var all []string
		for i := range n {
			all = append(all, fmt.Sprint("l", i))
		}
		return strings.Join(all, "|")
	}
	// One row each; columns: item_id, title, description, available_time, expire_time, hidden, tags.
	tests := []struct {
		name, row string
		want      []string // without "line 2, "; none: the row is fine
	}{
		{"longest values", long(256) + "," + long(1024) + "," + long(65536) + ",,,," + long(256), nil},
		{"most labels", "1,,,,,," + labels(256), nil},
		{"no id", ",,,,,,", []string{"column item_id: is empty, want 1 to 256 bytes"}},
		{"long id", long(258) + ",,,,,,", []string{"column item_id: has 258 bytes, want 1 to 256"}},
		{"control character in id", "a\tb,,,,,,", []string{"column item_id: holds a control character"}},
		{"delete character in id", "a\x7f,,,,,,", []string{"column item_id: holds a control character"}},
		{"bad UTF-8 in id", "a\xff,,,,,,", []string{"column item_id: is not valid UTF-8"}},
		{"bad UTF-8 in title", "1,\xc3(,,,,,", []string{"column title: is not valid UTF-8"}},
		{"zero byte in title", "1,a\x00b,,,,,", []string{"column title: holds a zero byte"}},
		{"long title", "1," + long(1026) + ",,,,,", []string{"column title: has 1026 bytes, want at most 1024"}},
		{"long description", "1,," + long(65538) + ",,,,", []string{"column description: has 65538 bytes, want at most 65536"}},
		{"bad time", "1,,,tomorrow,,,", []string{`column available_time: is "tomorrow", want Unix seconds or RFC 3339 such as 2026-01-31T18:00:00Z`}},
		{"milliseconds", "1,,,,1767225600000,,", []string{"column expire_time: is 1767225600000, want Unix seconds or RFC 3339 such as 2026-01-31T18:00:00Z"}},
		{"far future", "1,,,,300000000000,,", []string{"column expire_time: is 300000000000, beyond the years 1 to 9999; want Unix seconds, not milliseconds"}},
		{"expires before", "1,,,2000000000,1999999999,,", []string{"column expire_time: must lie after available_time"}},
		{"bad bool", "1,,,,,maybe,", []string{`column hidden: is "maybe", want true or false`}},
		{"long label", "1,,,,,," + long(258), []string{"column tags: has a label of 258 bytes, want at most 256; declare the column as text in the schema file if it holds prose"}},
		{"many labels", "1,,,,,," + labels(257), []string{"column tags: has more than 256 labels"}},
		{"control character in label", "1,,,,,,a|b\x01", []string{"column tags: has a label that holds a control character"}},
		{"few fields", "1,", []string{": has 2 fields, the header has 7"}},
		{"many fields", "1,,,,,,,", []string{": has 8 fields, the header has 7"}},
		{"bare quote", "1,5\" disk,,,,,", []string{"column title: holds a quote but is not quoted: wrap it in quotes and double those inside"}},
		{"several", ",\xff,,x,,maybe,", []string{
			"column item_id: is empty, want 1 to 256 bytes", "column title: is not valid UTF-8",
			`column available_time: is "x", want Unix seconds or RFC 3339 such as 2026-01-31T18:00:00Z`,
			`column hidden: is "maybe", want true or false`}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			items, report := mustItems(t, "item_id,title,description,available_time,expire_time,hidden,tags\n"+test.row+"\nlast,,,,,,\n", nil)
			var want []string
			for _, w := range test.want {
				want = append(want, strings.ReplaceAll("line 2, "+w, ", :", ":"))
			}
			if diff := cmp.Diff(want, faultStrings(report)); diff != "" {
				t.Error(diff)
			}
			skipped := int64(min(1, len(want)))
			got := []int64{report.Rows, report.Loaded, report.Skipped, report.FaultCount}
			if diff := cmp.Diff([]int64{2, 2 - skipped, skipped, int64(len(want))}, got); diff != "" {
				t.Error(diff)
			}
			if _, ok := items["last"]; !ok || int64(len(items)) != report.Loaded {
				t.Errorf("stored %v", slices.Collect(maps.Keys(items)))
			}
		})
	}
}

func TestItemsRefusesTooManyAttributes(t *testing.T) {
	t.Parallel()
	header, row := "item_id", "1"
	for i := range maxAttributes + 1 {
		header += fmt.Sprint(",a", i)
		row += ",1"
	}
	_, report := mustItems(t, header+"\n"+row+"\n2"+strings.TrimSuffix(row, ",1")[1:]+",\n", nil)
	if diff := cmp.Diff([]string{"line 2: has 257 attributes, want at most 256"}, faultStrings(report)); diff != "" {
		t.Error(diff)
	}
	if report.Loaded != 1 {
		t.Errorf("loaded %d, want the row with 256 attributes", report.Loaded)
	}
}

func TestItemsRefusesHeaders(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, content, want string }{
		{"empty file", "", "items.csv: header: is missing: the file is empty"},
		{"no item_id", "id,title\n1,a\n", "items.csv: item_id: the column is missing: want the name of the item, 1 to 256 bytes; the header has id, title"},
		{"twice", "item_id,a,b,a\n", "items.csv: a: names two columns, 2 and 4"},
		{"no name", "item_id,,a\n", "items.csv: header: the name of column 2 is empty, want 1 to 128 bytes"},
		{"bad UTF-8", "item_id,\xff\n", "items.csv: header: the name of column 2 is not valid UTF-8"},
		{"old Macintosh line ends", "item_id,a\r1,2\r", "items.csv: header: the name of column 2 holds a control character"},
		{"semicolons", "item_id;title\n1;a\n", `items.csv: header: is one column, "item_id;title": want columns separated by commas`},
		{"open quote", "item_id,\"title\n", "items.csv: header: a quoted field is not closed before the end of the file"},
		{"UTF-16", "\xff\xfei\x00", "items.csv: header: is UTF-16, want UTF-8"},
		{"pictures without a folder", "item_id,image\n1,\n2,a.png\n", "items.csv: image: line 3 names a picture, want the folder the paths start in"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			sink := newFakeSink()
			_, err := Items(t.Context(), ItemSource{Table: text("items.csv", test.content)}, sink, testConfig())
			if !errors.Is(err, recsys.ErrInvalid) || err.Error() != test.want {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
			if len(sink.calls) > 0 {
				t.Error("something was written")
			}
		})
	}
}

func TestItemsRefusesAnUnknownKind(t *testing.T) {
	t.Parallel()
	source := ItemSource{Table: text("items.csv", "item_id,a\n1,2\n"), Kinds: map[string]recsys.AttributeKind{"a": 9}}
	_, err := Items(t.Context(), source, newFakeSink(), testConfig())
	if !errors.Is(err, recsys.ErrInvalid) {
		t.Errorf("error %v", err)
	}
}

func TestItemsReplacesOnReload(t *testing.T) {
	t.Parallel()
	sink := newFakeSink()
	source := ItemSource{Table: text("items.csv", "item_id,title\n1,a\n2,b\n1,c\n")}
	for i, want := range []Report{{Rows: 3, Loaded: 3, Created: 2, Replaced: 1}, {Rows: 3, Loaded: 3, Replaced: 3}} {
		report, err := Items(t.Context(), source, sink, testConfig())
		if err != nil {
			t.Fatal(err)
		}
		if report.Created != want.Created || report.Replaced != want.Replaced {
			t.Errorf("load %d: %+v", i+1, report)
		}
	}
	if got := sink.items["1"].Item.Title; got != "c" {
		t.Errorf("title %q, want that of the later row", got)
	}
}

func TestItemsTurnsTheSinksAnswersIntoFaults(t *testing.T) {
	t.Parallel()
	sink := newFakeSink()
	sink.refuse = func(_ int, item string) error {
		switch item {
		case "2":
			return fmt.Errorf("register: %w", recsys.Invalid("item.image", "is no picture"))
		case "4":
			return &recsys.FieldError{Field: "image", Reason: "has too many pixels", Err: recsys.ErrExhausted}
		case "5":
			return errors.New("out of ideas")
		}
		return nil
	}
	report, err := Items(t.Context(), ItemSource{Table: text("items.csv", "item_id\n1\n2\n\n3\n4\n5\n")}, sink, testConfig())
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"line 3, column image: is no picture", "line 6, column image: has too many pixels", "line 7: out of ideas"}
	if diff := cmp.Diff(want, faultStrings(report)); diff != "" {
		t.Error(diff)
	}
	if report.Loaded != 2 || report.Skipped != 3 || report.Line != 7 {
		t.Errorf("%+v", report)
	}
	var none [16]byte
	for id, w := range sink.items {
		if w.Request != (engine.Registration{}).Request || w.Request.ID != none {
			t.Errorf("item %s carries a request id", id)
		}
	}
}
