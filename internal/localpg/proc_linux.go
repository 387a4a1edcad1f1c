package localpg

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// attributes of a child process.
func attributes(acct account, death syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Credential: acct.credential(),
		Setpgid:    true,
		Pdeathsig:  death,
	}
}

// elsewhere tells that the live process pid certainly does not serve the cluster
// in data. A server's working directory is its cluster; where the kernel hides it
// (root without CAP_SYS_PTRACE, as in most containers) the command line decides.
func elsewhere(pid int, data string) bool {
	if cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid)); err == nil {
		return cwd != data
	}
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && !bytes.Contains(line, []byte(data))
}

// openFiles are the files that this process has open whose path begins with prefix.
func openFiles(prefix string) []string {
	const own = "/proc/self/fd"
	entries, err := os.ReadDir(own)
	if err != nil {
		return nil
	}
	var paths []string
	for _, entry := range entries {
		path, err := os.Readlink(own + "/" + entry.Name())
		if err == nil && strings.HasPrefix(path, prefix) {
			paths = append(paths, path)
		}
	}
	return paths
}
