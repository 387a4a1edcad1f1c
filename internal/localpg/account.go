package localpg

import (
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// account is who the server runs as. PostgreSQL refuses root, so that root hands
// every child process to an account without privileges.
type account struct {
	uid, gid int
	drop     bool // this process is root: children change to uid and gid
}

// chooseAccount is this process's own account, or for root the owner of the first
// of dirs that exists and is not root's (what a user began, sudo goes on with), or
// else postgres or nobody.
func chooseAccount(dirs ...string) (account, error) {
	if uid := os.Geteuid(); uid != 0 {
		return account{uid: uid, gid: os.Getegid()}, nil
	}
	for _, dir := range dirs {
		if st, err := os.Stat(dir); err == nil {
			if sys := st.Sys().(*syscall.Stat_t); sys.Uid != 0 {
				return account{uid: int(sys.Uid), gid: int(sys.Gid), drop: true}, nil
			}
		}
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.Atoi(u.Uid)
		gid, gidErr := strconv.Atoi(u.Gid)
		if uidErr == nil && gidErr == nil && uid > 0 {
			return account{uid: uid, gid: gid, drop: true}, nil
		}
	}
	return account{}, fmt.Errorf("%w: root cannot run the server, and neither the account postgres nor nobody exists", ErrDirectory)
}

// credential is nil where nothing has to change. Supplementary groups are dropped.
func (a account) credential() *syscall.Credential {
	if !a.drop {
		return nil
	}
	return &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}
}

// own hands a file that root made to the account; Lchown, so that a link planted
// there gains nothing.
func (a account) own(path string) error {
	if !a.drop {
		return nil
	}
	return os.Lchown(path, a.uid, a.gid)
}

// makeDir makes dir and what lies above it. What root makes can be entered by the
// server's account whatever the umask; anyone else's stays private.
func (a account) makeDir(dir string) error {
	if !a.drop {
		return os.MkdirAll(dir, 0o700)
	}
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if up := filepath.Dir(dir); up != dir {
		if err := a.makeDir(up); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		if os.IsExist(err) {
			return nil
		}
		return err
	}
	return os.Chmod(dir, 0o755)
}

// makePrivateDir makes the one directory that only the account may enter, and
// refuses one that somebody else put there first.
func (a account) makePrivateDir(dir string) error {
	if err := os.Mkdir(dir, 0o700); err == nil {
		return a.own(dir)
	} else if !os.IsExist(err) {
		return err
	}
	st, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	sys := st.Sys().(*syscall.Stat_t)
	if st.IsDir() && sys.Uid == 0 && a.drop { // root died between Mkdir and own
		return a.own(dir)
	}
	if !st.IsDir() || int(sys.Uid) != a.uid || st.Mode().Perm() != 0o700 {
		return fmt.Errorf("%w: %s is not a private directory of uid %d", ErrDirectory, dir, a.uid)
	}
	return nil
}

// enter tells whether the account can walk to dir, and names the directory that
// stops it: nothing below a home of mode 0700 is any use to postgres. It reads the
// mode bits of dir and of everything above it; access lists are not considered.
func (a account) enter(dir string) error {
	if !a.drop {
		return nil
	}
	for {
		st, err := os.Stat(dir)
		if err != nil {
			return err
		}
		if !a.searchable(st) {
			return fmt.Errorf("%w: uid %d, which runs PostgreSQL for root, cannot enter %s (mode %v); choose another directory or run as an ordinary user",
				ErrDirectory, a.uid, dir, st.Mode())
		}
		up := filepath.Dir(dir)
		if up == dir {
			return nil
		}
		dir = up
	}
}

func (a account) searchable(st fs.FileInfo) bool {
	sys := st.Sys().(*syscall.Stat_t)
	switch {
	case int(sys.Uid) == a.uid:
		return st.Mode()&0o100 != 0
	case int(sys.Gid) == a.gid:
		return st.Mode()&0o010 != 0
	default:
		return st.Mode()&0o001 != 0
	}
}

// CheckDir tells whether a server started by this process could live in dir, which
// need not exist yet. It is for choosing a default: root finds its own home closed
// to the server's account. The error wraps ErrDirectory and names what is closed.
func CheckDir(dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	acct, err := chooseAccount(filepath.Join(dir, "data"), dir)
	if err != nil {
		return err
	}
	real, err := filepath.EvalSymlinks(dir)
	for os.IsNotExist(err) && dir != filepath.Dir(dir) {
		dir = filepath.Dir(dir)
		real, err = filepath.EvalSymlinks(dir)
	}
	if err != nil {
		return err
	}
	return acct.enter(real)
}
