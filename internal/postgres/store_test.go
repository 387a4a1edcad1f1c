package postgres_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/postgres"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

func TestConfigReportsAllFaults(t *testing.T) {
	t.Parallel()
	c := postgres.DefaultConfig()
	c.URL = "host=/tmp dbname=x"
	if err := c.Validate(); err != nil {
		t.Errorf("default settings: %v", err)
	}
	err := postgres.Config{URL: "postgres://u:secret@h:port/"}.Validate()
	for _, field := range []string{"url", "max_conns", "connect_timeout", "statement_timeout"} {
		if err == nil || !errors.Is(err, recsys.ErrInvalid) || !strings.Contains(err.Error(), field) {
			t.Errorf("%s is missing in %v", field, err)
		}
	}
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("the password is in %v", err)
	}
	if _, err := postgres.Open(t.Context(), postgres.Config{}); !errors.Is(err, recsys.ErrInvalid) {
		t.Errorf("open: %v", err)
	}
	if err := postgres.Migrate(t.Context(), "postgres://u:secret@h:port/"); !errors.Is(err, recsys.ErrInvalid) || strings.Contains(err.Error(), "secret") {
		t.Errorf("migrate: %v", err)
	}
}

func TestOpenWithoutAServer(t *testing.T) {
	t.Parallel()
	c := config(t, "host="+t.TempDir()+" dbname=x user=x")
	if _, err := postgres.Open(t.Context(), c); !errors.Is(err, recsys.ErrUnavailable) {
		t.Errorf("no socket: %v", err)
	}
	calls := 0
	broken := errors.New("broken")
	c.Ensure = func(context.Context) error { calls++; return broken }
	if _, err := postgres.Open(t.Context(), c); !errors.Is(err, recsys.ErrUnavailable) || calls != 1 {
		t.Errorf("no server to be had: %v after %d calls", err, calls)
	}
	if err := postgres.Migrate(t.Context(), c.URL); !errors.Is(err, recsys.ErrUnavailable) {
		t.Errorf("migrate: %v", err)
	}
	if _, _, err := postgres.SchemaVersion(t.Context(), c.URL); !errors.Is(err, recsys.ErrUnavailable) {
		t.Errorf("schema version: %v", err)
	}
}

func TestMigrate(t *testing.T) {
	t.Parallel()
	b := setup(t)
	if _, err := b.raw.Exec(t.Context(), `DROP SCHEMA public CASCADE; CREATE SCHEMA public`); err != nil {
		t.Fatal(err)
	}
	current, known, err := postgres.SchemaVersion(t.Context(), b.url)
	if err != nil || current != 0 || known < 1 {
		t.Errorf("never migrated: %d of %d, %v", current, known, err)
	}
	if _, err := postgres.Open(t.Context(), config(t, b.url)); !errors.Is(err, recsys.ErrIncompatible) {
		t.Errorf("open before migrating: %v", err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := postgres.Migrate(t.Context(), b.url); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if current, _, err = postgres.SchemaVersion(t.Context(), b.url); err != nil || current != known {
		t.Errorf("migrated: %d of %d, %v", current, known, err)
	}
	openStore(t, b.url).Close()
	if _, err := b.raw.Exec(t.Context(), `INSERT INTO goose_db_version (version_id, is_applied) VALUES ($1, true)`, known+1); err != nil {
		t.Fatal(err)
	}
	if err := postgres.Migrate(t.Context(), b.url); !errors.Is(err, recsys.ErrIncompatible) {
		t.Errorf("migrate a newer schema: %v", err)
	}
	if _, err := postgres.Open(t.Context(), config(t, b.url)); !errors.Is(err, recsys.ErrIncompatible) {
		t.Errorf("open a newer schema: %v", err)
	}
}

func TestConnectionsAreDurable(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, err := b.raw.Exec(t.Context(), `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', current_database()); END $$`)
	if err != nil {
		t.Fatal(err)
	}
	// The setting is watched from inside: a trigger keeps what an insert ran with.
	_, err = b.raw.Exec(t.Context(), `CREATE TABLE seen (setting text);
		CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			INSERT INTO seen VALUES (current_setting('synchronous_commit') || ' ' || current_setting('application_name')); RETURN NULL; END $$;
		CREATE TRIGGER see AFTER INSERT ON interaction FOR EACH STATEMENT EXECUTE FUNCTION see();
		CREATE TRIGGER see AFTER INSERT ON item FOR EACH STATEMENT EXECUTE FUNCTION see()`)
	if err != nil {
		t.Fatal(err)
	}
	store := openStore(t, b.url)
	put(t, store, itemNamed("a"))
	record(t, store, view(recsys.User("u"), "a", 1))
	if n := b.number(t, `SELECT count(*) FROM seen WHERE setting = 'on vitrine'`); n != 2 {
		t.Errorf("%d of 2 writes were durable", n)
	}
}

func TestLock(t *testing.T) {
	t.Parallel()
	b := setup(t)
	other := openStore(t, b.url)
	release, ok, err := b.Lock(t.Context(), "train")
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	for _, store := range []*postgres.Store{b.Store, other} {
		if _, ok, err := store.Lock(t.Context(), "train"); err != nil || ok {
			t.Errorf("taken twice: %v, %v", ok, err)
		}
	}
	free, ok, err := other.Lock(t.Context(), "other")
	if err != nil || !ok {
		t.Errorf("another name: %v, %v", ok, err)
	}
	free()
	release()
	release()
	again, ok, err := other.Lock(t.Context(), "train")
	if err != nil || !ok {
		t.Fatalf("after release: %v, %v", ok, err)
	}
	defer again()
	// The lock goes with the connection, as when its holder dies.
	b.terminate(t, `pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory')`)
	release, ok, err = b.Lock(t.Context(), "train")
	if err != nil || !ok {
		t.Fatalf("after the holder's end: %v, %v", ok, err)
	}
	release()
}

// A session that stays in a transaction must not hold up the store for ever: waiting for it
// ends in ErrUnavailable, not in a hang or an internal error.
func TestStatementTimeout(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := config(t, b.url)
	c.StatementTimeout = 50 * time.Millisecond
	store := openConfig(t, c)
	release := b.blockLog(t, "catalog")
	defer release()
	results, err := store.PutItems(t.Context(), writesNamed("a"))
	if !errors.Is(err, recsys.ErrUnavailable) || results != nil {
		t.Errorf("%v, %v", results, err)
	}
	release()
	put(t, store, itemNamed("a"))
}

func TestErrorsNameTheSentinel(t *testing.T) {
	t.Parallel()
	b := setup(t)
	if _, err := b.PutItems(t.Context(), writesNamed("a\x00b")); !errors.Is(err, recsys.ErrInvalid) {
		t.Errorf("NUL: %v", err)
	}
	if _, err := b.PutItems(t.Context(), writesNamed("\xff")); !errors.Is(err, recsys.ErrInvalid) {
		t.Errorf("no UTF-8: %v", err)
	}
	if _, err := b.PutItems(t.Context(), writesNamed(strings.Repeat("x", 300))); !errors.Is(err, recsys.ErrInvalid) {
		t.Errorf("over-long id: %v", err)
	}
	if _, err := b.ListItems(t.Context(), "\xff", 1); !errors.Is(err, recsys.ErrInvalid) {
		t.Errorf("no UTF-8 in a page token: %v", err)
	}
	if _, err := b.raw.Exec(t.Context(), `ALTER TABLE interaction RENAME TO gone`); err != nil {
		t.Fatal(err)
	}
	if _, err := b.History(t.Context(), recsys.User("u"), 1); !errors.Is(err, recsys.ErrIncompatible) {
		t.Errorf("missing table: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Item(ctx, "a"); !errors.Is(err, context.Canceled) || errors.Is(err, recsys.ErrUnavailable) {
		t.Errorf("cancelled: %v", err)
	}
}

// What a server shows of a fault is its FieldError, and that holds no text of the driver.
func TestFieldErrorsHoldNoDriverText(t *testing.T) {
	t.Parallel()
	b := setup(t)
	guarded := writesNamed("missing")
	guarded[0].IfSeq = 1
	results, err := b.PutItems(t.Context(), guarded)
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		results[0].Err,
		second(b.DeleteItem(t.Context(), "missing", recsys.RequestID{})),
		second(b.Item(t.Context(), "missing")),
	} {
		var field *recsys.FieldError
		if !errors.As(err, &field) || !errors.Is(err, recsys.ErrNotFound) || field.Field != "item_id" || field.Reason != "is not registered" {
			t.Errorf("%v", err)
		}
	}
}

func writesNamed(ids ...string) []engine.ItemWrite {
	var writes []engine.ItemWrite
	for _, id := range ids {
		writes = append(writes, itemNamed(id))
	}
	return writes
}

// Writers that wait for a change number must leave connections to those who read, the one they
// wait for among them.
func TestWaitingWritersLeaveConnections(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := config(t, b.url)
	c.MaxConns = 4
	store := openConfig(t, c)
	space, err := store.CreateSpace(t.Context(), recsys.SpaceRecord{Encoder: "enc@1", Dims: 1})
	if err != nil {
		t.Fatal(err)
	}
	put(t, store, pictured(itemNamed("a"), "picture"))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // not to hang when they do not
	defer cancel()
	var wg sync.WaitGroup
	err = b.ActivateSpace(ctx, space, 0, func(rows []engine.ItemRow) ([][]float32, error) {
		for range 20 {
			wg.Go(func() {
				if _, err := store.PutItems(ctx, writesNamed("b")); err != nil {
					t.Error(err)
				}
			})
		}
		for b.number(t, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`) == 0 && ctx.Err() == nil {
		}
		read := store.RawOutputs(ctx, "enc@1", nil, func(string, []float32) error { return store.Ping(ctx) })
		return make([][]float32, len(rows)), read
	})
	if err != nil {
		t.Error(err)
	}
	wg.Wait()
}
