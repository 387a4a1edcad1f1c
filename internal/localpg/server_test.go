package localpg

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
)

func TestStartColdThenWarm(t *testing.T) {
	t.Parallel()
	cfg := setup(t)
	cfg.Database = `an "odd" näme`
	cfg.Settings = map[string]string{"work_mem": "5MB", "application_name": "it's"}
	cold := start(t, cfg)
	if cold.Attached() || cold.Timings().Init == 0 || cold.Timings().Start == 0 || cold.PID() == 0 {
		t.Errorf("cold start: attached %v, timings %+v, pid %d", cold.Attached(), cold.Timings(), cold.PID())
	}
	t.Logf("cold %+v", cold.Timings())
	if group, err := syscall.Getpgid(cold.PID()); group != cold.PID() || err != nil {
		t.Errorf("a ^C would reach the server: process group %d, %v", group, err)
	}
	execute(t, cold, `CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)`)
	got := map[string]string{}
	for _, name := range []string{"work_mem", "listen_addresses", "fsync", "synchronous_commit", "data_checksums", "application_name"} {
		got[name] = query(t, cold, `SELECT reset_val FROM pg_settings WHERE name = '`+name+`'`)
	}
	want := map[string]string{"work_mem": "5120", "listen_addresses": "", "fsync": "on", "synchronous_commit": "on",
		"data_checksums": "on", "application_name": "it's"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("settings (want, got):\n%s", diff)
	}
	if err := cold.Stop(); err != nil {
		t.Fatal(err)
	}
	<-cold.Done()
	warm := start(t, cfg)
	t.Logf("warm %+v", warm.Timings())
	if warm.Timings().Init != 0 || warm.Attached() {
		t.Errorf("warm start: attached %v, timings %+v", warm.Attached(), warm.Timings())
	}
	if got := query(t, warm, `SELECT n::text FROM kept`); got != "7" {
		t.Errorf("the row reads %q", got)
	}
}

func TestTheSocketIsPrivate(t *testing.T) {
	t.Parallel()
	s := start(t, setupMade(t))
	for _, dir := range []string{s.home.socket, s.home.data} {
		st, err := os.Stat(dir)
		if err != nil {
			t.Fatal(err)
		}
		if owner := int(st.Sys().(*syscall.Stat_t).Uid); st.Mode().Perm() != 0o700 || owner != s.acct.uid || owner == 0 {
			t.Errorf("%s: mode %v of uid %d", dir, st.Mode(), owner)
		}
	}
}

func TestASecondProcessAttaches(t *testing.T) {
	t.Parallel()
	cfg := setupMade(t)
	s := start(t, cfg)
	other := launchPartner(t, cfg)
	attached, pid := other.answer(t)
	if !attached || pid != s.PID() {
		t.Errorf("the other process: attached %v, pid %d; the server is %d", attached, pid, s.PID())
	}
	other.order(t, "stop")
	other.answer(t)
	if err := s.Ensure(t.Context()); err != nil || s.PID() != pid {
		t.Errorf("after a guest stopped: %v, pid %d, was %d", err, s.PID(), pid)
	}
}

func TestProcessesThatStartTogetherShareOneServer(t *testing.T) {
	t.Parallel()
	cfg := setup(t)
	partners := []*partner{launchPartner(t, cfg), launchPartner(t, cfg), launchPartner(t, cfg)}
	owners, pids := 0, map[int]bool{}
	for _, p := range partners {
		attached, pid := p.answer(t)
		pids[pid] = true
		if !attached {
			owners++
		}
	}
	if owners != 1 || len(pids) != 1 {
		t.Errorf("%d owners, servers %v", owners, pids)
	}
}

func TestEnsureIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	s := start(t, setupMade(t))
	old := s.PID()
	if err := syscall.Kill(old, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-s.Done()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := s.Ensure(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if s.PID() == old || s.Attached() {
		t.Errorf("pid %d, was %d; attached %v", s.PID(), old, s.Attached())
	}
}

func TestStopEndsABootAndForbidsMore(t *testing.T) {
	t.Parallel()
	cfg := setupMade(t)
	s := start(t, cfg)
	lock, err := waitLock(t.Context(), s.home.startLock, s.acct) // as a process that starts a server
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := syscall.Kill(s.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-s.Done()
	booting := make(chan error)
	go func() { booting <- s.Ensure(context.WithoutCancel(t.Context())) }()
	eventually(t, "Ensure to wait for its turn", func() bool { return len(s.turn) == 1 })
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	if err := <-booting; !errors.Is(err, ErrStopped) {
		t.Errorf("Ensure during Stop: %v", err)
	}
	if err := s.Ensure(t.Context()); !errors.Is(err, ErrStopped) {
		t.Errorf("Ensure after Stop: %v", err)
	}
}

func TestALongPathGetsAShortSocket(t *testing.T) {
	t.Parallel()
	for name, part := range map[string]string{"long": strings.Repeat("long", 30), "comma": "a,b"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := setup(t)
			cfg.Dir = filepath.Join(cfg.Dir, part, "d")
			s := start(t, cfg)
			if got := query(t, s, `SELECT current_database()`); got != cfg.Database {
				t.Errorf("database %q", got)
			}
			other := launchPartner(t, cfg)
			if attached, _ := other.answer(t); !attached {
				t.Error("another process did not attach")
			}
			if err := s.Stop(); err != nil {
				t.Fatal(err)
			}
			other.order(t, "ensure") // makes the directory again
			if attached, _ := other.answer(t); attached {
				t.Error("the other process did not start a server of its own")
			}
			other.order(t, "stop")
			other.answer(t)
			if _, err := os.Stat(s.home.socket); !os.IsNotExist(err) {
				t.Errorf("%s is left: %v", s.home.socket, err)
			}
		})
	}
}

func TestAServerThatCannotRunSaysWhy(t *testing.T) {
	t.Parallel()
	cfg := setup(t)
	cfg.Settings = map[string]string{"shared_buffers": "lots"}
	_, err := Start(t.Context(), cfg)
	if !errors.Is(err, ErrNotReady) || !strings.Contains(err.Error(), "shared_buffers") {
		t.Errorf("got %v", err)
	}
	cfg.Settings = nil // the cluster itself is whole
	if s := start(t, cfg); s.Timings().Init != 0 {
		t.Errorf("made the cluster again: %+v", s.Timings())
	}
}

func TestAServerThatDoesNotStopIsKilled(t *testing.T) {
	t.Parallel()
	cfg := setupMade(t)
	cfg.StopTimeout = 100 * time.Millisecond
	s := start(t, cfg)
	execute(t, s, insertRow)
	if err := syscall.Kill(s.PID(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("Stop of a halted server: %v", err)
	}
	<-s.Done()
	cfg.StopTimeout = patience
	wantRows(t, start(t, cfg), "1")
}

func TestCancelEndsInitialisation(t *testing.T) {
	t.Parallel()
	cfg := setup(t)
	whole := cfg.BinDir
	cfg.BinDir = stuckInitdb(t, whole, "")
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error)
	go func() {
		_, err := Start(ctx, cfg)
		failed <- err
	}()
	begun := filepath.Join(cfg.Dir, "data.new", "PG_VERSION")
	eventually(t, "initdb to begin", func() bool { _, err := os.Stat(begun); return err == nil })
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	cfg.BinDir = whole
	start(t, cfg)
}

// stuckInitdb is a directory of programs whose initdb starts child in the
// background, writes PG_VERSION and then goes no further.
func stuckInitdb(t *testing.T, whole, child string) string {
	t.Helper()
	dir := openDir(t)
	if child != "" {
		child += " &\n"
	}
	script := "#!/bin/sh\n" + child + "echo 15 >\"$2/PG_VERSION\"\nexec sleep 600\n"
	if err := os.WriteFile(filepath.Join(dir, "initdb"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(whole, "postgres"), filepath.Join(dir, "postgres")); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestTheDSNWorksForOtherClients(t *testing.T) {
	t.Parallel()
	cfg := setup(t)
	cfg.Dir = filepath.Join(cfg.Dir, "a b+c%d&e=f'g")
	s := start(t, cfg)
	parsed, err := pgx.ParseConfig(s.DSN())
	if err != nil {
		t.Fatal(err)
	}
	if parsed.Host != s.home.socket || parsed.Database != cfg.Database {
		t.Errorf("pgx reads host %q, database %q", parsed.Host, parsed.Database)
	}
	psql := filepath.Join(cfg.BinDir, "psql")
	if !executable(psql) { // the fetched programs come without it
		psql, err = exec.LookPath("psql")
	}
	if err == nil {
		if output, err := exec.Command(psql, "-XAtc", "SELECT 1", s.DSN()).CombinedOutput(); err != nil || strings.TrimSpace(string(output)) != "1" {
			t.Errorf("psql: %v: %s", err, output)
		}
	}
}
