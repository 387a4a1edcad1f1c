package localpg

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// pidFile is what postmaster.pid says (src/include/utils/pidfile.h): the pid on
// line 1, the state of the server on line 8.
type pidFile struct {
	pid   int // 0: none
	ready bool
}

// readPIDFile never fails: a file that is missing, cut short or garbled says nothing.
func readPIDFile(path string) pidFile {
	text, err := os.ReadFile(path)
	if err != nil {
		return pidFile{}
	}
	lines := strings.Split(string(text), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(lines[0]))
	if err != nil || pid <= 1 {
		return pidFile{}
	}
	return pidFile{pid: pid, ready: len(lines) > 7 && strings.TrimSpace(lines[7]) == "ready"}
}

func (l layout) pidFile() string { return filepath.Join(l.data, "postmaster.pid") }

// dropStale removes lock files that would keep a new server from starting: those
// left by a killed server whose pid has since gone to an unrelated process. The
// caller holds server.lock. All other cases are left to PostgreSQL, which looks at
// its shared memory too.
func (l layout) dropStale() error {
	for _, path := range []string{l.pidFile(), filepath.Join(l.socket, socketName+".lock")} {
		pid := readPIDFile(path).pid
		if pid == 0 || !alive(pid) || !elsewhere(pid, l.data) {
			continue
		}
		if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	return nil
}

func alive(pid int) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}
