package main

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	vitrinev1 "github.com/seed-473295a7/vitrine/proto/vitrine/v1"
)

// TestMain makes the test binary be the command itself when a test asks for it, so that the
// processes under test are real ones, built with whatever the tests were built with.
func TestMain(m *testing.M) {
	if os.Getenv("VITRINE_TEST_BE_COMMAND") == "1" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// process is a running vitrine.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	out    *output
	served chan served
	exited chan struct{}
}

type served struct{ grpc, http string }

// output gathers what a process prints.
type output struct {
	mu sync.Mutex
	b  strings.Builder
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// start runs vitrine with arguments; it is killed at the end of the test if it still runs.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{t: t, out: new(output), served: make(chan served, 1), exited: make(chan struct{})}
	p.cmd = exec.Command(os.Args[0], append([]string{"--log-format", "json"}, args...)...)
	p.cmd.Env = append(os.Environ(), "VITRINE_TEST_BE_COMMAND=1", "DATABASE_URL=", "VITRINE_DATA_DIR="+t.TempDir())
	p.cmd.Stdout = p.out
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.follow(stderr)
		_ = p.cmd.Wait() // the state tells how it ended
		close(p.exited)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.exited
		if t.Failed() {
			t.Logf("output of vitrine %v:\n%s", args, p.out)
		}
	})
	return p
}

// follow copies the log and tells when the process serves.
func (p *process) follow(stderr io.Reader) {
	lines := bufio.NewScanner(stderr)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		p.out.Write(append(lines.Bytes(), '\n'))
		var record struct{ Msg, Grpc, Http string }
		if json.Unmarshal(lines.Bytes(), &record) == nil && record.Msg == "serving" {
			p.served <- served{record.Grpc, record.Http}
		}
	}
}

// serving waits until the process serves and returns its addresses.
func (p *process) serving() served {
	p.t.Helper()
	select {
	case s := <-p.served:
		return s
	case <-p.exited:
		p.t.Fatalf("vitrine ended before it served: %v\n%s", p.cmd.ProcessState, p.out)
	case <-p.t.Context().Done():
		p.t.Fatal("the test ended before vitrine served")
	}
	return served{}
}

// wait waits for the process to end and returns its exit status.
func (p *process) wait() int {
	p.t.Helper()
	<-p.exited
	return p.cmd.ProcessState.ExitCode()
}

// signal sends a signal.
func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// run runs vitrine to its end and returns what it printed and its exit status.
func run(t *testing.T, args ...string) (string, int) {
	t.Helper()
	p := start(t, args...)
	status := p.wait()
	return p.out.String(), status
}

// shop is a client of a serving process.
type shop struct {
	recommender vitrinev1.RecommenderServiceClient
	catalog     vitrinev1.CatalogServiceClient
	conn        *grpc.ClientConn
}

func dial(t *testing.T, address string) shop {
	t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return shop{vitrinev1.NewRecommenderServiceClient(conn), vitrinev1.NewCatalogServiceClient(conn), conn}
}

// anyPort lets the system choose both ports.
var anyPort = []string{"--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0"}

// startServe starts vitrine serve on a database of its own and connects to it.
func startServe(t *testing.T, dsn string, flags ...string) (*process, shop) {
	t.Helper()
	args := append([]string{"--database-url", dsn}, flags...)
	p := start(t, append(append(args, "serve"), anyPort...)...)
	return p, dial(t, p.serving().grpc)
}
