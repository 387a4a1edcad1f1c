package evaluate

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// byScore ranks by one score an item, or by what score says.
type byScore struct {
	items []string
	score func(q recsys.RankQuery, item string) float64
}

func (r byScore) Rank(_ context.Context, q recsys.RankQuery) ([]recsys.Ranked, error) {
	seen := map[string]bool{}
	for _, in := range q.History {
		seen[in.ItemID] = true
	}
	var out []recsys.Ranked
	for _, id := range r.items {
		if !seen[id] && (q.Only == nil || q.Only(id)) {
			out = append(out, recsys.Ranked{ItemID: id, Score: r.score(q, id)})
		}
	}
	slices.SortStableFunc(out, func(a, b recsys.Ranked) int {
		switch {
		case a.Score > b.Score:
			return -1
		case a.Score < b.Score:
			return 1
		}
		return 0
	})
	return out[:min(q.K, len(out))], nil
}

func TestMeasureByHand(t *testing.T) {
	t.Parallel()
	scores := map[string]float64{"1": 4, "2": 3, "3": 2, "4": 9}
	r := byScore{[]string{"1", "2", "3", "4"}, func(_ recsys.RankQuery, id string) float64 { return scores[id] }}
	liked := func(ids ...string) (out []recsys.Interaction) {
		for _, id := range ids {
			out = append(out, recsys.Interaction{ItemID: id, Type: recsys.Like})
		}
		return out
	}
	stage := Stage{Only: map[string]bool{"1": true, "2": true, "3": true}, Cases: []Case{
		{Actor: recsys.User("1"), History: liked("1"), Targets: []string{"2"}}, // sees 2, 3: hit at once
		{Actor: recsys.User("2"), History: liked("2"), Targets: []string{"3"}}, // sees 1, 3: hit second
		{Actor: recsys.User("3"), History: liked("2")},                         // nothing to find: no value
	}}
	vectors := map[string][]float32{"1": {1, 0}, "2": {0, 1}, "3": {.6, .8}}
	v, err := stage.Measure(t.Context(), r, Setting{Items: 4, Popularity: map[string]int{"1": 9, "2": 5},
		Vector: func(id string) []float32 { return vectors[id] }})
	if err != nil {
		t.Fatal(err)
	}
	second := 1 / math.Log2(3)
	want := &Values{NDCG100: []float64{1, second}, NDCG10: []float64{1, second}, Recall20: []float64{1, 1}, MRR: []float64{1, .5},
		ColdRecall20: []float64{1}, WarmRecall20: []float64{1}, Distance10: []float64{.2, .4}, Popularity20: []float64{2.5, 4.5},
		ColdShare20: []float64{.5, .5}, Coverage20: 1, folds: 1}
	if diff := cmp.Diff(want, v, cmp.AllowUnexported(Values{}), cmpopts.EquateApprox(0, 1e-6)); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
}

func TestTiesAreBrokenByHash(t *testing.T) {
	t.Parallel()
	items := []string{"10", "20", "30", "40", "50", "60"}
	r := byScore{items, func(_ recsys.RankQuery, id string) float64 { return map[string]float64{"60": 3, "20": 2}[id] }}
	for uid := range uint64(20) {
		tied := []string{"10", "30", "40", "50"}
		slices.SortFunc(tied, func(a, b string) int {
			if Hash(6, uid, numberOf(a)) < Hash(6, uid, numberOf(b)) {
				return -1
			}
			return 1
		})
		list, err := (Stage{}).ask(t.Context(), r, Case{Actor: recsys.User(string(rune('0' + uid)))}, Setting{Items: 6})
		if uid > 9 {
			list, err = (Stage{}).ask(t.Context(), r, Case{Actor: recsys.User("1" + string(rune('0'+uid-10)))}, Setting{Items: 6})
		}
		var got []string
		for _, r := range list {
			got = append(got, r.ItemID)
		}
		if diff := cmp.Diff(append([]string{"60", "20"}, tied...), got); diff != "" || err != nil {
			t.Errorf("user %d (-want +got):\n%s%v", uid, diff, err)
		}
	}
}

// Popularity has ties in plenty: cutting its list must not favour the order of the catalogue.
func TestTiesAtTheEndOfAListAreBrokenByHash(t *testing.T) {
	t.Parallel()
	catalog, rows := randomRows(30, 300, 5)
	l, err := NewLog(catalog, rows, DefaultLogConfig())
	if err != nil {
		t.Fatal(err)
	}
	c := Case{Actor: recsys.User("7")}
	var lists [][]recsys.Ranked
	for _, order := range [][]string{catalog, reversed(catalog)} {
		again, err := NewLog(order, rows, DefaultLogConfig())
		if err != nil {
			t.Fatal(err)
		}
		list, err := (Stage{}).ask(t.Context(), NewPopularity(again, rows, DefaultLogConfig()), c, Setting{Items: len(l.items)})
		if err != nil {
			t.Fatal(err)
		}
		lists = append(lists, list)
	}
	if diff := cmp.Diff(lists[0], lists[1]); diff != "" || len(lists[0]) != listLength {
		t.Errorf("lists of %d (-catalogue +reversed):\n%s", len(lists[0]), diff)
	}
}

func reversed(in []string) []string {
	out := slices.Clone(in)
	slices.Reverse(out)
	return out
}

// A list in random order is worth the number of targets over the number of items.
func TestRandomScoresGetTheExpectedRecall(t *testing.T) {
	t.Parallel()
	l := randomLog(t, 800, 200, 30, DefaultLogConfig())
	folds, err := NewUsers(l)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(3, 3))
	r := byScore{l.items, func(recsys.RankQuery, string) float64 { return random.Float64() }}
	collected := NewCollector()
	for _, fold := range folds {
		v, err := fold.Stages[0].Measure(t.Context(), r, Setting{Items: 200})
		if err != nil {
			t.Fatal(err)
		}
		collected.Add("s", "random", v)
	}
	// 20 of the about 184 items that are not masked.
	if got := EstimateOf(collected.Values("s", "random").Recall20); math.Abs(got.Mean-20./184) > 4*got.StdErr {
		t.Errorf("Recall@20 of random scores is %.3f ± %.3f, want about %.3f", got.Mean, got.StdErr, 20./184)
	}
}

// What a leak does to figures: on a log without structure nothing beats chance, unless it knows.
func TestALeakWouldBeNoticed(t *testing.T) {
	t.Parallel()
	l := randomLog(t, 400, 100, 30, DefaultLogConfig())
	folds, err := NewUsers(l)
	if err != nil {
		t.Fatal(err)
	}
	fold, stage := folds[0], folds[0].Stages[0]
	leaking := slices.Clone(fold.Train)
	for _, c := range stage.Cases {
		leaking = append(leaking, c.History...)
		for _, id := range c.Targets {
			leaking = append(leaking, recsys.Interaction{Actor: c.Actor, ItemID: id, Type: recsys.Like, EventTime: fold.Now})
		}
	}
	recall := func(train []recsys.Interaction) Estimate {
		v, err := stage.Measure(t.Context(), NewItemKNN(l, train, DefaultLogConfig(), 50), Setting{Items: 100})
		if err != nil {
			t.Fatal(err)
		}
		return EstimateOf(v.Recall20)
	}
	chance := 20. / 85 // some 15 items of the hundred are masked
	if honest := recall(fold.Train); math.Abs(honest.Mean-chance) > 4*honest.StdErr {
		t.Errorf("trained on training rows, recall is %.3f ± %.3f where only chance is to be found, %.3f", honest.Mean, honest.StdErr, chance)
	}
	if leaked := recall(leaking); leaked.Mean-chance < 5*leaked.StdErr {
		t.Errorf("trained on test rows too, recall is %.3f ± %.3f: the leak does not show", leaked.Mean, leaked.StdErr)
	}
	fold.Train = leaking
	if err := fold.Check(); !errors.Is(err, recsys.ErrInvalid) {
		t.Errorf("the leaking fold: error %v, want ErrInvalid", err)
	}
}

func TestAreaUnderCurve(t *testing.T) {
	t.Parallel()
	of := func(scores ...float64) (out []scoredCase) { // negative: not wanted
		for _, s := range scores {
			out = append(out, scoredCase{math.Abs(s), s > 0})
		}
		return out
	}
	for name, test := range map[string]struct {
		scores []scoredCase
		want   float64
	}{
		"perfect":     {of(-1, -2, 3, 4), 1},
		"worst":       {of(1, 2, -3, -4), 0},
		"all tied":    {of(1, 1, -1, -1, -1), .5},
		"one swapped": {of(-1, 2, -3, 4), .75},
		"half a tie":  {of(-1, 2, -2), .75},
	} {
		if got := areaUnderCurve(test.scores); math.Abs(got-test.want) > 1e-12 {
			t.Errorf("%s: %g, want %g", name, got, test.want)
		}
	}
	if got := areaUnderCurve(of(1, 2)); !math.IsNaN(got) {
		t.Errorf("without anybody who does not want it: %g, want NaN", got)
	}
}

func TestItemKNNByHand(t *testing.T) {
	t.Parallel()
	likes := map[string][]string{"u": {"a", "b"}, "v": {"a", "b"}, "w": {"a", "c"}, "x": {"d"}}
	l := likesOf(t, []string{"a", "b", "c", "d"}, likes)
	var rows []recsys.Interaction
	for _, u := range l.users {
		rows = append(rows, u.events...)
	}
	list, err := NewItemKNN(l, rows, DefaultLogConfig(), 50).Rank(t.Context(), recsys.RankQuery{K: 3,
		History: []recsys.Interaction{{Actor: recsys.User("new"), ItemID: "a", Type: recsys.Like}}})
	if err != nil {
		t.Fatal(err)
	}
	want := []recsys.Ranked{{ItemID: "b", Score: 2 / math.Sqrt(6)}, {ItemID: "c", Score: 1 / math.Sqrt(3)}, {ItemID: "d"}}
	if diff := cmp.Diff(want, list, cmpopts.EquateApprox(0, 1e-12)); diff != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}
}
