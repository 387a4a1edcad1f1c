package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/seed-473295a7/vitrine/internal/filter"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

func testCatalog(t *testing.T, n int) catalog {
	t.Helper()
	o, err := findOutputs(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return catalog{o, n, 1}
}

func TestCatalogIsReproducible(t *testing.T) {
	t.Parallel()
	c := testCatalog(t, 1000)
	if diff := cmp.Diff(c.item(7), c.item(7)); diff != "" || cmp.Equal(c.item(7).Raw, c.item(8).Raw) {
		t.Errorf("item 7 twice, and 7 as 8:\n%s", diff)
	}
	ignoreClock := cmpopts.IgnoreFields(recsys.Interaction{}, "EventTime")
	if diff := cmp.Diff(c.history(3, 10), c.history(3, 10), ignoreClock); diff != "" || len(c.history(3, 10)) == 0 {
		t.Errorf("history of user 3 twice:\n%s", diff)
	}
}

// The filters are valid, and each allows about one item in forty.
func TestFiltersAllowOneInForty(t *testing.T) {
	t.Parallel()
	c := testCatalog(t, 4000)
	changes := make([]filter.Change, c.n)
	for i := range changes {
		item := c.item(i).Item
		changes[i] = filter.Change{Number: uint32(i), Item: &item}
	}
	index := filter.New().Apply(changes)
	for n := range styles {
		program, err := filter.Compile(filterOf(n), index.Schema())
		if err != nil {
			t.Fatal(err)
		}
		found, err := program.Bitmap(t.Context(), index)
		if err != nil {
			t.Fatal(err)
		}
		if share := float64(found.GetCardinality()) / float64(c.n); share < .015 || share > .035 {
			t.Errorf("%s allows %.3f of the items", filterOf(n), share)
		}
	}
}

func TestStages(t *testing.T) {
	t.Parallel()
	name := func(what, call, stage string) string {
		return "vitrine_stage_seconds_" + what + `{call="` + call + `",stage="` + stage + `"}`
	}
	before := map[string]float64{name("sum", "recommend", "rank"): 1, name("count", "recommend", "rank"): 10}
	after := map[string]float64{name("sum", "recommend", "rank"): 3, name("count", "recommend", "rank"): 14,
		name("sum", "recommend", "history"): 1, name("count", "recommend", "history"): 4,
		name("sum", "other", "rank"): 9, name("count", "other", "rank"): 9}
	if diff := cmp.Diff(map[string]float64{"rank": 500, "history": 250}, stages(before, after, "recommend")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := stages(nil, nil, "recommend"); len(got) != 0 {
		t.Errorf("a server that counts no stages: %v", got)
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	opts, err := parse([]string{"--items", "10,20", "--clients", "4"})
	if diff := cmp.Diff([]int{10, 20}, opts.items); diff != "" || err != nil || !cmp.Equal(opts.clients, []int{4}) {
		t.Errorf("%+v, %v\n%s", opts, err, diff)
	}
	for _, args := range [][]string{{"--items", ""}, {"--items", "10,-1"}, {"--clients", "a"}, {"--seconds", "1ms"}, {"--users", "1"}} {
		if _, err := parse(args); err == nil {
			t.Errorf("%v: no error", args)
		}
	}
}
