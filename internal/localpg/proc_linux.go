package localpg

import (
	"bytes"
	"fmt"
	"os"
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
