package localpg

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Server is a private PostgreSQL, started by this process or attached to.
//
// Its methods are safe for concurrent use.
type Server struct {
	cfg  Config
	home layout
	acct account
	log  *slog.Logger

	turn     chan struct{} // one place: who boots or stops
	stopping chan struct{} // closed by Stop
	stopOnce sync.Once

	mu      sync.Mutex
	child   *process // the server that this process started last; nil while attached
	timings Timings
}

// Timings says how long the last start took.
type Timings struct {
	Init  time.Duration // making the cluster; 0 when there was one
	Start time.Duration // from then until the server answered
}

// Start makes the cluster (the first time), starts its server or attaches to the
// one that runs, and creates the database. It returns once the server answers, or
// when ctx ends; ctx is not needed afterwards. The caller ends it with Stop.
//
// Errors: ErrNoBinaries, ErrDirectory (the message names the directory),
// ErrNotReady (with the end of the server's log), a cause from ctx.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	s, err := open(cfg)
	if err != nil {
		return nil, err
	}
	if err := s.boot(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// open prepares the directories.
func open(cfg Config) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	root, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, err
	}
	acct, err := chooseAccount(filepath.Join(root, "data"), root)
	if err != nil {
		return nil, err
	}
	if err := acct.makeDir(root); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDirectory, err)
	}
	if root, err = filepath.EvalSymlinks(root); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDirectory, err)
	}
	log := cfg.Log
	if log == nil {
		log = discard()
	}
	s := &Server{
		cfg: cfg, home: newLayout(root, acct), acct: acct, log: log,
		turn: make(chan struct{}, 1), stopping: make(chan struct{}),
	}
	if err := s.home.prepare(acct); err != nil {
		return nil, err
	}
	return s, nil
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// DSN is the connection URL of the database. It stays the same through restarts.
func (s *Server) DSN() string { return s.home.dsn(s.cfg.Database) }

// Attached tells that the server is another process's, so that Stop leaves it be.
func (s *Server) Attached() bool { return !s.owned().running() }

// PID is the server's process id, 0 when none runs that is known of.
func (s *Server) PID() int {
	if child := s.owned(); child.running() {
		return child.cmd.Process.Pid
	}
	return readPIDFile(s.home.pidFile()).pid
}

// Timings of the last start in this process.
func (s *Server) Timings() Timings {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.timings
}

// Done is closed when the server that this process started has ended. It is nil,
// and so never ready, while attached. After Ensure ask for it again.
func (s *Server) Done() <-chan struct{} { return s.owned().ended() }

// Ensure returns once the server answers, and to that end starts it again (or
// attaches to the process that was quicker) when it was lost: killed, or gone with
// the process that owned it. Call it when a connection is refused or breaks; it
// costs one connection when all is well.
//
// Errors: those of Start, and ErrStopped after Stop.
func (s *Server) Ensure(ctx context.Context) error {
	select {
	case <-s.stopping:
		return ErrStopped
	default:
	}
	if conn, err := s.connect(ctx, s.cfg.Database); err == nil {
		s.yield()
		return conn.Close(ctx)
	}
	return s.boot(ctx)
}

// Stop ends a server that this process started, as orderly as StopTimeout allows;
// it does nothing to one that it attached to. Processes attached to this server
// lose it and bring it back with Ensure. Later calls do nothing.
func (s *Server) Stop() error {
	var err error
	s.stopOnce.Do(func() {
		close(s.stopping) // ends a boot in progress
		s.turn <- struct{}{}
		defer func() { <-s.turn }()
		if child := s.owned(); child.running() {
			err = child.stop(s.cfg.StopTimeout)
			s.log.Info("PostgreSQL stopped", "dir", s.home.root)
			s.removeShortDir()
		}
	})
	return err
}

// removeShortDir leaves nothing outside the data directory. A process that is just
// starting a server holds the lock, and the directory is its own then.
func (s *Server) removeShortDir() {
	if filepath.Dir(s.home.socket) == s.home.root {
		return
	}
	if lock, err := tryLock(s.home.startLock, s.acct); lock != nil && err == nil {
		defer lock.Close()
		_ = os.Remove(s.home.socket) // refused unless empty
	}
}

// owned is the server that this process started last, nil while attached.
func (s *Server) owned() *process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.child
}

// yield gives up what this process knows of a server of its own that has ended:
// the one that answers now is another's.
func (s *Server) yield() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.child.running() {
		s.child, s.timings = nil, Timings{}
	}
}

// untilStop is ctx that also ends when Stop is called.
func (s *Server) untilStop(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-s.stopping:
			cancel(ErrStopped)
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}
