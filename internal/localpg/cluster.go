package localpg

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// environment of every child: nothing of ours, whose secrets another account's
// processes could read, and no PG variable that would change the server.
func environment(binDir string) []string {
	return []string{"LC_ALL=C", "PATH=" + binDir + ":/usr/bin:/bin"}
}

// initialise makes the cluster beside its place and moves it there when it is
// whole: initdb writes PG_VERSION early, so that one killed half way would look
// finished. claim is the held server.lock, which initdb inherits: nobody clears
// data.new away while a process still writes there.
func (s *Server) initialise(ctx context.Context, binDir string, claim *os.File) error {
	aside := s.home.data + ".new"
	if err := os.RemoveAll(aside); err != nil {
		return err
	}
	if err := s.acct.makePrivateDir(aside); err != nil {
		return err
	}
	args := []string{"-D", aside, "-U", superuser, "-E", "UTF8", "--locale=C",
		"--auth-local=trust", "--auth-host=reject", "--data-checksums"}
	if s.cfg.Settings["fsync"] == "off" { // a cluster for tests
		args = append(args, "--no-sync")
	}
	var output bytes.Buffer
	cmd := exec.Command(filepath.Join(binDir, "initdb"), args...)
	cmd.Dir, cmd.Env = aside, environment(binDir)
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.ExtraFiles = []*os.File{claim}
	cmd.WaitDelay = 5 * time.Second // its own children hold the output open
	p, err := spawn(cmd, s.acct, syscall.SIGKILL)
	if err != nil {
		return err
	}
	if err := p.wait(ctx); err != nil {
		return fmt.Errorf("%w: initdb: %w: %s", ErrNotReady, err, tail(&output))
	}
	if err := os.Rename(aside, s.home.data); err != nil {
		return fmt.Errorf("%w: %w", ErrDirectory, err)
	}
	return syncDir(s.home.root)
}

// syncDir makes a rename durable.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// serve starts the server on an initialised cluster. It inherits claim.
func (s *Server) serve(binDir string, claim *os.File) (*process, error) {
	log, err := openLog(s.home.log, s.acct)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	args := []string{"-D", s.home.data, "-k", s.home.socket, "-p", "5432",
		"-c", "listen_addresses=", "-c", "unix_socket_permissions=0700"}
	cmd := exec.Command(filepath.Join(binDir, "postgres"), append(args, s.cfg.arguments()...)...)
	cmd.Dir, cmd.Env = s.home.data, environment(binDir)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{claim}
	return spawn(cmd, s.acct, syscall.SIGINT)
}
