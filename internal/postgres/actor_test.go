package postgres_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// traces counts the rows of every table of the database that hold a text anywhere.
func (b *bundle) traces(t *testing.T, text string) map[string]int64 {
	t.Helper()
	rows, err := b.raw.Query(t.Context(), `SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
		WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`)
	if err != nil {
		t.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(tables) < 12 {
		t.Fatalf("tables %v, %v", tables, err)
	}
	found := make(map[string]int64)
	for _, table := range tables {
		if n := b.number(t, `SELECT count(*) FROM `+table+` AS r WHERE strpos(r::text, $1) > 0`, text); n > 0 {
			found[table] = n
		}
	}
	return found
}

func TestDeleteUserLeavesNoTrace(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var ids requests
	const user, visitor, other = "user-4711", "visitor-4711", "user-0815"
	put(t, b.Store, itemNamed("a"))
	writes := []engine.InteractionWrite{
		{Interaction: view(recsys.Visitor(visitor), "a", 1), Request: ids.next("v")},
		{Interaction: view(recsys.User(user), "a", 2), Request: ids.next("u")},
		{Interaction: view(recsys.User(user), "b", 3)},
		{Interaction: view(recsys.User(other), "a", 4), Request: ids.next("o")},
	}
	if _, err := b.PutInteractions(t.Context(), writes); err != nil {
		t.Fatal(err)
	}
	if n, err := b.MergeUsers(t.Context(), visitor, user, ids.next("merge")); err != nil || n != 1 {
		t.Fatalf("merged %d, %v", n, err)
	}
	if len(b.traces(t, user)) == 0 || len(b.traces(t, visitor)) == 0 {
		t.Fatal("the search for traces finds nothing")
	}
	request := ids.next("delete")
	if n, err := b.DeleteUser(t.Context(), recsys.User(user), request); err != nil || n != 3 {
		t.Fatalf("deleted %d, %v", n, err)
	}
	for _, id := range []string{user, visitor} {
		if found := b.traces(t, id); len(found) > 0 {
			t.Errorf("%s is left in %v", id, found)
		}
	}
	if n := b.number(t, `SELECT count(*) FROM request`); n != 2 {
		t.Errorf("%d stored responses, want the other user's and the deletion's", n)
	}
	if n, err := b.DeleteUser(t.Context(), recsys.User(user), request); err != nil || n != 3 {
		t.Errorf("replay: %d, %v", n, err)
	}
	if _, err := b.DeleteUser(t.Context(), recsys.User(other), withBody(request, "delete other")); !errors.Is(err, recsys.ErrConflict) {
		t.Errorf("same id, other body: %v", err)
	}
	if n, err := b.DeleteUser(t.Context(), recsys.User(user), ids.next("again")); err != nil || n != 0 {
		t.Errorf("nobody: %d, %v", n, err)
	}
	if history, err := b.History(t.Context(), recsys.User(other), 10); err != nil || len(history) != 1 {
		t.Errorf("the other user has %v, %v", history, err)
	}
	again := putInteraction(t, b, writes[1])
	if again.Replayed {
		t.Error("the response to a deleted user's interaction was still there")
	}
}

func putInteraction(t *testing.T, b *bundle, w engine.InteractionWrite) engine.InteractionResult {
	t.Helper()
	results, err := b.PutInteractions(t.Context(), []engine.InteractionWrite{w})
	if err != nil || results[0].Err != nil {
		t.Fatal(results, err)
	}
	return results[0]
}

func TestDeleteVisitorAfterMerge(t *testing.T) {
	t.Parallel()
	b := setup(t)
	record(t, b.Store, view(recsys.Visitor("visitor-1"), "a", 1))
	if _, err := b.MergeUsers(t.Context(), "visitor-1", "user-1", recsys.RequestID{}); err != nil {
		t.Fatal(err)
	}
	if n, err := b.DeleteUser(t.Context(), recsys.Visitor("visitor-1"), recsys.RequestID{}); err != nil || n != 0 {
		t.Errorf("deleted %d, %v: the interactions are the user's now", n, err)
	}
	if found := b.traces(t, "visitor-1"); len(found) > 0 {
		t.Errorf("the visitor is left in %v", found)
	}
	// Followers that were not told of the merge yet must still learn that something changed.
	if changes, err := b.Changes(t.Context(), 0, 0, 0, 1); err != nil || !changes.Reload {
		t.Errorf("changes since before the merge: %+v, %v", changes, err)
	}
}

func TestMergeUsers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var ids requests
	visit := engine.InteractionWrite{Interaction: view(recsys.Visitor("v"), "a", 1), Request: ids.next("visit")}
	putInteraction(t, b, visit)
	record(t, b.Store, view(recsys.User("u"), "b", 2))
	record(t, b.Store, view(recsys.User("v"), "c", 3)) // a user who happens to be called like the visitor
	request := ids.next("merge")
	for i, replay := range []bool{false, true} {
		if n, err := b.MergeUsers(t.Context(), "v", "u", request); err != nil || n != 1 {
			t.Errorf("merge %d (replay %v): %d, %v", i, replay, n, err)
		}
	}
	if _, err := b.MergeUsers(t.Context(), "v", "w", withBody(request, "merge into w")); !errors.Is(err, recsys.ErrConflict) {
		t.Errorf("same id, other body: %v", err)
	}
	if n, err := b.MergeUsers(t.Context(), "v", "u", ids.next("again")); err != nil || n != 0 {
		t.Errorf("again: %d, %v", n, err)
	}
	history, err := b.History(t.Context(), recsys.User("u"), 10)
	want := []recsys.Interaction{view(recsys.User("u"), "b", 2), view(recsys.User("u"), "a", 1)}
	if diff := cmp.Diff(want, history); diff != "" || err != nil {
		t.Errorf("history (want, got):\n%s%v", diff, err)
	}
	if history, _ := b.History(t.Context(), recsys.User("v"), 10); len(history) != 1 {
		t.Errorf("history of the namesake: %v", history)
	}
	changes, err := b.Changes(t.Context(), 0, 0, 0, 3)
	if err != nil {
		t.Fatal(err)
	}
	wantChanges := engine.Changes{InteractionSeq: 4, Actors: []recsys.Actor{recsys.Visitor("v"), recsys.User("u")}}
	if diff := cmp.Diff(wantChanges, changes); diff != "" {
		t.Errorf("changes (want, got):\n%s", diff)
	}
	if again := putInteraction(t, b, visit); !again.Replayed || again.Interaction.Actor != recsys.Visitor("v") {
		t.Errorf("replay after the merge: %+v", again)
	}
}

// The log of merges is kept for a day; who is further behind is told to load everything.
func TestOldMergesAreForgotten(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for i := range 3 {
		record(t, b.Store, view(recsys.Visitor(fmt.Sprint("v", i)), "a", 1))
		if _, err := b.MergeUsers(t.Context(), fmt.Sprint("v", i), "u", recsys.RequestID{}); err != nil {
			t.Fatal(err)
		}
		if i == 1 {
			if _, err := b.raw.Exec(t.Context(), `UPDATE actor_change SET create_time = now() - interval '2 days' WHERE visitor_id = 'v0'`); err != nil {
				t.Fatal(err)
			}
		}
	}
	var kept []bool
	for seq := range int64(7) {
		changes, err := b.Changes(t.Context(), 0, 0, 0, seq)
		if err != nil {
			t.Fatal(err)
		}
		kept = append(kept, !changes.Reload)
	}
	// Numbers: record 1, merge 2 (forgotten), record 3, merge 4, record 5, merge 6.
	if want := []bool{false, false, true, true, true, true, true}; !slices.Equal(want, kept) {
		t.Errorf("the log reaches back to %v, want %v", kept, want)
	}
	if n := b.number(t, `SELECT count(*) FROM actor_change`); n != 2 {
		t.Errorf("%d merges are kept, want 2", n)
	}
}
