package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/postgres"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

func TestInteractionRoundTrip(t *testing.T) {
	t.Parallel()
	b := setup(t)
	user, visitor := recsys.User(strings.Repeat("ü", 128)), recsys.Visitor(oddText)
	written := []recsys.Interaction{
		{Actor: user, ItemID: "never registered", Type: recsys.Rating, Value: 4.5, EventTime: noon, RecommendationID: "r-1"},
		{Actor: visitor, ItemID: oddText, Type: recsys.Hide, EventTime: time.Unix(0, 0).UTC()},
		{Actor: user, ItemID: "a", Type: recsys.View, EventTime: noon.Add(1500 * time.Nanosecond).In(time.FixedZone("CET", 3600))},
		{Actor: recsys.Visitor(user.ID), ItemID: "a", Type: recsys.Purchase, EventTime: noon},
	}
	var writes []engine.InteractionWrite
	for _, in := range written {
		writes = append(writes, engine.InteractionWrite{Interaction: in})
	}
	results, err := b.PutInteractions(t.Context(), writes)
	if err != nil {
		t.Fatal(err)
	}
	written[2].EventTime = noon.Add(time.Microsecond)
	var got []recsys.Interaction
	for _, r := range results {
		if r.Err != nil || r.Seq != 1 || r.Replayed {
			t.Errorf("result %+v", r)
		}
		got = append(got, r.Interaction)
	}
	if diff := cmp.Diff(written, got); diff != "" {
		t.Errorf("results (want, got):\n%s", diff)
	}
	history, err := b.History(t.Context(), user, 10)
	if diff := cmp.Diff([]recsys.Interaction{written[2], written[0]}, history); diff != "" || err != nil {
		t.Errorf("history (want, got):\n%s%v", diff, err)
	}
	if history, err = b.History(t.Context(), visitor, 10); err != nil || len(history) != 1 {
		t.Errorf("history of the visitor: %v, %v", history, err)
	}
	if none, err := b.PutInteractions(t.Context(), nil); err != nil || len(none) != 0 {
		t.Errorf("no interactions: %v, %v", none, err)
	}
}

func TestHistoryOrder(t *testing.T) {
	t.Parallel()
	b := setup(t)
	user := recsys.User("u")
	for i, minute := range []int{5, 1, 5, 9, 1} {
		record(t, b.Store, view(user, fmt.Sprint("item", i), minute))
		record(t, b.Store, view(recsys.Visitor("u"), "other", minute))
	}
	read := func(limit int) (ids []string) {
		history, err := b.History(t.Context(), user, limit)
		if err != nil {
			t.Error(err)
		}
		for _, in := range history {
			ids = append(ids, in.ItemID)
		}
		return ids
	}
	if diff := cmp.Diff([]string{"item3", "item2", "item0", "item4", "item1"}, read(10)); diff != "" {
		t.Errorf("all (want, got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"item3", "item2"}, read(2)); diff != "" {
		t.Errorf("two (want, got):\n%s", diff)
	}
}

func TestInteractionsFilter(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for i, actor := range []recsys.Actor{recsys.User("u"), recsys.User("w"), recsys.Visitor("u")} {
		record(t, b.Store, view(actor, "a", 10-i))
		record(t, b.Store, view(actor, "b", i))
	}
	read := func(of engine.InteractionFilter) (got []string) {
		seq, err := b.Interactions(t.Context(), of, func(in recsys.Interaction) error {
			got = append(got, fmt.Sprint(in.Actor.ID, in.Actor.Visitor, in.ItemID))
			return nil
		})
		if err != nil || seq != 6 {
			t.Errorf("seq %d, %v", seq, err)
		}
		return got
	}
	for _, c := range []struct {
		name string
		of   engine.InteractionFilter
		want []string
	}{
		{"all", engine.InteractionFilter{}, []string{"ufalseb", "wfalseb", "utrueb", "utruea", "wfalsea", "ufalsea"}},
		{"items", engine.InteractionFilter{ItemIDs: []string{"a", "none"}}, []string{"utruea", "wfalsea", "ufalsea"}},
		{"no items", engine.InteractionFilter{ItemIDs: []string{}}, nil},
		{"actors", engine.InteractionFilter{Actors: []recsys.Actor{recsys.Visitor("u"), recsys.User("w"), recsys.Visitor("w")}},
			[]string{"wfalseb", "utrueb", "utruea", "wfalsea"}},
	} {
		if diff := cmp.Diff(c.want, read(c.of)); diff != "" {
			t.Errorf("%s (want, got):\n%s", c.name, diff)
		}
	}
	ids, err := b.ItemIDsSince(t.Context(), 4)
	if diff := cmp.Diff([]string{"a", "b"}, ids); diff != "" || err != nil {
		t.Errorf("since 4 (want, got):\n%s%v", diff, err)
	}
	if ids, err := b.ItemIDsSince(t.Context(), 6); err != nil || len(ids) != 0 {
		t.Errorf("since 6: %v, %v", ids, err)
	}
	stop := errors.New("enough")
	if _, err := b.Interactions(t.Context(), engine.InteractionFilter{}, func(recsys.Interaction) error { return stop }); err != stop {
		t.Errorf("error of the callback: %v", err)
	}
}

func TestListInteractionsPages(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var writes []engine.InteractionWrite
	for i := range 60 {
		actor := recsys.User("u")
		if i%3 == 0 {
			actor = recsys.Visitor("u")
		}
		// Few distinct times: pages must not lose what happened at the same moment.
		writes = append(writes, engine.InteractionWrite{Interaction: view(actor, fmt.Sprint("item", i%4), i%5)})
	}
	if _, err := b.PutInteractions(t.Context(), writes); err != nil {
		t.Fatal(err)
	}
	want := func(keep func(recsys.Interaction) bool) (list []recsys.Interaction) {
		for i := range writes {
			if in := writes[len(writes)-1-i].Interaction; keep(in) {
				list = append(list, in)
			}
		}
		slices.SortStableFunc(list, func(a, b recsys.Interaction) int { return b.EventTime.Compare(a.EventTime) })
		return list
	}
	for _, c := range []struct {
		name string
		q    engine.InteractionQuery
		keep func(recsys.Interaction) bool
	}{
		{"user", engine.InteractionQuery{Actor: recsys.User("u")}, func(in recsys.Interaction) bool { return !in.Actor.Visitor }},
		{"visitor", engine.InteractionQuery{Actor: recsys.Visitor("u")}, func(in recsys.Interaction) bool { return in.Actor.Visitor }},
		{"item", engine.InteractionQuery{ItemID: "item1"}, func(in recsys.Interaction) bool { return in.ItemID == "item1" }},
		{"user and item", engine.InteractionQuery{Actor: recsys.User("u"), ItemID: "item2"},
			func(in recsys.Interaction) bool { return !in.Actor.Visitor && in.ItemID == "item2" }},
		{"nobody", engine.InteractionQuery{Actor: recsys.User("none")}, func(recsys.Interaction) bool { return false }},
	} {
		for _, limit := range []int{1, 7, 100} {
			var got []recsys.Interaction
			q := c.q
			for q.Limit = limit; len(got) <= len(writes); {
				page, err := b.ListInteractions(t.Context(), q)
				if err != nil {
					t.Fatal(err)
				}
				for _, row := range page {
					got = append(got, row.Interaction)
					q.After = engine.InteractionCursor{EventTime: row.EventTime, ID: row.ID}
				}
				if len(page) < limit {
					break
				}
			}
			if diff := cmp.Diff(want(c.keep), got); diff != "" {
				t.Errorf("%s, limit %d (want, got):\n%s", c.name, limit, diff)
			}
		}
	}
	if _, err := b.ListInteractions(t.Context(), engine.InteractionQuery{Limit: 5}); !errors.Is(err, recsys.ErrInvalid) {
		t.Errorf("neither actor nor item: %v", err)
	}
}

func TestPutInteractionsReplays(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var ids requests
	named := func(request recsys.RequestID, minute int) engine.InteractionWrite {
		return engine.InteractionWrite{Interaction: view(recsys.User("u"), "a", minute), Request: request}
	}
	one, two, three := ids.next("one"), ids.next("two"), ids.next("three")
	first, err := b.PutInteractions(t.Context(), []engine.InteractionWrite{named(one, 1)})
	if err != nil || first[0].Err != nil {
		t.Fatal(first, err)
	}
	// The retry comes later, and with a clock of the server's in place of an absent event time.
	results, err := b.PutInteractions(t.Context(), []engine.InteractionWrite{
		named(one, 9), named(two, 2), named(withBody(one, "other"), 1), named(two, 8), named(withBody(two, "other"), 2), named(recsys.RequestID{}, 3),
		named(three, 4)})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct {
		minute   int
		seq      int64
		replayed bool
		err      error
	}{{1, 1, true, nil}, {2, 2, false, nil}, {0, 0, false, recsys.ErrConflict}, {2, 2, true, nil}, {0, 0, false, recsys.ErrConflict},
		{3, 2, false, nil}, {4, 2, false, nil}} {
		got := results[i]
		if !errors.Is(got.Err, want.err) || got.Seq != want.seq || got.Replayed != want.replayed {
			t.Errorf("%d: %+v, want %+v", i, got, want)
		}
		if want.err == nil && !cmp.Equal(view(recsys.User("u"), "a", want.minute), got.Interaction) {
			t.Errorf("%d: %+v, want minute %d", i, got.Interaction, want.minute)
		}
	}
	if n := b.number(t, `SELECT count(*) FROM interaction`); n != 4 {
		t.Errorf("%d interactions, want 4", n)
	}
}

func TestPutInteractionsSameRequestConcurrently(t *testing.T) {
	t.Parallel()
	b := setup(t)
	stores := []*postgres.Store{b.Store, openStore(t, b.url)}
	var ids requests
	const rounds, callers = 30, 16
	requests := make([]recsys.RequestID, rounds)
	for i := range requests {
		requests[i] = ids.next("body")
	}
	seqs := make([][callers]int64, rounds)
	var wg sync.WaitGroup
	for caller := range callers {
		wg.Go(func() {
			for i, request := range requests {
				got, err := stores[caller%2].PutInteractions(t.Context(),
					[]engine.InteractionWrite{{Interaction: view(recsys.User("u"), "a", caller), Request: request}})
				if err != nil || got[0].Err != nil {
					t.Error(got, err)
					return
				}
				seqs[i][caller] = got[0].Seq
			}
		})
	}
	wg.Wait()
	for i := range seqs {
		if slices.Min(seqs[i][:]) != slices.Max(seqs[i][:]) {
			t.Errorf("request %d was answered with change numbers %v", i, seqs[i])
		}
	}
	if n := b.number(t, `SELECT count(*) FROM interaction`); n != rounds {
		t.Errorf("%d interactions, want %d", n, rounds)
	}
}

// Rows the database refuses fail alone, whoever shares their transaction.
func TestFaultyRowsFailAlone(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var ids requests
	sound := func(i int) engine.InteractionWrite {
		w := engine.InteractionWrite{Interaction: view(recsys.User("u"), fmt.Sprint("item", i), i)}
		if i%2 == 0 {
			w.Request = ids.next(fmt.Sprint("body", i))
		}
		return w
	}
	replayed := sound(0)
	if _, err := b.PutInteractions(t.Context(), []engine.InteractionWrite{replayed}); err != nil {
		t.Fatal(err)
	}
	broken := []func(*recsys.Interaction){
		func(in *recsys.Interaction) { in.ItemID = "\xff" },
		func(in *recsys.Interaction) { in.ItemID = "a\x00b" },
		func(in *recsys.Interaction) { in.ItemID = strings.Repeat("x", 257) },
		func(in *recsys.Interaction) { in.ItemID = "" },
		func(in *recsys.Interaction) { in.Actor = recsys.Actor{} },
		func(in *recsys.Interaction) { in.Value = math.NaN() },
		func(in *recsys.Interaction) { in.Value = math.Inf(1) },
		func(in *recsys.Interaction) { in.Value = -1 },
		func(in *recsys.Interaction) { in.Type = 0 },
		func(in *recsys.Interaction) { in.EventTime = time.Date(-10_000, 1, 1, 0, 0, 0, 0, time.UTC) },
	}
	writes := []engine.InteractionWrite{replayed}
	for i, spoil := range broken {
		bad := sound(100 + i)
		spoil(&bad.Interaction)
		writes = append(writes, sound(1+i), bad)
	}
	results, err := b.PutInteractions(t.Context(), writes)
	if err != nil {
		t.Fatal(err)
	}
	if !results[0].Replayed || results[0].Seq != 1 {
		t.Errorf("replay in a faulty batch: %+v", results[0])
	}
	for i, r := range results[1:] {
		if i%2 == 1 && !errors.Is(r.Err, recsys.ErrInvalid) {
			t.Errorf("faulty row %d: %+v", i/2, r)
		}
		if i%2 == 0 && (r.Err != nil || r.Replayed || r.Seq != 2) {
			t.Errorf("sound row %d: %+v", i/2, r)
		}
	}
	if n := b.number(t, `SELECT count(*) FROM interaction`); n != int64(1+len(broken)) {
		t.Errorf("%d interactions, want %d", n, 1+len(broken))
	}
	if n := b.number(t, `SELECT count(*) FROM request`); n != b.number(t, `SELECT count(*) FROM interaction WHERE request_id IS NOT NULL`) {
		t.Errorf("%d responses do not match the interactions", n)
	}
	_, before, _ := b.Heads(t.Context())
	alone, err := b.PutInteractions(t.Context(), writes[2:3])
	if err != nil || !errors.Is(alone[0].Err, recsys.ErrInvalid) {
		t.Errorf("alone: %+v, %v", alone, err)
	}
	if _, seq, _ := b.Heads(t.Context()); seq != before {
		t.Errorf("change number %d, want %d: nothing was written", seq, before)
	}
}

// blockLog holds a log's counter row until the returned function is called.
func (b *bundle) blockLog(t *testing.T, log string) (release func()) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), b.url)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), `BEGIN`); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), `UPDATE change_counter SET seq = seq WHERE log = $1`, log); err != nil {
		t.Fatal(err)
	}
	return sync.OnceFunc(func() { conn.Close(context.WithoutCancel(t.Context())) })
}

func TestGroupCommit(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const callers = 200
	release := b.blockLog(t, "interaction")
	defer release()
	seqs := make([]int64, callers)
	var wg, entered sync.WaitGroup
	entered.Add(callers)
	for i := range callers {
		wg.Go(func() {
			entered.Done()
			writes := []engine.InteractionWrite{{Interaction: view(recsys.User(fmt.Sprint("u", i)), "a", i)}, {Interaction: view(recsys.User(fmt.Sprint("u", i)), "b", i)}}
			results, err := b.PutInteractions(t.Context(), writes)
			if err != nil || results[0].Err != nil || results[1].Err != nil || results[0].Seq != results[1].Seq {
				t.Errorf("caller %d: %+v, %v", i, results, err)
				return
			}
			seqs[i] = results[0].Seq
		})
	}
	entered.Wait()
	release()
	wg.Wait()
	slices.Sort(seqs)
	commits := int64(len(slices.Compact(seqs)))
	if _, last, _ := b.Heads(t.Context()); commits == callers || last != commits {
		t.Errorf("%d callers made %d commits with %d change numbers", callers, commits, last)
	}
	if n := b.number(t, `SELECT count(DISTINCT user_id) FROM interaction`); n != callers {
		t.Errorf("interactions of %d users", n)
	}
}

// A writer of one log is not kept waiting by one of the other that has taken its number.
func TestLogsDoNotWaitForEachOther(t *testing.T) {
	t.Parallel()
	b := setup(t)
	release := b.blockLog(t, "catalog")
	defer release()
	record(t, b.Store, view(recsys.User("u"), "a", 1))
	release()
	release = b.blockLog(t, "interaction")
	defer release()
	put(t, b.Store, itemNamed("a"))
}

func TestPutInteractionsCancelled(t *testing.T) {
	t.Parallel()
	b := setup(t)
	release := b.blockLog(t, "interaction")
	defer release()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := b.PutInteractions(ctx, []engine.InteractionWrite{{Interaction: view(recsys.User("u"), "a", 1)}})
		done <- err
	}()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled call: %v", err)
	}
	release()
	record(t, b.Store, view(recsys.User("u"), "b", 2)) // the committer is sound
}

func TestCloseCommitsWhatWaits(t *testing.T) {
	t.Parallel()
	b := setup(t)
	store := openStore(t, b.url)
	var wg sync.WaitGroup
	var mu sync.Mutex
	stored := 0
	begun := make(chan struct{}, 1000)
	for range 8 {
		wg.Go(func() {
			for i := 0; ; i++ {
				results, err := store.PutInteractions(t.Context(), []engine.InteractionWrite{{Interaction: view(recsys.User("u"), "a", i)}})
				if err != nil {
					if !errors.Is(err, recsys.ErrUnavailable) {
						t.Errorf("after Close: %v", err)
					}
					return
				}
				if results[0].Err == nil {
					mu.Lock()
					stored++
					mu.Unlock()
				}
				select {
				case begun <- struct{}{}:
				default:
				}
			}
		})
	}
	for range 50 {
		<-begun
	}
	store.Close()
	wg.Wait()
	if n := b.number(t, `SELECT count(*) FROM interaction`); n != int64(stored) {
		t.Errorf("%d acknowledged, %d stored", stored, n)
	}
	if _, err := store.History(t.Context(), recsys.User("u"), 1); !errors.Is(err, recsys.ErrUnavailable) {
		t.Errorf("read after Close: %v", err)
	}
	if err := store.Wait(t.Context(), time.Hour); !errors.Is(err, recsys.ErrUnavailable) {
		t.Errorf("Wait after Close: %v", err)
	}
}
