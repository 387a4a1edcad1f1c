package filter

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// plainOf is an item as the twin sees it: label attributes without labels are absent.
func plainOf(it *recsys.Item) *recsys.Item {
	for name, a := range it.Attributes {
		if absent(a) {
			delete(it.Attributes, name)
		}
	}
	return it
}

// TestPlannerAgreesWithPlainCEL evaluates random expressions over random catalogues both ways,
// at once, and again in later and earlier versions with the program that has answered before.
func TestPlannerAgreesWithPlainCEL(t *testing.T) {
	t.Parallel()
	tw := newTwin(t)
	for seed := range uint64(4) {
		g := generator{rand.New(rand.NewPCG(seed, 7))}
		versions := []version{seeded(g, 1+g.IntN(400))}
		for range 6 {
			versions = append(versions, changed(g, versions[len(versions)-1]))
		}
		for _, v := range versions {
			if err := v.fault(); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		}
		for range 40 {
			checkExpression(t, tw, g.expression(g.IntN(4)), versions, g)
		}
	}
}

// seeded returns a catalogue whose Schema knows all attributes and kinds from the start, so
// that programs stay usable.
func seeded(g generator, n int) version {
	v := newVersion()
	for _, kind := range []recsys.Attribute{recsys.Labels("a"), recsys.Number(1), recsys.Text("a")} {
		all := &recsys.Item{Attributes: map[string]recsys.Attribute{mixed: kind, pair: recsys.Labels("x"), artist: recsys.Labels("x"),
			keywords: recsys.Labels("x"), price: recsys.Number(1), year: recsys.Number(1), note: recsys.Text("x")}}
		v = v.apply(Change{0, all})
	}
	v = v.apply(Change{0, &recsys.Item{Attributes: map[string]recsys.Attribute{pair: recsys.Number(1)}}})
	for i := range n {
		v.items[uint32(i)] = plainOf(g.item(i))
	}
	var changes []Change
	for number, it := range v.items {
		changes = append(changes, Change{number, it})
	}
	return v.apply(changes...)
}

// changed replaces, removes, adds or leaves a few items.
func changed(g generator, v version) version {
	var changes []Change
	for range 1 + g.IntN(12) {
		number := uint32(g.IntN(len(v.items) + 20))
		c := Change{Number: number, Item: plainOf(g.item(int(number)))}
		switch {
		case g.IntN(3) == 0:
			c.Item = nil
		case g.IntN(4) == 0 && v.items[number] != nil:
			c.Item = v.items[number]
		}
		changes = append(changes, c)
	}
	return v.apply(changes...)
}

func checkExpression(t *testing.T, tw *twin, e expr, versions []version, g generator) {
	t.Helper()
	p, err := Compile(e.ours, versions[0].Schema())
	if err != nil {
		t.Fatalf("%s: %v", e.ours, err)
	}
	for range 4 {
		at := g.IntN(len(versions))
		v := versions[at]
		want, err := tw.match(e.plain, v.items)
		if err != nil {
			t.Fatalf("%s: %v", e.plain, err)
		}
		got, err := v.matches(p)
		if err != nil {
			t.Fatalf("%s: %v", e.ours, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%s\nversion %d of %d items (-plain CEL +ours):\n%s", e.ours, at, len(v.items), diff)
		}
	}
}
