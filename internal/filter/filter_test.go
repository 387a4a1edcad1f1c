package filter

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// gallerist is a small catalogue with known answers.
//
//	0 Water Lilies  Monet          keywords water, flowers   price 300   year 1906   note
//	1 The Boat      Manet, Monet   keywords sea, boat        price 700   year 1874
//	2 Sketch        –              –                         price 12.5  year as the label "1890"
//	3 Untitled      no attributes
//	4 The Sea       Courbet        keywords sea              –           year as the text "about 1865"
func gallerist() version {
	at := func(year int) time.Time { return time.Date(year, 6, 1, 12, 0, 0, 0, time.UTC) }
	labels, number, text := recsys.Labels, recsys.Number, recsys.Text
	items := []recsys.Item{
		{ItemID: "p0", Title: "Water Lilies", CreateTime: at(2020), Attributes: map[string]recsys.Attribute{
			"artist": labels("Monet"), "keywords": labels("water", "flowers"), "price": number(300), "year": number(1906),
			"note": text("bought in 1911"), "wall colour": labels("white")}},
		{ItemID: "p1", Title: "The Boat", CreateTime: at(2021), Attributes: map[string]recsys.Attribute{
			"artist": labels("Manet", "Monet"), "keywords": labels("sea", "boat"), "price": number(700), "year": number(1874)}},
		{ItemID: "p2", Title: "Sketch", CreateTime: at(2022), Attributes: map[string]recsys.Attribute{
			"price": number(12.5), "year": labels("1890")}},
		{ItemID: "p3", Title: "Untitled", CreateTime: at(2023)},
		{ItemID: "p4", Title: "The Sea", CreateTime: at(2024), Attributes: map[string]recsys.Attribute{
			"artist": labels("Courbet"), "keywords": labels("sea"), "year": text("about 1865")}},
	}
	v := newVersion("on loan")
	for i := range items {
		v = v.apply(Change{uint32(i), &items[i]})
	}
	return v
}

func TestExpressions(t *testing.T) {
	t.Parallel()
	v := gallerist()
	for _, c := range []struct {
		expression string
		want       []uint32
	}{
		// labels: == is "has the label", != is its negation, items without the attribute are neither
		{`attributes.artist == "Monet"`, []uint32{0, 1}},
		{`"Monet" == attributes.artist`, []uint32{0, 1}},
		{`attributes["artist"] == "Monet"`, []uint32{0, 1}},
		{`attributes.artist != "Monet"`, []uint32{4}},
		{`!(attributes.artist == "Monet")`, []uint32{4}},
		{`!has(attributes.artist) || attributes.artist != "Monet"`, []uint32{2, 3, 4}},
		{`attributes.artist == "monet"`, nil},
		{`attributes.artist in ["Manet", "Courbet", "nobody"]`, []uint32{1, 4}},
		{`!(attributes.artist in ["Manet", "Courbet"])`, []uint32{0}},
		{`attributes.artist in []`, nil},
		{`!(attributes.artist in [])`, []uint32{0, 1, 4}},
		{`"sea" in attributes.keywords`, []uint32{1, 4}},
		{`!("sea" in attributes.keywords)`, []uint32{0}},
		{`attributes.keywords.exists(k, k == "sea")`, []uint32{1, 4}},
		{`attributes.keywords.exists(k, k.startsWith("b") || k == "water")`, []uint32{0, 1}},
		{`attributes.keywords.all(k, size(k) == 3)`, []uint32{4}},
		{`attributes.keywords.exists_one(k, k.contains("w"))`, nil},
		{`attributes.keywords.exists_one(k, k.startsWith("w"))`, []uint32{0}},
		{`size(attributes.keywords) > 1`, []uint32{0, 1}},
		{`attributes.keywords[0] == "sea"`, []uint32{1, 4}},
		{`attributes.keywords[1] == "boat"`, []uint32{1}},
		{`attributes.artist.startsWith("M")`, []uint32{0, 1}},
		{`attributes.artist.endsWith("t")`, []uint32{0, 1, 4}},
		{`attributes.artist.contains("ane")`, []uint32{1}},
		{`attributes.artist.matches("^m[ao]net$")`, nil},
		{`attributes.artist.matches("(?i)^m[ao]net$")`, []uint32{0, 1}},
		{`attributes["wall colour"] == "white"`, []uint32{0}},
		{`attributes["on loan"] == "yes"`, nil},
		// numbers
		{`attributes.price < 500`, []uint32{0, 2}},
		{`attributes.price < 500.0`, []uint32{0, 2}},
		{`500 > attributes.price`, []uint32{0, 2}},
		{`attributes.price >= 12.5 && attributes.price <= 300`, []uint32{0, 2}},
		{`attributes.price > 12.5 && attributes.price < 300`, nil},
		{`attributes.price == 300`, []uint32{0}},
		{`attributes.price != 300`, []uint32{1, 2}},
		{`!(attributes.price < 500)`, []uint32{1}},
		{`attributes.price in [300, 12.5, 1]`, []uint32{0, 2}},
		{`attributes.price * 2 + 1 > 601`, []uint32{1}},
		{`attributes.price < (has(attributes.note) ? 200 : 1000)`, []uint32{1, 2}},
		{`attributes.price == double("NaN")`, nil},
		{`attributes.price > -1.0 / 0.0`, []uint32{0, 1, 2}},
		{`attributes.price < 1.0 / 0.0`, []uint32{0, 1, 2}},
		// text
		{`attributes.note == "bought in 1911"`, []uint32{0}},
		{`attributes.note.matches("[0-9]{4}$")`, []uint32{0}},
		// several kinds: each value compares as what it is
		{`attributes.year == 1874`, []uint32{1}},
		{`attributes.year < 1900`, []uint32{1}},
		{`attributes.year == "1890"`, []uint32{2}},
		{`attributes.year != "1890"`, []uint32{0, 1, 4}},
		{`attributes.year.contains("18")`, []uint32{2, 4}},
		{`attributes.year in ["1890", 1906]`, []uint32{0, 2}},
		{`"1890" in attributes.year`, []uint32{2}},
		// presence, fields of the item
		{`has(attributes.note)`, []uint32{0}},
		{`has(attributes["wall colour"])`, []uint32{0}},
		{`!has(attributes.keywords)`, []uint32{2, 3}},
		{`has(attributes["on loan"])`, nil},
		{`item_id == "p3"`, []uint32{3}},
		{`item_id in ["p3", "p0", "p9"]`, []uint32{0, 3}},
		{`title.startsWith("The ")`, []uint32{1, 4}},
		{`create_time >= timestamp("2022-06-01T12:00:00Z")`, []uint32{2, 3, 4}},
		{`create_time > timestamp("2022-06-01T12:00:00Z") - duration("8760h")`, []uint32{2, 3, 4}},
		{`create_time == timestamp("2022-06-01T14:00:00+02:00")`, []uint32{2}},
		{`create_time.getFullYear() == 2021 || create_time.getMonth() != 5`, []uint32{1}},
		// logic; what is unknown on one side does not matter if the other decides
		{`true`, []uint32{0, 1, 2, 3, 4}},
		{`false`, nil},
		{`attributes.price < 500 || title == "Untitled"`, []uint32{0, 2, 3}},
		{`!(attributes.price < 500 && title != "Sketch")`, []uint32{1, 2}},
		{`has(attributes.price) ? attributes.price > 500 : has(attributes.artist)`, []uint32{1, 4}},
		{`attributes.price / 0 > 1`, []uint32{0, 1, 2}},
		{`1 / (size(title) - 12) > -1`, []uint32{1, 2, 3, 4}},
		{"// what is on the ground floor\nattributes.artist == 'Monet'\n  && attributes.price < 500", []uint32{0}},
	} {
		p, err := Compile(c.expression, v.Schema())
		if err != nil {
			t.Errorf("%s: %v", c.expression, err)
			continue
		}
		got, err := v.matches(p)
		if err != nil {
			t.Errorf("%s: %v", c.expression, err)
		}
		if diff := cmp.Diff(append([]uint32{}, c.want...), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.expression, diff)
		}
	}
}

// TestFaults checks that every fault is told with its place and, where there is one, a hint.
func TestFaults(t *testing.T) {
	t.Parallel()
	s := gallerist().Schema()
	for _, c := range []struct{ expression, want string }{
		{``, `1:1: is empty`},
		{" \n\t", `1:1: is empty`},
		{`attributes.artits == "Monet"`, `1:1: unknown attribute "artits"; did you mean "artist"?`},
		{`true && attributes["Price"] < 3`, `1:9: unknown attribute "Price"; did you mean "price"?`},
		{"true &&\n  has(attributes.zzz)", `2:7: unknown attribute "zzz"`},
		{`"é" == "é" && attributes.nope == 1`, `1:15: unknown attribute "nope"; did you mean "note"?`},
		{`artist == "Monet"`, `1:1: unknown name "artist"; did you mean attributes.artist?`},
		{`titel == "x"`, `1:1: unknown name "titel"; did you mean title?`},
		{`attribute.price < 3`, `1:1: unknown name "attribute"; did you mean attributes?`},
		{`attributes.keywords.exists(keyword, keywrd == "x")`, `1:37: unknown name "keywrd"; did you mean keyword?`},
		{`attributes.exists(a, true)`, `1:1: attributes wants the name of one, as in attributes.name or attributes["a name"]`},
		{`attributes[title] == "x"`, `1:1: attributes wants the name of one, as in attributes.name or attributes["a name"]`},
		{`attributes.artist == 3`, `1:19: attribute "artist" holds labels: compare it with a text, or with a list of texts by in`},
		{`attributes.artist in [3]`, `1:19: attribute "artist" holds labels: compare it with a text, or with a list of texts by in`},
		{`attributes.artist == attributes.keywords`, `1:19: two attributes with labels cannot be compared as a whole; use exists and in`},
		{`attributes.artist < "M"`, `1:19: no overload of '<' applied to '(labels, string)'`},
		{`attributes.price == "300"`, `1:18: no overload of '==' applied to '(double, string)'`},
		{`attributes.price`, `1:11: gives double, want true or false`},
		{`attributes.year`, `1:11: gives any kind, want true or false`},
		{`title ==`, `1:9: the expression ends too early`},
		{`title = "x"`, `1:7: unexpected '= '`},
		{`create_time - create_time`, `1:13: gives duration, want true or false`},
		{`title == ."x"`, `1:11: unexpected '."x"'`},
		{`title.foo()`, `1:10: unknown name 'foo'`},
		{`title == "x" &`, `1:14: unexpected '&'`},
		{`title.matches("(")`, "1:15: the pattern is not valid RE2: missing closing ): \"(\""},
		{`title.matches(item_id)`, `1:15: the pattern of matches must be a literal`},
		{`matches(title, "x")`, `1:8: matches is written text.matches("pattern")`},
		{`create_time > timestamp("yesterday")`, `1:24: invalid RFC 3339 timestamp "yesterday"`},
		{`create_time.getFullYear("Europe/Paris") == 1`, `1:24: no overload of 'getFullYear' applied to 'timestamp.(string)'`},
		{`has(title)`, `1:5: has() takes an attribute, such as attributes.name or attributes["a name"]`},
		{`attributes.keywords.exists(title, title == "x")`, `1:27: title is a name already, choose another for the variable`},
		{`{"a": 1}["a"] == 1`, `1:1: maps and messages cannot be built in a filter`},
		{`vitrine.Attributes{}.artist == "x"`, `1:19: maps and messages cannot be built in a filter`},
		{`title == b"x"`, `1:10: bytes have no use in a filter`},
		{"title == \"a\x00\"", `1:12: holds a NUL`},
		{"title == \n\"a\xff\"", `2:3: is not valid UTF-8`},
	} {
		checkFault(t, c.expression, s, c.want)
	}
}

func checkFault(t *testing.T, expression string, s *Schema, want string) {
	t.Helper()
	_, err := Compile(expression, s)
	var fault *recsys.FieldError
	if !errors.As(err, &fault) || !errors.Is(err, recsys.ErrInvalid) || fault.Field != "filter" {
		t.Errorf("%.200q: %v, want a fault of filter", expression, err)
		return
	}
	if !strings.HasPrefix(fault.Reason, want) || len(fault.Reason) > 256 {
		t.Errorf("%.200q:\n got %s\nwant %s", expression, fault.Reason, want)
	}
}

// TestLimits checks that what would take long is refused before it is evaluated.
func TestLimits(t *testing.T) {
	t.Parallel()
	s := gallerist().Schema()
	deep := "1:1: is nested more than 64 deep"
	for _, c := range []struct{ name, expression, want string }{
		{"long", `title == "` + strings.Repeat("x", 4096) + `"`, "1:1: has 4107 bytes, want at most 4096"},
		{"parentheses", strings.Repeat("(", 500) + "true" + strings.Repeat(")", 500), deep},
		{"open parentheses", strings.Repeat("(", 4000), deep},
		{"lists", strings.Repeat("[", 4000), deep},
		{"sum", strings.Repeat("1+", 1500) + "1 == 2", deep},
		{"conditions", strings.Repeat("true ? true : ", 250) + "true", deep},
		{"selections", "title" + strings.Repeat(".a", 1500), deep},
		{"nesting", `[1].exists(a, [1].exists(b, [1].exists(c, true)))`, "1:39: exists, all, map and filter are nested more than 2 deep"},
		{"cost", `attributes.keywords.exists(a, attributes.keywords.exists(b, attributes.note.contains(a + b)))`, "1:27: may cost "},
		{"squared list", "[" + strings.Repeat("1,", 900) + "1].exists(a, [" + strings.Repeat("1,", 900) + "1].exists(b, a + b + a + b + a + b > 9))", "1:1811: may cost "},
		{"repetition", `title.matches("(x{20}y{20}){30}")`, "1:15: the pattern has "},
		{"repetitions", `title.matches("` + strings.Repeat(".{1000}", 200) + `")`, "1:15: the pattern has "},
		{"nested repetition", `title.matches("((a{100}){100}){100}")`, "1:15: the pattern is not valid RE2: invalid repeat count"},
		{"classes", `title.matches("` + strings.Repeat(`\\pL{900}`, 50) + `")`, "1:15: the pattern has "},
	} {
		t.Run(c.name, func(t *testing.T) { checkFault(t, c.expression, s, c.want) })
	}
	for _, expression := range []string{
		strings.Repeat("!", 3000) + "true",
		strings.Repeat(`title == "x" || `, 200) + "true",
		"attributes.artist in [" + strings.Repeat(`"ab",`, 800) + `"x"]`,
		"item_id in [" + strings.Repeat(`"ab",`, 800) + `"x"]`,
		`title.matches("` + strings.Repeat("abcd|", 90) + `")`,
	} {
		if _, err := Compile(expression, s); err != nil {
			t.Errorf("%.80s…: %v", expression, err)
		}
	}
}

// TestCatastrophicPattern is slow in backtracking engines: 2^n steps for n letters.
func TestCatastrophicPattern(t *testing.T) {
	t.Parallel()
	v := newVersion().apply(Change{0, &recsys.Item{Attributes: map[string]recsys.Attribute{
		"note": recsys.Text(strings.Repeat("a", 65535) + "!")}}})
	p, err := Compile(`attributes.note.matches("^(a+)+$") || attributes.note.matches("(a*)*b")`, v.Schema())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := v.matches(p); err != nil || len(got) > 0 {
		t.Errorf("found %v, %v", got, err)
	}
}

// TestEmptyCatalogue knows no attribute, so that it cannot say which are unknown.
func TestEmptyCatalogue(t *testing.T) {
	t.Parallel()
	v := newVersion()
	for _, expression := range []string{`attributes.artist == "Monet" && attributes.price < 500`, `has(attributes.x) || !has(attributes.y)`,
		`attributes.keywords.exists(k, k.startsWith("a"))`, `true`, `title == ""`} {
		p, err := Compile(expression, v.Schema())
		if err != nil {
			t.Errorf("%s: %v", expression, err)
			continue
		}
		if found, err := p.Bitmap(context.Background(), v.Index); err != nil || !found.IsEmpty() {
			t.Errorf("%s: found %v, %v", expression, found, err)
		}
	}
}
