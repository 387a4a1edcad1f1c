package localpg

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

const (
	insertRow = `CREATE TABLE IF NOT EXISTS kept (n int); INSERT INTO kept VALUES (7)`
	countRows = `SELECT count(*)::text FROM kept`
)

func wantRows(t *testing.T, s *Server, want string) {
	t.Helper()
	if got := query(t, s, countRows); got != want {
		t.Errorf("%s acknowledged rows, found %s", want, got)
	}
}

func killServer(t *testing.T, s *Server) {
	t.Helper()
	if err := syscall.Kill(s.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if done := s.Done(); done != nil {
		<-done
	}
}

func TestAKilledServerIsRecovered(t *testing.T) {
	t.Parallel()
	cfg := setupMade(t)
	s := start(t, cfg)
	execute(t, s, insertRow)
	killServer(t, s)
	if err := s.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantRows(t, s, "1")
	execute(t, s, insertRow)
	killServer(t, s)
	next := start(t, cfg) // instead of Ensure
	wantRows(t, next, "2")
	if err := s.Ensure(t.Context()); err != nil || !s.Attached() || s.PID() != next.PID() || s.Done() != nil {
		t.Errorf("the former owner: %v, attached %v, pid %d, want %d", err, s.Attached(), s.PID(), next.PID())
	}
}

// A backend that computes does not notice that its server was killed. A new server
// beside it would corrupt the cluster.
func TestNoServerStartsBesideABackendOfTheLast(t *testing.T) {
	t.Parallel()
	s := start(t, setupMade(t))
	execute(t, s, insertRow)
	conn, err := pgx.Connect(t.Context(), s.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	busy := make(chan error)
	go func() {
		_, err := conn.Exec(t.Context(), `SELECT count(*) FROM generate_series(1, 5000000)`)
		busy <- err
	}()
	const others = `SELECT count(*)::text FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%generate\_series%' AND pid <> pg_backend_pid()`
	eventually(t, "the long query to run", func() bool { return query(t, s, others) == "1" })
	killServer(t, s)
	claim, err := tryLock(s.home.serverLock, s.acct)
	if err != nil || claim != nil {
		t.Fatalf("the backend does not hold the server's lock: %v", err)
	}
	ensured := make(chan error)
	go func() { ensured <- s.Ensure(t.Context()) }()
	<-busy // its outcome is that of a lost connection or of a query that just made it
	if err := <-ensured; err != nil {
		t.Fatal(err)
	}
	wantRows(t, s, "1")
}

func TestAKilledOwnerTakesTheServerAlong(t *testing.T) {
	t.Parallel()
	cfg := setupMade(t)
	owner := launchPartner(t, cfg)
	owner.answer(t)
	guest := start(t, cfg)
	if !guest.Attached() || guest.Done() != nil {
		t.Fatal("not attached to the other process's server")
	}
	execute(t, guest, insertRow)
	owner.kill()
	unclaimed(t, guest) // nobody starts it again by himself, so this ends
	if err := guest.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	if guest.Attached() {
		t.Error("the guest that started the server does not own it")
	}
	wantRows(t, guest, "1")
}

// The next start may find the server of a killed owner still shutting down.
func TestAStartRightAfterTheOwnerWasKilled(t *testing.T) {
	t.Parallel()
	cfg := setupMade(t)
	for _, rows := range []string{"1", "2", "3"} {
		owner := launchPartner(t, cfg)
		owner.answer(t)
		owner.kill()
		s := start(t, cfg)
		if s.Attached() { // it was quick enough to find the old server up
			unclaimed(t, s)
			if err := s.Ensure(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		execute(t, s, insertRow)
		wantRows(t, s, rows)
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAGuestBringsBackTheServerOfAnOwnerThatLeft(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"stop", "exit"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			cfg := setupMade(t)
			owner := launchPartner(t, cfg)
			owner.answer(t)
			first, second := start(t, cfg), launchPartner(t, cfg)
			second.answer(t)
			execute(t, first, insertRow)
			if how == "stop" {
				owner.order(t, "stop")
				owner.answer(t)
			} else {
				owner.in.Close()
				_ = owner.cmd.Wait()
			}
			unclaimed(t, first)
			second.order(t, "ensure") // both at once
			if err := first.Ensure(t.Context()); err != nil {
				t.Fatal(err)
			}
			attached, pid := second.answer(t)
			if attached == first.Attached() || pid != first.PID() {
				t.Errorf("attached %v and %v, pids %d and %d", attached, first.Attached(), pid, first.PID())
			}
			wantRows(t, first, "1")
		})
	}
}

// The initdb of a killed process dies with it, its own children a little later:
// until then nobody may touch what they write to.
func TestAKilledInitialisationIsDoneAgain(t *testing.T) {
	t.Parallel()
	cfg := setup(t)
	whole := cfg.BinDir
	door := filepath.Join(openDir(t), "door")
	if err := errors.Join(syscall.Mkfifo(door, 0o600), os.Chmod(door, 0o666)); err != nil {
		t.Fatal(err)
	}
	cfg.BinDir = stuckInitdb(t, whole, "cat "+door)
	victim := launchPartner(t, cfg)
	begun := filepath.Join(cfg.Dir, "data.new", "PG_VERSION")
	eventually(t, "initdb to begin", func() bool { _, err := os.Stat(begun); return err == nil })
	victim.kill()
	cfg.BinDir = whole
	acct, err := chooseAccount()
	if err != nil {
		t.Fatal(err)
	}
	claim, err := tryLock(filepath.Join(cfg.Dir, "server.lock"), acct)
	if claim != nil || err != nil {
		t.Errorf("a child of initdb lives on and does not hold the server's lock: %v", err)
	}
	opened, err := os.OpenFile(door, os.O_WRONLY, 0) // lets the child end
	if err != nil {
		t.Fatal(err)
	}
	opened.Close()
	s := start(t, cfg)
	if s.Timings().Init == 0 {
		t.Error("used what the killed initdb left")
	}
	if _, err := os.Stat(filepath.Dir(begun)); !os.IsNotExist(err) {
		t.Errorf("data.new is left: %v", err)
	}
}

// After a kill -9 the pid file stays, and in a container its pid soon belongs to
// some other process of the same account: PostgreSQL alone would refuse to start.
func TestAPIDFileThatNamesAStranger(t *testing.T) {
	t.Parallel()
	cfg := setupMade(t)
	s := start(t, cfg)
	execute(t, s, insertRow)
	killServer(t, s)
	unclaimed(t, s)
	stranger := exec.Command("cat")
	stranger.Dir = "/"
	stranger.SysProcAttr = &syscall.SysProcAttr{Credential: s.acct.credential()}
	in, err := stranger.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); _ = stranger.Wait() })
	for _, path := range []string{s.home.pidFile(), filepath.Join(s.home.socket, socketName+".lock")} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(text), "\n")
		if err := os.WriteFile(path, []byte(strconv.Itoa(stranger.Process.Pid)+"\n"+rest), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantRows(t, s, "1")
	if err := stranger.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("the stranger: %v", err)
	}
}
