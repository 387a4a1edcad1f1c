package localpg

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// patience bounds every wait for another process; nothing is measured with it.
const patience = 60 * time.Second

// helperVariable turns the test binary into a second process that uses a server.
const helperVariable = "LOCALPG_TEST_HELPER"

func TestMain(m *testing.M) {
	if given := os.Getenv(helperVariable); given != "" {
		if err := help(given); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		return
	}
	code := m.Run()
	if made.dir != "" {
		_ = os.RemoveAll(made.dir)
	}
	os.Exit(code)
}

// help starts or attaches to the server of the given Config, says so, and obeys one
// command a line until its standard input ends.
func help(given string) error {
	var cfg Config
	if err := json.Unmarshal([]byte(given), &cfg); err != nil {
		return err
	}
	ctx := context.Background()
	s, err := Start(ctx, cfg)
	if err != nil {
		return err
	}
	report := func() { fmt.Printf("ready attached=%v pid=%d\n", s.Attached(), s.PID()) }
	report()
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		switch in.Text() {
		case "ensure":
			err = s.Ensure(ctx)
		case "stop":
			err = s.Stop()
		}
		if err != nil {
			return err
		}
		report()
	}
	return nil
}

// partner is another process that runs help.
type partner struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

// launchPartner does not wait for it; call answer.
func launchPartner(t *testing.T, cfg Config) *partner {
	t.Helper()
	given, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), helperVariable+"="+string(given))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &partner{cmd: cmd, in: in, out: bufio.NewScanner(out)}
	t.Cleanup(p.kill)
	return p
}

func (p *partner) answer(t *testing.T) (attached bool, pid int) {
	t.Helper()
	if !p.out.Scan() {
		t.Fatalf("the other process ended: %v", p.out.Err())
	}
	if _, err := fmt.Sscanf(p.out.Text(), "ready attached=%t pid=%d", &attached, &pid); err != nil {
		t.Fatalf("the other process said %q", p.out.Text())
	}
	return attached, pid
}

func (p *partner) order(t *testing.T, command string) {
	t.Helper()
	if _, err := fmt.Fprintln(p.in, command); err != nil {
		t.Fatal(err)
	}
}

// kill is kill -9; it returns when the process is gone. Later calls do nothing.
func (p *partner) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// binDir is an installed PostgreSQL, or one that is fetched once for all tests.
var binDir = sync.OnceValues(func() (string, error) {
	acct, err := chooseAccount()
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil || acct.enter(filepath.Dir(cache)) != nil {
		cache = "/var/cache"
	}
	s := &Server{cfg: Config{CacheDir: filepath.Join(cache, "vitrine")}, acct: acct, log: discard()}
	s.home = newLayout(filepath.Join(cache, "vitrine"), acct)
	return s.programs(context.Background())
})

// setup is a Config on an empty directory that any account can enter, which
// t.TempDir's is not. The directory goes away after everything registered later.
func setup(t *testing.T) Config {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Dir = openDir(t)
	cfg.StartTimeout = patience
	bin, err := binDir()
	if err != nil {
		t.Fatal(err)
	}
	cfg.BinDir = bin
	return cfg
}

// made is a cluster that most tests copy: initdb is most of a cold start.
var made struct {
	once sync.Once
	dir  string
	err  error
}

// setupMade is setup with a cluster in the directory.
func setupMade(t *testing.T) Config {
	t.Helper()
	cfg := setup(t)
	made.once.Do(func() {
		if made.dir, made.err = makeOpenDir(); made.err != nil {
			return
		}
		first := cfg
		first.Dir = made.dir
		s, err := Start(t.Context(), first)
		if made.err = err; err == nil {
			made.err = s.Stop()
		}
	})
	if made.err != nil {
		t.Fatal(made.err)
	}
	if output, err := exec.Command("cp", "-Rp", filepath.Join(made.dir, "data"), cfg.Dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	return cfg
}

func makeOpenDir() (string, error) {
	dir, err := os.MkdirTemp("", "localpg-")
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o755)
}

func openDir(t *testing.T) string {
	t.Helper()
	dir, err := makeOpenDir()
	if err != nil {
		t.Fatal(err)
	}
	// A server whose owner was killed may still be shutting down in there.
	t.Cleanup(func() { eventually(t, "removing "+dir, func() bool { return os.RemoveAll(dir) == nil }) })
	return dir
}

// start is Start that is stopped after the test.
func start(t *testing.T, cfg Config) *Server {
	t.Helper()
	s, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// eventually polls for what no signal announces: the state of other processes.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); {
		if time.Now().After(deadline) {
			t.Fatalf("still waiting after %v: %s", patience, what)
		}
		<-time.After(5 * time.Millisecond)
	}
}

// unclaimed waits until no process of any server is left.
func unclaimed(t *testing.T, s *Server) {
	t.Helper()
	eventually(t, "the server's processes to end", func() bool {
		f, err := tryLock(s.home.serverLock, s.acct)
		if err != nil {
			t.Fatal(err)
		}
		return f != nil && f.Close() == nil
	})
}

func execute(t *testing.T, s *Server, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

func query(t *testing.T, s *Server, sql string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var value string
	if err := conn.QueryRow(t.Context(), sql).Scan(&value); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(value)
}
