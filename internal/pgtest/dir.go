package pgtest

import (
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Dir returns an empty directory for a private server, removed when t ends. Unlike
// t.TempDir's, the server's account can enter it when root runs the tests. A server
// in it whose owner was killed may take a moment to end; the removal waits.
func Dir(t testing.TB) string {
	t.Helper()
	dir, err := makeDir()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		err := os.RemoveAll(dir)
		for deadline := time.Now().Add(30 * time.Second); err != nil && time.Now().Before(deadline); err = os.RemoveAll(dir) {
			<-time.After(20 * time.Millisecond) // nothing signals the end of another's child
		}
		if err != nil {
			t.Error(err)
		}
	})
	return dir
}

// ground is where the directories of this process are made.
var ground struct {
	once sync.Once
	path string
	err  error
	life *os.File // kept open: its closing tells the reaper that this process is gone
}

func makeDir() (string, error) {
	ground.once.Do(func() { ground.path, ground.life, ground.err = breakGround() })
	if ground.err != nil {
		return "", ground.err
	}
	dir, err := os.MkdirTemp(ground.path, "")
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o755)
}

// reap runs beside the tests. It waits for their process to end, by whatever cause
// (a process has no hook for being killed or timing out), for its servers to follow,
// and clears up. It signals nothing: servers end with their owners.
const reap = `
cat >/dev/null
n=0
while [ $n -lt 100 ] && find "$1" -name postmaster.pid 2>/dev/null | grep -q .; do n=$((n+1)); sleep 0.1; done
n=0
until rm -rf "$1" 2>/dev/null || [ $n -ge 50 ]; do n=$((n+1)); sleep 0.1; done
`

func breakGround() (path string, life *os.File, err error) {
	if path, err = os.MkdirTemp("", "vitrine-pgtest-"); err != nil {
		return "", nil, err
	}
	if err := os.Chmod(path, 0o755); err != nil {
		return "", nil, err
	}
	ears, life, err := os.Pipe()
	if err != nil {
		return "", nil, err
	}
	defer ears.Close()
	reaper := exec.Command("/bin/sh", "-c", reap, "sh", path)
	reaper.Dir = "/"
	reaper.Stdin = ears                                      // no output: `go test` waits for whoever holds its own
	reaper.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // outlives a ^C
	if err := reaper.Start(); err != nil {
		return "", nil, fmt.Errorf("start the reaper of %s: %w", path, err)
	}
	return path, life, reaper.Process.Release()
}
