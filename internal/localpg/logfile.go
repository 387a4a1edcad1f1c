package localpg

import (
	"io"
	"os"
	"strings"
	"syscall"
)

// maxLog is how large postgres.log may be when a server starts; a larger one
// becomes postgres.log.1. Only warnings and errors are written, so that a running
// server needs no rotation.
const maxLog = 8 << 20

// openLog opens the server's log for appending.
func openLog(path string, acct account) (*os.File, error) {
	if st, err := os.Stat(path); err == nil && st.Size() > maxLog {
		if err := os.Rename(path, path+".1"); err != nil {
			return nil, err
		}
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	if acct.drop {
		if err := f.Chown(acct.uid, acct.gid); err != nil {
			f.Close()
			return nil, err
		}
	}
	return f, nil
}

// maxTail is how much of a program's output goes into an error, in bytes.
const maxTail = 2048

// tail is the end of what r holds, trimmed.
func tail(r io.Reader) string {
	if f, ok := r.(io.Seeker); ok {
		_, _ = f.Seek(-maxTail, io.SeekEnd) // refused when there is less
	}
	text, _ := io.ReadAll(r)
	return strings.TrimSpace(string(text[max(0, len(text)-maxTail):]))
}

// logTail is the end of the server's log, "" when there is none.
func logTail(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	return tail(f)
}
