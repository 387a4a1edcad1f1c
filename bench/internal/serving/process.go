package serving

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	pb "github.com/seed-473295a7/vitrine/proto/vitrine/v1"
)

// stopGrace is how long a process may take to end when it is asked to.
const stopGrace = 30 * time.Second

// Build compiles the command under test, as `make build` does.
func Build(ctx context.Context, dir string) (string, error) {
	path := filepath.Join(dir, "vitrine")
	cmd := Command(ctx, "go", "build", "-trimpath", "-o", path, "github.com/seed-473295a7/vitrine/cmd/vitrine")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // at which it removes its temporary files
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build vitrine: %w", WithOutput(err, string(out)))
	}
	return path, nil
}

// WithOutput adds the last line that a failed command printed.
func WithOutput(err error, out string) error {
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if last := lines[len(lines)-1]; last != "" {
		return fmt.Errorf("%w: %s", err, last)
	}
	return err
}

// Command is a process that is asked to stop when ctx ends, and killed if it does not. It is in
// a group of its own: a terminal's ^C reaches it through ctx alone, after its clients.
func Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopGrace
	return cmd
}

// Program is the command under test. Its data directory and temporary files are below Dir.
type Program struct{ Binary, Dir string }

// Command runs the program on a database. The user's own settings stay
// out, but for where ONNX Runtime lies.
func (p Program) Command(ctx context.Context, database string, args ...string) *exec.Cmd {
	cmd := Command(ctx, p.Binary, args...)
	for _, pair := range os.Environ() {
		if !strings.HasPrefix(pair, "VITRINE_") || strings.HasPrefix(pair, "VITRINE_ONNXRUNTIME_LIB=") {
			cmd.Env = append(cmd.Env, pair)
		}
	}
	cmd.Env = append(cmd.Env, "DATABASE_URL="+database, "VITRINE_DATA_DIR="+filepath.Join(p.Dir, "data"))
	return cmd
}

// Server is a running `vitrine serve` and a client of it.
type Server struct {
	cmd        *exec.Cmd
	Client     pb.RecommenderServiceClient
	Conn       *grpc.ClientConn
	metricsURL string
}

// Serve starts a server on free ports and returns once it answers. Stop it.
func (p Program) Serve(ctx context.Context, database string) (*Server, error) {
	cmd := p.Command(ctx, database, "serve", "--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0",
		"--train-period", "24h", "--log-format", "json")
	pipe, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	log := bufio.NewReader(pipe)
	grpcAddress, httpAddress, err := awaitServing(log)
	if err != nil {
		_ = cmd.Process.Kill()
		return nil, errors.Join(fmt.Errorf("vitrine serve: %w", err), cmd.Wait())
	}
	go showFaults(log)
	s := &Server{cmd: cmd, metricsURL: "http://" + httpAddress + "/metrics"}
	if s.Conn, err = grpc.NewClient(grpcAddress, grpc.WithTransportCredentials(insecure.NewCredentials())); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	s.Client = pb.NewRecommenderServiceClient(s.Conn)
	return s, nil
}

// awaitServing reads the log up to the line that tells the ports.
func awaitServing(log *bufio.Reader) (grpcAddress, httpAddress string, err error) {
	var line struct{ Msg, GRPC, HTTP string }
	last := ""
	for {
		text, err := log.ReadString('\n')
		if err != nil {
			return "", "", fmt.Errorf("ended before it served: %s", strings.TrimSpace(last))
		}
		last = text
		if json.Unmarshal([]byte(text), &line) == nil && line.Msg == "serving" {
			return line.GRPC, line.HTTP, nil
		}
	}
}

// showFaults passes on what is logged above INFO, and keeps the pipe from filling up, until the
// process ends.
func showFaults(log *bufio.Reader) {
	for {
		text, err := log.ReadString('\n')
		if err != nil {
			return
		}
		if !strings.Contains(text, `"level":"INFO"`) {
			fmt.Fprint(os.Stderr, text)
		}
	}
}

// Stop ends the server in order.
func (s *Server) Stop() error {
	var faults []error
	if s.Conn != nil {
		faults = append(faults, s.Conn.Close())
	}
	if err := s.cmd.Cancel(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		faults = append(faults, err)
	}
	timer := time.AfterFunc(stopGrace, func() { _ = s.cmd.Process.Kill() })
	defer timer.Stop()
	return errors.Join(append(faults, s.cmd.Wait())...)
}

func (s *Server) CPUSeconds() (float64, error) { return CPUSeconds(s.cmd.Process.Pid) }

// SettledMB is the resident memory a moment after start or load.
func (s *Server) SettledMB(ctx context.Context) (float64, error) {
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-time.After(2 * time.Second):
	}
	return residentMB(s.cmd.Process.Pid)
}
