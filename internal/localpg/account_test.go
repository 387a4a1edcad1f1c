package localpg

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// makeDirs makes dirs below root with exactly these modes, in order.
func makeDirs(t *testing.T, root string, dirs []string, modes ...os.FileMode) {
	t.Helper()
	for i, dir := range dirs {
		path := filepath.Join(root, dir)
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, modes[i]); err != nil {
			t.Fatal(err)
		}
	}
}

func TestEnter(t *testing.T) {
	t.Parallel()
	root := openDir(t)
	makeDirs(t, root, []string{"open", "open/in", "home", "home/in", "group", "group/in"}, 0o755, 0o711, 0o700, 0o755, 0o710, 0o755)
	self := account{uid: os.Geteuid(), gid: os.Getegid(), drop: true}
	colleague := account{uid: self.uid + 1000, gid: self.gid, drop: true}
	stranger := account{uid: self.uid + 1000, gid: self.gid + 1000, drop: true}
	cases := []struct {
		name string
		acct account
		dir  string
		stop string // the directory that the error names
	}{
		{"a stranger in the open", stranger, "open/in", ""},
		{"a stranger below a private home", stranger, "home/in", "home"},
		{"a stranger at the group's door", stranger, "group/in", "group"},
		{"a colleague at the group's door", colleague, "group/in", ""},
		{"the home's owner", self, "home/in", ""},
		{"without a change of account nothing is checked", account{uid: stranger.uid}, "home/in", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			err := c.acct.enter(filepath.Join(root, c.dir))
			if errors.Is(err, ErrDirectory) != (c.stop != "") {
				t.Errorf("got %v", err)
			}
			if err != nil && !strings.Contains(err.Error(), "enter "+filepath.Join(root, c.stop)+" ") {
				t.Errorf("the error does not name %s: %v", c.stop, err)
			}
		})
	}
}

// Root is told which directory is closed; for anyone else a private home is home.
func TestADirectoryBelowAPrivateOne(t *testing.T) {
	t.Parallel()
	cfg := setup(t)
	home := filepath.Join(cfg.Dir, "home")
	makeDirs(t, cfg.Dir, []string{"home"}, 0o700)
	cfg.Dir = filepath.Join(home, "data", "dir")
	checked := CheckDir(cfg.Dir)
	if _, err := os.Stat(filepath.Join(home, "data")); !os.IsNotExist(err) {
		t.Errorf("CheckDir made something: %v", err)
	}
	if os.Geteuid() != 0 {
		start(t, cfg)
		if checked != nil {
			t.Error(checked)
		}
		return
	}
	_, err := Start(t.Context(), cfg)
	for _, err := range []error{checked, err} {
		if !errors.Is(err, ErrDirectory) || !strings.Contains(err.Error(), "enter "+home+" ") {
			t.Errorf("got %v", err)
		}
	}
}

func TestCheckDirOfAnOpenDirectory(t *testing.T) {
	t.Parallel()
	if err := CheckDir(filepath.Join(openDir(t), "not", "yet", "there")); err != nil {
		t.Error(err)
	}
}

func TestChooseAccount(t *testing.T) {
	t.Parallel()
	acct, err := chooseAccount("/")
	if err != nil {
		t.Fatal(err)
	}
	if acct.uid == 0 || acct.drop != (os.Geteuid() == 0) || (acct.credential() == nil) != (os.Geteuid() != 0) {
		t.Errorf("got %+v with credential %v", acct, acct.credential())
	}
}

// What a user began, sudo goes on with, and the user after that.
func TestRootWorksAsTheOwnerOfTheDirectory(t *testing.T) {
	t.Parallel()
	cfg := setup(t)
	want := os.Geteuid()
	if want == 0 {
		want = 54321
		if err := os.Chown(cfg.Dir, want, want); err != nil {
			t.Fatal(err)
		}
	}
	s, err := open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	lock, err := tryLock(s.home.startLock, s.acct)
	if err != nil {
		t.Fatal(err)
	}
	lock.Close()
	for _, path := range []string{s.home.socket, s.home.startLock} {
		if uid := ownerOf(t, path); s.acct.uid != want || uid != want {
			t.Errorf("%s belongs to uid %d, the account is %d; want %d", path, uid, s.acct.uid, want)
		}
	}
}

func TestAForeignClusterIsRefused(t *testing.T) {
	t.Parallel()
	acct := account{uid: os.Geteuid() + 1}
	root := openDir(t)
	makeDirs(t, root, []string{"data"}, 0o700)
	if err := newLayout(root, acct).prepare(acct); !errors.Is(err, ErrDirectory) || !strings.Contains(err.Error(), "run as the account") {
		t.Errorf("got %v", err)
	}
}

func TestASocketDirectoryThatSomebodyElsePlanted(t *testing.T) {
	t.Parallel()
	acct, err := chooseAccount()
	if err != nil {
		t.Fatal(err)
	}
	root := openDir(t)
	makeDirs(t, root, []string{"open", "target"}, 0o777, 0o700)
	if err := os.Symlink(filepath.Join(root, "target"), filepath.Join(root, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "file"), nil, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"link", "file"} {
		if err := acct.makePrivateDir(filepath.Join(root, name)); !errors.Is(err, ErrDirectory) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	stranger := account{uid: os.Geteuid() + 1}
	if err := stranger.makePrivateDir(filepath.Join(root, "target")); !errors.Is(err, ErrDirectory) {
		t.Errorf("another account's directory: got %v", err)
	}
	if self := (account{uid: os.Geteuid()}); !errors.Is(self.makePrivateDir(filepath.Join(root, "open")), ErrDirectory) {
		t.Error("a directory open to all was taken for private")
	}
}

func ownerOf(t *testing.T, path string) int {
	t.Helper()
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return int(st.Sys().(*syscall.Stat_t).Uid)
}
