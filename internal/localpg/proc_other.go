//go:build unix && !linux

package localpg

import "syscall"

// attributes of a child process. There is no death signal outside Linux: a server
// whose owner was killed lives on, and the next process attaches to it.
func attributes(acct account, _ syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: acct.credential(), Setpgid: true}
}

// elsewhere can never be certain here, so PostgreSQL's own check decides.
func elsewhere(int, string) bool { return false }

// openFiles cannot be told here; what it is for stays where it is.
func openFiles(string) []string { return nil }
