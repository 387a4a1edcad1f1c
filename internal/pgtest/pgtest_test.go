package pgtest

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-473295a7/vitrine/internal/postgres"
)

// helperVariable turns this binary into another process whose tests use a database.
const helperVariable = "PGTEST_TEST_HELPER"

func query[T any](t *testing.T, url, statement string, args ...any) T {
	t.Helper()
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var value T
	if err := db.QueryRowContext(t.Context(), statement, args...).Scan(&value); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	return value
}

func execute(t *testing.T, url, statement string) {
	t.Helper()
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func exists(t *testing.T, url, database string) bool {
	t.Helper()
	return query[bool](t, url, `SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)`, database)
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); {
		if time.Now().After(deadline) {
			t.Fatalf("still waiting: %s", what)
		}
		<-time.After(10 * time.Millisecond)
	}
}

func TestNewIsMigrated(t *testing.T) {
	t.Parallel()
	current, known, err := postgres.SchemaVersion(t.Context(), New(t))
	if err != nil || current != known || current == 0 {
		t.Errorf("schema version %d of %d, %v", current, known, err)
	}
}

func TestDatabasesArePrivateAndDropped(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var urls []string
	t.Run("users", func(t *testing.T) {
		for i := range 6 {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				url := New(t)
				execute(t, url, `CREATE TABLE mine (n int)`) // exists already if it is shared
				mu.Lock()
				defer mu.Unlock()
				urls = append(urls, url)
			})
		}
	})
	other := New(t)
	for _, url := range urls {
		if exists(t, other, databaseOf(url)) {
			t.Errorf("%s is still there", databaseOf(url))
		}
	}
}

func TestADatabaseInUseIsDroppedToo(t *testing.T) {
	t.Parallel()
	var url string
	t.Run("user", func(t *testing.T) {
		url = New(t)
		db, err := sql.Open("pgx", url)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.Conn(t.Context()); err != nil { // and never closed
			t.Fatal(err)
		}
	})
	if exists(t, New(t), databaseOf(url)) {
		t.Error("it is still there")
	}
}

// On a server that outlives the process, as DATABASE_URL names.
func TestTemplateIsMadeOnceForItsMigrations(t *testing.T) {
	t.Parallel()
	server := NewServer(t)
	var migrated atomic.Int32
	migrate := func(ctx context.Context, url string) error {
		migrated.Add(1)
		execute(t, url, `CREATE TABLE planted AS SELECT 42 AS n`)
		return nil
	}
	var wg sync.WaitGroup
	for range 4 { // as many processes
		wg.Go(func() {
			s, err := newSource(t.Context(), server.DSN(), "one", migrate)
			if err != nil {
				t.Error(err)
				return
			}
			url, err := s.clone(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			if got := query[int](t, url, `SELECT n FROM planted`); got != 42 {
				t.Errorf("the clone holds %d", got)
			}
		})
	}
	wg.Wait()
	if got := migrated.Load(); got != 1 {
		t.Errorf("migrated %d times", got)
	}
	if _, err := newSource(t.Context(), server.DSN(), "two", migrate); err != nil || migrated.Load() != 2 {
		t.Errorf("other migrations: %v, migrated %d times", err, migrated.Load())
	}
}

func TestAHalfMadeTemplateIsMadeAgain(t *testing.T) {
	t.Parallel()
	server := NewServer(t)
	halfWay := errors.New("half way")
	_, err := newSource(t.Context(), server.DSN(), "half", func(_ context.Context, url string) error {
		execute(t, url, `CREATE TABLE planted (n int)`)
		return halfWay
	})
	if !errors.Is(err, halfWay) {
		t.Fatalf("got %v", err)
	}
	_, err = newSource(t.Context(), server.DSN(), "half", func(_ context.Context, url string) error {
		execute(t, url, `CREATE TABLE planted (n int)`) // fails beside the first
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestDropSparesOtherDatabases(t *testing.T) {
	t.Parallel()
	if err := (source{url: "postgres://localhost/x"}).drop(t.Context(), "postgres://localhost/vitrine"); err == nil {
		t.Error("would have dropped it")
	}
}

func TestWithDatabase(t *testing.T) {
	t.Parallel()
	for dsn, want := range map[string]string{
		"postgres://u:p%40@h:1/old?sslmode=disable": "postgres://u:p%40@h:1/new?sslmode=disable",
		"postgresql://u@/old?host=%2Frun%2Fa%20b":   "postgresql://u@/new?host=%2Frun%2Fa%20b",
		"postgres://h":                               "postgres://h/new",
		"host=/run user=u dbname=old":                "host=/run user=u dbname=old dbname=new",
		"host=/run user=u dbname=old sslmode=verify": "host=/run user=u dbname=old sslmode=verify dbname=new",
	} {
		got := withDatabase(dsn, "new")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (want, got):\n%s", dsn, diff)
		}
		if name := databaseOf(got); name != "new" {
			t.Errorf("%s: read back %q", got, name)
		}
	}
}

func TestDigestFollowsNamesAndTexts(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for name, files := range map[string]fstest.MapFS{
		"one":          {"1.sql": {Data: []byte("a")}},
		"other text":   {"1.sql": {Data: []byte("b")}},
		"other name":   {"2.sql": {Data: []byte("a")}},
		"another file": {"1.sql": {Data: []byte("a")}, "2.sql": {}},
	} {
		digest, err := digestOf(files)
		if err != nil || len(digest) != 16 {
			t.Errorf("%s: %q, %v", name, digest, err)
		}
		if twin, ok := seen[digest]; ok {
			t.Errorf("%s and %s have the same digest", name, twin)
		}
		seen[digest] = name
	}
}

func TestNewServerKeepsWhatItAcknowledged(t *testing.T) {
	t.Parallel()
	server := NewServer(t)
	execute(t, server.DSN(), `CREATE TABLE kept AS SELECT 7 AS n`)
	if err := syscall.Kill(server.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-server.Done()
	if err := server.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := query[int](t, server.DSN(), `SELECT n FROM kept`); got != 7 {
		t.Errorf("got %d", got)
	}
	for setting, want := range map[string]string{"fsync": "on", "synchronous_commit": "on"} {
		if got := query[string](t, server.DSN(), `SELECT current_setting($1)`, setting); got != want {
			t.Errorf("%s is %s", setting, got)
		}
	}
}

func TestDirIsRemoved(t *testing.T) {
	t.Parallel()
	var dir string
	t.Run("user", func(t *testing.T) {
		dir = Dir(t)
		if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
			t.Errorf("not empty: %v, %v", left, err)
		}
	})
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("%s is left: %v", dir, err)
	}
}

// TestAsAnotherProcess is the other process of TestNothingIsLeftBehind.
func TestAsAnotherProcess(t *testing.T) {
	if os.Getenv(helperVariable) == "" {
		return
	}
	t.Setenv("DATABASE_URL", "")
	New(t)
	found, err := filepath.Glob(filepath.Join(ground.path, "*", "data", "postmaster.pid"))
	if err != nil || len(found) != 1 {
		t.Fatalf("servers %v, %v", found, err)
	}
	text, err := os.ReadFile(found[0])
	if err != nil {
		t.Fatal(err)
	}
	pid, _, _ := bytes.Cut(text, []byte("\n"))
	fmt.Printf("ground %s %s\n", ground.path, pid)
	switch os.Getenv(helperVariable) {
	case "panic":
		panic("as told")
	case "kill":
		_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
	}
}

func TestNothingIsLeftBehind(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"return", "panic", "kill"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			other, path, pid := startOther(t, how)
			if how == "kill" {
				if err := other.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
			if err := other.Wait(); (err == nil) != (how == "return") {
				t.Errorf("the other process ended with %v", err)
			}
			eventually(t, path+" to go", func() bool { _, err := os.Stat(path); return os.IsNotExist(err) })
			eventually(t, "its server to end", func() bool { return syscall.Kill(pid, 0) != nil })
		})
	}
}

// startOther returns when the other process has its directory, path, and its server.
func startOther(t *testing.T, how string) (other *exec.Cmd, path string, pid int) {
	t.Helper()
	other = exec.Command(os.Args[0], "-test.run=^TestAsAnotherProcess$", "-test.count=1")
	other.Env = append(os.Environ(), helperVariable+"="+how)
	in, err := other.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close() })
	out, err := other.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if _, err := fmt.Sscanf(lines.Text(), "ground %s %d", &path, &pid); err == nil {
			return other, path, pid
		}
	}
	t.Fatalf("the other process said nothing: %v", other.Wait())
	return nil, "", 0
}

func BenchmarkNew(b *testing.B) {
	New(b)
	for b.Loop() {
		New(b)
	}
}
