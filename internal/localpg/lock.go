package localpg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// openLock opens a lock file, making it when missing. The file is never removed:
// two processes that lock different files of one name would both be first.
func openLock(path string, acct account) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDirectory, err)
	}
	if acct.drop {
		if err := f.Chown(acct.uid, acct.gid); err != nil {
			f.Close()
			return nil, err
		}
	}
	return f, nil
}

// tryLock takes the file's lock if it is free. The lock belongs to the open file,
// copies inherited by child processes included, and ends with the last of them.
// A file that was not locked is closed and nil is returned.
func tryLock(path string, acct account) (*os.File, error) {
	f, err := openLock(path, acct)
	if err != nil {
		return nil, err
	}
	err = flock(f)
	if err == nil {
		return f, nil
	}
	f.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, nil
	}
	return nil, fmt.Errorf("lock %s: %w", path, err)
}

func flock(f *os.File) error {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// waitLock takes the lock as soon as it is free. It asks again and again because
// a blocking flock cannot be given up when ctx ends.
func waitLock(ctx context.Context, path string, acct account) (*os.File, error) {
	for wait := firstWait; ; wait = nextWait(wait) {
		f, err := tryLock(path, acct)
		if f != nil || err != nil {
			return f, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for another process at %s: %w", path, context.Cause(ctx))
		case <-time.After(wait):
		}
	}
}

const (
	firstWait = 2 * time.Millisecond
	lastWait  = 50 * time.Millisecond
)

func nextWait(wait time.Duration) time.Duration { return min(2*wait, lastWait) }
