package atlas

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// warned reports whether some warning holds all of the words.
func warned(r *Report, words ...string) bool {
	for _, line := range r.Warnings {
		all := true
		for _, word := range words {
			all = all && strings.Contains(line, word)
		}
		if all {
			return true
		}
	}
	return false
}

func TestDiagnosisSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	items := planted(360)
	good := fit(t, items, map[string]float64{"image": .7, "maker": .3})
	bad := fit(t, items, map[string]float64{"image": .2, "room": .8})
	for i := range items {
		items[i].Input.Attributes["family"] = recsys.Labels("of " + items[i].Input.Attributes["kind"].Labels[0])
		if i%4 == 0 { // after the fit: new makers, and rooms that are numbers of no kind
			items[i].Input.Attributes["maker"] = recsys.Labels(fmt.Sprint("new maker ", i))
			items[i].Input.Attributes["room"] = recsys.Text("somewhere")
		}
	}
	r := run(t, items, []NamedSpace{{"good", good}, {"bad", bad}}, Options{Labels: []string{"kind"}})
	for _, words := range [][]string{
		{"bad", `"room"`, "makes neighbours worse", "share the kind"},
		{"good", `"maker"`, "does not know", "25.0 %"},
		{"bad", `"room"`, "another kind", "25.0 %"},
	} {
		if !warned(r, words...) {
			t.Errorf("nothing was said of %v in %q", words, r.Warnings)
		}
	}
	for _, words := range [][]string{{"good", "makes neighbours worse"}, {"good", "drowns"}, {"good", "hubness"}, {"tells the kind"}} {
		if warned(r, words...) {
			t.Errorf("%v was said, which is not so: %q", words, r.Warnings)
		}
	}
	for _, s := range r.Spaces {
		sum := 0.0
		for _, b := range s.Blocks {
			sum += b.Variance
		}
		if math.Abs(sum-1) > 1e-6 {
			t.Errorf("%s: blocks explain %v of the variance, want 1", s.Name, sum)
		}
	}
	var table strings.Builder
	if err := r.WriteTable(&table); err != nil || !strings.Contains(table.String(), "without a block: change of P@10") || !strings.Contains(table.String(), "\nwarning: bad") {
		t.Errorf("%v\n%s", err, table.String())
	}
}

func TestDiagnosisOfUselessBlocks(t *testing.T) {
	t.Parallel()
	items := planted(120)
	for i := range items {
		items[i].Input.Attributes["room"] = recsys.Labels("the only room")
		items[i].Input.Attributes["maker"] = recsys.Labels("maker of " + items[i].Input.Attributes["kind"].Labels[0])
	}
	s := fit(t, items, map[string]float64{"image": .02, "maker": .9, "room": .08})
	r := run(t, items, []NamedSpace{{"s", s}}, Options{Labels: []string{"kind"}})
	for _, words := range [][]string{
		{`"room"`, "the same for every item"},
		{`"maker"`, "tells the kind of 100.0 %"},
	} {
		if !warned(r, words...) {
			t.Errorf("nothing was said of %v in %q", words, r.Warnings)
		}
	}
}
