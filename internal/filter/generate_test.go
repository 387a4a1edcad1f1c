package filter

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// generator makes random items and expressions over the same few names and values, so that
// everything meets everything.
type generator struct{ *rand.Rand }

var (
	genLabels = []string{"a", "ab", "b", "ba", "sea", "sky", "c c", "é", ""}
	genTexts  = []string{"a", "ab", "a note of the sea", "", "é"}
	genTitles = []string{"", "abc", "Sea view", "sky"}
	genTimes  = []time.Time{{}, time.Date(2020, 5, 6, 7, 8, 9, 10, time.UTC), time.Date(2024, 12, 31, 23, 30, 0, 0, time.FixedZone("", -3600)),
		time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(1650, 1, 1, 0, 0, 0, 0, time.UTC)}
	genNumbers = []float64{0, math.Copysign(0, -1), 1, 2, 2.5, 3, -1, 500, 1e300, 5e-324, 1 << 53}
)

// genNames are attributes by what they hold; mixed has had all kinds, pair labels and numbers.
const (
	artist, keywords, price, year, note, mixed, pair = "artist", "keywords", "price", "year", "note", "mixed", "odd name"
)

func pickOf[T any](g generator, from []T) T { return from[g.IntN(len(from))] }

func (g generator) item(id int) *recsys.Item {
	it := &recsys.Item{ItemID: fmt.Sprint("item-", id), Title: pickOf(g, genTitles), CreateTime: pickOf(g, genTimes),
		Attributes: map[string]recsys.Attribute{}}
	for _, name := range []string{artist, keywords, price, year, note, mixed, pair} {
		if g.IntN(4) > 0 {
			it.Attributes[name] = g.attribute(name)
		}
	}
	return it
}

func (g generator) attribute(name string) recsys.Attribute {
	kind := map[string]int{artist: 0, keywords: 1, price: 2, year: 2, note: 3, mixed: g.IntN(4), pair: g.IntN(3)}[name]
	switch kind {
	case 0:
		return recsys.Labels(pickOf(g, genLabels))
	case 1:
		var labels []string
		for _, l := range genLabels {
			if g.IntN(3) == 0 {
				labels = append(labels, l)
			}
		}
		return recsys.Labels(labels...) // none at times, which is as good as absent
	case 2:
		return recsys.Number(pickOf(g, genNumbers))
	}
	return recsys.Text(pickOf(g, genTexts))
}

// expr is an expression in this package's language and, written out, in plain CEL.
type expr struct{ ours, plain string }

func both(format string, args ...any) expr {
	s := fmt.Sprintf(format, args...)
	return expr{s, s}
}

// expression returns one of up to about 2^depth leaves.
func (g generator) expression(depth int) expr {
	if depth == 0 || g.IntN(6) == 0 {
		return g.leaf()
	}
	a, b := g.expression(depth-1), g.expression(depth-1)
	switch g.IntN(7) {
	case 0, 1:
		return expr{"(" + a.ours + " && " + b.ours + ")", "(" + a.plain + " && " + b.plain + ")"}
	case 2, 3:
		return expr{"(" + a.ours + " || " + b.ours + ")", "(" + a.plain + " || " + b.plain + ")"}
	case 4:
		c := g.expression(depth - 1)
		return expr{"(" + c.ours + " ? " + a.ours + " : " + b.ours + ")", "(" + c.plain + " ? " + a.plain + " : " + b.plain + ")"}
	}
	return expr{"!" + parenthesised(a.ours), "!" + parenthesised(a.plain)}
}

func parenthesised(s string) string { return "(" + s + ")" }

func (g generator) leaf() expr {
	leaves := []func() expr{g.labelLeaf, g.labelLeaf, g.quantifiedLeaf, g.quantifiedLeaf, g.numberLeaf, g.numberLeaf, g.textLeaf,
		g.mixedLeaf, g.mixedLeaf, g.itemLeaf, g.presenceLeaf}
	return pickOf(g, leaves)()
}

// labelsOf is a label attribute as both languages read it.
func (g generator) labelsOf() string { return "attributes." + pickOf(g, []string{artist, keywords}) }

func (g generator) label() string { return fmt.Sprintf("%q", pickOf(g, append(genLabels, "nobody"))) }

func (g generator) list(element func() string) string {
	elements := make([]string, g.IntN(4))
	for i := range elements {
		elements[i] = element()
	}
	return "[" + strings.Join(elements, ", ") + "]"
}

func (g generator) labelLeaf() expr {
	a, l := g.labelsOf(), g.label()
	switch g.IntN(8) {
	case 0:
		return expr{a + " == " + l, l + " in " + a}
	case 1:
		return expr{l + " == " + a, l + " in " + a}
	case 2:
		return expr{a + " != " + l, "!(" + l + " in " + a + ")"}
	case 3:
		list := g.list(g.label)
		return expr{a + " in " + list, a + ".exists(x, x in " + list + ")"}
	case 4:
		return both("%s in %s", l, a)
	case 5:
		test := pickOf(g, []string{"startsWith", "endsWith", "contains"}) + "(" + l + ")"
		return expr{a + "." + test, a + ".exists(x, x." + test + ")"}
	case 6:
		return expr{a + `.matches("^(a|s)")`, a + `.exists(x, x.matches("^(a|s)"))`}
	}
	return expr{"attributes.note == " + a, "attributes.note in " + a}
}

func (g generator) quantifiedLeaf() expr {
	a, l := g.labelsOf(), g.label()
	macro := pickOf(g, []string{"exists", "all", "exists_one"})
	switch g.IntN(8) {
	case 0:
		return both("%s.%s(k, k == %s)", a, macro, l)
	case 1:
		return both("%s.%s(k, k != %s)", a, macro, l)
	case 2:
		return both("%s.%s(k, k in %s)", a, macro, g.list(g.label))
	case 3:
		return both("%s.%s(k, size(k) > %d && k < %s)", a, macro, g.IntN(3), l)
	case 4:
		return both("%s.%s(k, 2 / (size(k) - 1) > %d)", a, macro, g.IntN(3)-1)
	case 5:
		return both("%s.%s(k, %s.exists(o, o == k))", a, macro, g.labelsOf())
	case 6:
		return both("%s.%s(k, [%s].exists(o, o == k))", a, macro, l)
	}
	return both("size(%s.filter(k, k.contains(%s)).map(k, k + %s)) > %d", a, l, l, g.IntN(3))
}

func (g generator) numberLeaf() expr {
	a := "attributes." + pickOf(g, []string{price, year})
	n := g.IntN(5) - 1
	op := pickOf(g, []string{"<", "<=", ">", ">=", "==", "!="})
	switch g.IntN(8) {
	case 0, 1:
		return expr{fmt.Sprintf("%s %s %d", a, op, n), fmt.Sprintf("%s %s %d.0", a, op, n)}
	case 2:
		return expr{fmt.Sprintf("%d %s %s", n, op, a), fmt.Sprintf("%d.0 %s %s", n, op, a)}
	case 3:
		return both("%s %s %v", a, op, pickOf(g, []string{"2.5", "1e300", "-0.0", "5e-324", `double("NaN")`, "1.0 / 0.0", "9007199254740992.0"}))
	case 4:
		return expr{fmt.Sprintf("%s * 2 + 1 %s %d - attributes.year", a, op, n), fmt.Sprintf("%s * 2.0 + 1.0 %s %d.0 - attributes.year", a, op, n)}
	case 5:
		return expr{fmt.Sprintf("%s in [1, 2.5, %d]", a, n), fmt.Sprintf("%s in [1.0, 2.5, %d.0]", a, n)}
	case 6:
		return expr{fmt.Sprintf("(has(%s) ? %s : 2) %s 3u", a, a, op), fmt.Sprintf("(has(%s) ? %s : 2.0) %s 3.0", a, a, op)}
	}
	return both("int(%s) %% 2 == 0", a)
}

func (g generator) textLeaf() expr {
	text := fmt.Sprintf("%q", pickOf(g, genTexts))
	op := pickOf(g, []string{"<", "<=", ">", ">=", "==", "!="})
	switch g.IntN(4) {
	case 0:
		return both("attributes.note %s %s", op, text)
	case 1:
		return both("attributes.note.%s(%s)", pickOf(g, []string{"contains", "startsWith", "endsWith"}), text)
	case 2:
		return both("attributes.note in %s", g.list(g.label))
	}
	return both(`attributes.note.matches("^a.*[ea]$") && size(attributes.note) > %d`, g.IntN(8))
}

// mixedLeaf uses attributes that were seen with several kinds: a text or a number is a set of one.
func (g generator) mixedLeaf() expr {
	a := pickOf(g, []string{"attributes.mixed", `attributes["odd name"]`})
	onSet := func(ours, forList, forOne string) expr {
		return expr{a + ours, "(type(" + a + ") == list ? " + a + forList + " : " + a + forOne + ")"}
	}
	l := g.label()
	switch g.IntN(7) {
	case 0:
		return onSet(" == "+l, ".exists(x, x == "+l+")", " == "+l)
	case 1:
		return onSet(" != "+l, ".all(x, x != "+l+")", " != "+l)
	case 2:
		return onSet(` in ["a", 2, "sea"]`, `.exists(x, x in ["a", 2.0, "sea"])`, ` in ["a", 2.0, "sea"]`)
	case 3:
		return onSet(".startsWith("+l+")", ".exists(x, x.startsWith("+l+"))", ".startsWith("+l+")")
	case 4:
		return expr{l + " in " + a, "(type(" + a + ") == list ? " + l + " in " + a + " : " + a + " == " + l + ")"}
	case 5:
		return onSet(".exists(x, x == "+l+" || x == 2)", ".exists(x, x == "+l+")", " == "+l+" || "+a+" == 2.0")
	}
	n := g.IntN(4)
	return expr{fmt.Sprintf("%s < %d", a, n), fmt.Sprintf("%s < %d.0", a, n)}
}

func (g generator) itemLeaf() expr {
	op := pickOf(g, []string{"<", "<=", ">", ">=", "==", "!="})
	at := pickOf(g, append(genTimes, time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC))).Format(time.RFC3339Nano)
	switch g.IntN(7) {
	case 0:
		return both("item_id %s \"item-%d\"", op, g.IntN(30))
	case 1:
		return both("title.contains(\"e\") || title %s \"Sea\"", op)
	case 2, 3:
		return both("create_time %s timestamp(%q)", op, at)
	case 4:
		return both("timestamp(%q) - duration(\"1h\") %s create_time", at, op)
	case 5:
		return both("create_time.getFullYear() %s 2024", op)
	}
	return both("6 / (size(title) - 3) > 0")
}

func (g generator) presenceLeaf() expr {
	switch name := pickOf(g, []string{artist, keywords, price, note, mixed, pair}); {
	case g.IntN(8) == 0:
		return both("%v", g.IntN(2) == 0)
	case name == pair || g.IntN(2) == 0:
		return expr{fmt.Sprintf("has(attributes[%q])", name), fmt.Sprintf("%q in attributes", name)}
	default:
		return both("has(attributes.%s)", name)
	}
}
