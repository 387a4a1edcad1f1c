package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/localpg"
	"github.com/seed-473295a7/vitrine/internal/pgtest"
	"github.com/seed-473295a7/vitrine/internal/postgres"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// ownServer is a durable server that the test may kill.
func ownServer(t *testing.T) *localpg.Server {
	t.Helper()
	server := pgtest.NewServer(t)
	if err := postgres.Migrate(t.Context(), server.DSN()); err != nil {
		t.Fatal(err)
	}
	return server
}

func kill(t *testing.T, server *localpg.Server) {
	t.Helper()
	if err := syscall.Kill(server.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

// journal is what writers were told.
type journal struct {
	mu           sync.Mutex
	acknowledged map[string]bool
	refused      map[string]bool
	written      chan struct{} // one token for each acknowledgement
}

func (j *journal) note(t *testing.T, id string, err error) {
	if err != nil && !errors.Is(err, recsys.ErrUnavailable) {
		t.Errorf("%s: %v, want ErrUnavailable", id, err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if err != nil {
		j.refused[id] = true
		return
	}
	j.acknowledged[id] = true
	select {
	case j.written <- struct{}{}:
	default:
	}
}

// await returns after n more acknowledgements.
func (j *journal) await(n int) {
	for range n {
		<-j.written
	}
}

// While writers are at work the server is killed with SIGKILL and brought back, twice. What was
// acknowledged is there, once; what has a request id is stored once whatever happened.
func TestAcknowledgedWritesSurviveKill(t *testing.T) {
	t.Parallel()
	server := ownServer(t)
	c := config(t, server.DSN())
	var ensured atomic.Int64
	c.Ensure = func(ctx context.Context) error { ensured.Add(1); return server.Ensure(ctx) }
	store := openConfig(t, c)
	j := &journal{acknowledged: make(map[string]bool), refused: make(map[string]bool), written: make(chan struct{})}
	var ids requests
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var wg sync.WaitGroup
	for worker := range 6 {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				id := fmt.Sprintf("%d-%d", worker, i)
				if worker%3 == 0 {
					_, err := store.PutItems(t.Context(), writesNamed(id))
					j.note(t, id, err)
					continue
				}
				w := engine.InteractionWrite{Interaction: view(recsys.User("u"), id, i)}
				if worker%3 == 1 {
					w.Request = ids.next(id)
				}
				_, err := store.PutInteractions(t.Context(), []engine.InteractionWrite{w})
				j.note(t, id, err)
			}
		})
	}
	for range 2 {
		j.await(100)
		kill(t, server)
	}
	j.await(100)
	stop()
	for done := false; !done; { // writers may be waiting to be counted
		select {
		case <-j.written:
		default:
			done = true
		}
	}
	wg.Wait()
	if ensured.Load() == 0 {
		t.Error("nobody asked for the server")
	}
	checkJournal(t, server, j)
}

func checkJournal(t *testing.T, server *localpg.Server, j *journal) {
	t.Helper()
	raw, err := pgx.Connect(t.Context(), server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close(context.WithoutCancel(t.Context()))
	rows, err := raw.Query(t.Context(), `SELECT item_id, count(*) FROM (SELECT item_id FROM item UNION ALL SELECT item_id FROM interaction) AS w GROUP BY item_id`)
	if err != nil {
		t.Fatal(err)
	}
	stored := make(map[string]int)
	var id string
	var n int
	if _, err := pgx.ForEachRow(rows, []any{&id, &n}, func() error { stored[id] = n; return nil }); err != nil {
		t.Fatal(err)
	}
	for id := range j.acknowledged {
		if stored[id] != 1 {
			t.Errorf("acknowledged write %s is stored %d times", id, stored[id])
		}
		delete(stored, id)
	}
	for id, n := range stored {
		if !j.refused[id] || n != 1 {
			t.Errorf("write %s is stored %d times; it was answered ErrUnavailable: %v", id, n, j.refused[id])
		}
	}
}

// Without anybody to start the server a call fails at once, and the store works again when the
// server is back.
func TestLostServerIsUnavailable(t *testing.T) {
	t.Parallel()
	server := ownServer(t)
	store := openStore(t, server.DSN())
	put(t, store, itemNamed("a"))
	record(t, store, view(recsys.User("u"), "a", 1))
	release, ok, err := store.Lock(t.Context(), "train")
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	defer release()
	kill(t, server)
	<-server.Done()
	for name, err := range map[string]error{
		"put items":        second(store.PutItems(t.Context(), writesNamed("b"))),
		"put interactions": second(store.PutInteractions(t.Context(), []engine.InteractionWrite{{Interaction: view(recsys.User("u"), "b", 1)}})),
		"history":          second(store.History(t.Context(), recsys.User("u"), 1)),
		"load":             second(store.Load(t.Context(), 0, nil, func(engine.ItemRow) error { return nil })),
		"ping":             store.Ping(t.Context()),
	} {
		if !errors.Is(err, recsys.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := server.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := store.Ping(t.Context()); err != nil {
		t.Errorf("server is back: %v", err)
	}
	if rows, err := store.Items(t.Context(), []string{"a", "b"}); err != nil || len(rows) != 1 {
		t.Errorf("items %v, %v", rows, err)
	}
	record(t, store, view(recsys.User("u"), "c", 1))
	if _, ok, err := store.Lock(t.Context(), "train"); err != nil || !ok {
		t.Errorf("the lock went with the server: %v, %v", ok, err)
	}
}
