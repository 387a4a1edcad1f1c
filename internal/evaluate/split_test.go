package evaluate

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// The first users of the poster pack by hash, from an independent implementation.
func TestUsersAreOrderedByHash(t *testing.T) {
	t.Parallel()
	likes := map[string][]string{}
	for id := 1; id <= 610; id++ {
		likes[fmt.Sprint(id)] = []string{"1"}
	}
	l := likesOf(t, []string{"1"}, likes)
	known := []string{"430", "471", "47", "549", "62"}
	var got []string
	for _, fold := range l.userFolds() {
		for _, u := range fold.test {
			if slices.Contains(known, u.actor.ID) {
				got = append(got, u.actor.ID)
			}
		}
	}
	if diff := cmp.Diff(known, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

// positivesIn counts the distinct items that a user likes among events.
func positivesIn(events []recsys.Interaction, actor recsys.Actor) map[string]bool {
	out := map[string]bool{}
	for _, in := range events {
		if in.Actor == actor && in.Type == recsys.Like {
			out[in.ItemID] = true
		}
	}
	return out
}

func TestNewUsersIsAPartition(t *testing.T) {
	t.Parallel()
	l := randomLog(t, 120, 60, 30, DefaultLogConfig())
	folds, err := NewUsers(l)
	if err != nil {
		t.Fatal(err)
	}
	all := l.WithAtLeast(5)
	tested := map[string]int{}
	for _, fold := range folds {
		for _, c := range fold.Stages[0].Cases {
			tested[c.Actor.ID]++
			if len(positivesIn(fold.Train, c.Actor)) > 0 {
				t.Errorf("%s trains on user %s, whom it asks about", fold.Name, c.Actor.ID)
			}
			n := len(c.Targets) + len(positivesIn(c.History, c.Actor))
			if len(c.Targets) != max(1, n/5) {
				t.Errorf("user %s of %d positives has %d targets", c.Actor.ID, n, len(c.Targets))
			}
			checkHashes(t, c)
		}
	}
	if len(folds) != 5 || len(tested) != len(all.users) {
		t.Errorf("%d folds ask about %d users, want 5 and %d", len(folds), len(tested), len(all.users))
	}
	for id, n := range tested {
		if n != 1 {
			t.Errorf("user %s is asked about %d times", id, n)
		}
	}
}

func checkHashes(t *testing.T, c Case) {
	t.Helper()
	hash := func(item string) uint64 { return Hash(2, numberOf(c.Actor.ID), numberOf(item)) }
	for _, target := range c.Targets {
		for item := range positivesIn(c.History, c.Actor) {
			if hash(target) >= hash(item) {
				t.Errorf("user %s: target %s hashes above known item %s", c.Actor.ID, target, item)
			}
		}
	}
}

// A split is drawn from ids: in what order rows come must not matter.
func TestSplitsDoNotDependOnTheOrderOfRows(t *testing.T) {
	t.Parallel()
	catalog, rows := randomRows(300, 100, 80)
	moved := slices.Clone(rows)
	slices.Reverse(moved)
	backwards := slices.Clone(catalog)
	slices.Reverse(backwards)
	for name, split := range map[string]func(*Log) ([]Fold, error){
		"new users": NewUsers, "time": TimeSplit,
		"cold items":     func(l *Log) ([]Fold, error) { return ColdItems(l, 5) },
		"new user curve": func(l *Log) ([]Fold, error) { return NewUserCurve(l, 1, 4) },
	} {
		named := func(catalog []string, rows []recsys.Interaction) []string {
			l, err := NewLog(catalog, rows, DefaultLogConfig())
			if err != nil {
				t.Fatal(err)
			}
			folds, err := split(l)
			if err != nil {
				t.Fatal(err)
			}
			var out []string
			for _, fold := range folds {
				out = append(out, fmt.Sprint(fold.Name, fold.New, len(fold.Train)))
				for _, stage := range fold.Stages {
					for _, c := range stage.Cases {
						slices.Sort(c.Targets)
						out = append(out, fmt.Sprint(stage.Name, c.Actor, c.Targets, len(c.History)))
					}
				}
			}
			return out
		}
		if diff := cmp.Diff(named(catalog, rows), named(backwards, moved)); diff != "" {
			t.Errorf("%s (-in order +reversed):\n%s", name, diff)
		}
	}
}

func TestTimeSplit(t *testing.T) {
	t.Parallel()
	l := randomLog(t, 150, 200, 90, DefaultLogConfig())
	folds, err := TimeSplit(l)
	if err != nil {
		t.Fatal(err)
	}
	fold := folds[0]
	total, trained, last := l.Summary().Positives, 0, time.Time{}
	for _, u := range l.users {
		trained += len(positivesIn(fold.Train, u.actor))
	}
	for _, in := range fold.Train {
		if in.EventTime.After(last) {
			last = in.EventTime
		}
	}
	if trained != 4*total/5 {
		t.Errorf("%d of %d positives are trained on, want four fifths", trained, total)
	}
	for _, c := range fold.Stages[0].Cases {
		before := len(positivesIn(fold.Train, c.Actor))
		later := len(positivesIn(c.History, c.Actor)) - before + len(c.Targets)
		if later < 10 || len(c.Targets) != later-later/2 {
			t.Errorf("user %s has %d later positives and %d targets", c.Actor.ID, later, len(c.Targets))
		}
	}
	for _, c := range fold.Stages[0].Cases {
		newest := c.History[len(c.History)-1].EventTime
		for _, u := range l.users {
			for _, p := range u.positives {
				if u.actor == c.Actor && slices.Contains(c.Targets, l.items[p.item]) && (p.time.Before(newest) || p.time.Before(last)) {
					t.Errorf("user %s: a target of %v is asked after %v", c.Actor.ID, p.time, newest)
				}
			}
		}
	}
}

func TestColdItems(t *testing.T) {
	t.Parallel()
	l := randomLog(t, 100, 63, 30, DefaultLogConfig())
	folds, err := ColdItems(l, 5)
	if err != nil {
		t.Fatal(err)
	}
	times := map[string]int{}
	for _, fold := range folds {
		for _, id := range fold.New {
			times[id]++
		}
		only, all := fold.Stages[0], fold.Stages[1]
		if len(only.Only) != len(fold.New) || all.Only != nil || len(only.Cases) != len(all.Cases) {
			t.Errorf("%s: %d candidates for %d new items", fold.Name, len(only.Only), len(fold.New))
		}
		for k, c := range only.Cases {
			for _, id := range c.Targets {
				if !only.Only[id] {
					t.Errorf("%s: target %s is not new", fold.Name, id)
				}
			}
			checkHashes(t, all.Cases[k])
		}
	}
	if len(times) != 63 {
		t.Errorf("%d of 63 items are new once", len(times))
	}
	for id, n := range times {
		if n != 1 {
			t.Errorf("item %s is new %d times", id, n)
		}
	}
	for _, a := range folds[0].New {
		for _, b := range folds[1].New {
			if Hash(3, numberOf(a), 0) >= Hash(3, numberOf(b), 0) {
				t.Errorf("item %s of the first fold hashes above %s of the second", a, b)
			}
		}
	}
}

func TestNewUserCurve(t *testing.T) {
	t.Parallel()
	folds, err := NewUserCurve(randomLog(t, 200, 60, 30, DefaultLogConfig()), 1, 4, 16)
	if err != nil {
		t.Fatal(err)
	}
	counts := []int{1, 4, 16}
	for s, stage := range folds[0].Stages {
		full := folds[0].Stages[2]
		for k, c := range stage.Cases {
			known := positivesIn(c.History, c.Actor)
			if len(known) > counts[s] {
				t.Errorf("user %s knows %d items, want %d at most", c.Actor.ID, len(known), counts[s])
			}
			for id := range known {
				if !positivesIn(full.Cases[k].History, c.Actor)[id] || c.Left[id] {
					t.Errorf("item %s is known at %d and not later, or is left out as well", id, counts[s])
				}
			}
		}
	}
}

func TestCurve(t *testing.T) {
	t.Parallel()
	folds, err := Curve(randomLog(t, 400, 40, 30, DefaultLogConfig()), 0, 2, 8)
	if err != nil {
		t.Fatal(err)
	}
	fold := folds[0]
	if len(fold.Stages[0].Reveal) != 0 || len(fold.Stages[1].Reveal) == 0 || len(fold.Stages[2].Reveal) != 3*len(fold.Stages[1].Reveal) {
		t.Errorf("stages reveal %d, %d and %d likes, want 0, 2 an item and 6 more",
			len(fold.Stages[0].Reveal), len(fold.Stages[1].Reveal), len(fold.Stages[2].Reveal))
	}
	wanted := map[string]map[string]bool{}
	for _, c := range fold.Stages[0].Cases {
		for _, id := range c.Targets {
			if wanted[id] == nil {
				wanted[id] = map[string]bool{}
			}
			wanted[id][c.Actor.ID] = true
			if c.Left[id] {
				t.Errorf("item %s is a target of %s and out of the way", id, c.Actor.ID)
			}
		}
	}
	for _, in := range slices.Concat(fold.Stages[1].Reveal, fold.Stages[2].Reveal) {
		for id := range wanted[in.ItemID] {
			if Hash(4, numberOf(in.ItemID), numberOf(in.Actor.ID)) >= Hash(4, numberOf(in.ItemID), numberOf(id)) {
				t.Errorf("item %s: revealed user %s hashes above target user %s", in.ItemID, in.Actor.ID, id)
			}
		}
	}
}

// Too little to say anything is said, and no figure given.
func TestTooLittleToEvaluate(t *testing.T) {
	t.Parallel()
	few := likesOf(t, []string{"a", "b", "c", "d", "e", "f"}, map[string][]string{"u": {"a", "b", "c", "d", "e", "f"}, "v": {"a", "b", "c", "d", "e"}})
	for name, l := range map[string]*Log{"nothing": likesOf(t, nil, nil), "no users": likesOf(t, []string{"a"}, nil), "two users": few} {
		for protocol, split := range map[string]func(*Log) ([]Fold, error){
			"new users": NewUsers, "time": TimeSplit,
			"cold items":     func(l *Log) ([]Fold, error) { return ColdItems(l, 1) },
			"curve":          func(l *Log) ([]Fold, error) { return Curve(l, 0, 1) },
			"new user curve": func(l *Log) ([]Fold, error) { return NewUserCurve(l, 1) },
		} {
			if _, err := split(l); !errors.Is(err, recsys.ErrInvalid) {
				t.Errorf("%s, %s: error %v, want ErrInvalid", name, protocol, err)
			}
		}
	}
}

// A leak is found wherever it is.
func TestFoldCheckFindsLeaks(t *testing.T) {
	t.Parallel()
	at := func(user, item string) recsys.Interaction {
		return recsys.Interaction{Actor: recsys.User(user), ItemID: item, Type: recsys.Like, EventTime: start}
	}
	sound := func() Fold {
		return Fold{Name: "f", Train: []recsys.Interaction{at("u", "a"), at("v", "b")}, New: []string{"n"},
			Stages: []Stage{{Cases: []Case{{Actor: recsys.User("u"), History: []recsys.Interaction{at("u", "a")}, Targets: []string{"b", "n"}}}}}}
	}
	if err := sound().Check(); err != nil {
		t.Errorf("a sound fold: %v", err)
	}
	for name, spoil := range map[string]func(*Fold){
		"target trained on":        func(f *Fold) { f.Train = append(f.Train, at("u", "b")) },
		"target known":             func(f *Fold) { f.Stages[0].Cases[0].History = append(f.Stages[0].Cases[0].History, at("u", "n")) },
		"new item in the training": func(f *Fold) { f.Train = append(f.Train, at("w", "n")) },
	} {
		fold := sound()
		spoil(&fold)
		if err := fold.Check(); !errors.Is(err, recsys.ErrInvalid) {
			t.Errorf("%s: error %v, want ErrInvalid", name, err)
		}
	}
}

func TestBinaryLog(t *testing.T) {
	t.Parallel()
	config := DefaultLogConfig()
	config.Binary = true
	rows := []recsys.Interaction{
		{Actor: recsys.User("u"), ItemID: "a", Type: recsys.Rating, Value: 3, EventTime: start},
		{Actor: recsys.User("u"), ItemID: "b", Type: recsys.Rating, Value: 4.5, EventTime: start.Add(2)},
		{Actor: recsys.User("u"), ItemID: "b", Type: recsys.Purchase, EventTime: start.Add(1)},
		{Actor: recsys.User("u"), ItemID: "gone", Type: recsys.Purchase, EventTime: start},
		{Actor: recsys.User("u"), ItemID: "c", Type: recsys.Dislike, EventTime: start},
	}
	l, err := NewLog([]string{"a", "b", "c"}, rows, config)
	if err != nil {
		t.Fatal(err)
	}
	want := []recsys.Interaction{{Actor: recsys.User("u"), ItemID: "b", Type: recsys.Like, EventTime: start.Add(1)}}
	if diff := cmp.Diff(want, l.users[0].events); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if _, err := NewLog([]string{"a", "a"}, nil, config); !errors.Is(err, recsys.ErrInvalid) {
		t.Errorf("an item twice: error %v, want ErrInvalid", err)
	}
}
