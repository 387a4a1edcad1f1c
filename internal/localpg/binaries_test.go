package localpg

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// install makes a directory with the two programs, whose version lies beside them.
func install(t *testing.T, dir, version string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"postgres", "initdb"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "version"), []byte(version), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name   string
		places map[string]string // directory → version; PATH's is "path"
		closed string            // a directory that the account cannot enter
		want   int               // major version of the cluster
		found  string            // "" = none
		why    string            // in the error
	}{
		{name: "nothing installed", why: "no PostgreSQL programs"},
		{name: "newest by number, not by name", places: map[string]string{"pg/9": "9", "pg/15": "15", "pg/100": "100"}, found: "pg/100"},
		{name: "PATH comes first", places: map[string]string{"path": "15", "pg/17": "17"}, found: "path"},
		{name: "the cluster's version before PATH", places: map[string]string{"path": "15", "pg/16": "16", "pg/17": "17"}, want: 16, found: "pg/16"},
		{name: "no other version for a cluster", places: map[string]string{"pg/15": "15", "pg/17": "17"}, want: 16, why: "was made by 16"},
		{name: "too old", places: map[string]string{"pg/13": "13"}, why: "older than 14"},
		{name: "one that does not run", places: map[string]string{"pg/15": "15", "pg/17": "broken"}, found: "pg/15"},
		{name: "one that is closed", places: map[string]string{"pg/15": "15", "pg/17": "17"}, closed: "pg/17", found: "pg/15"},
		{name: "only closed", places: map[string]string{"pg/17": "17"}, closed: "pg/17", why: "closed to the account"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			for dir, version := range c.places {
				install(t, filepath.Join(root, dir), version)
			}
			got, err := testFinder(root, c.closed).find(t.Context(), c.want)
			want := ""
			if c.found != "" {
				want = filepath.Join(root, c.found)
			}
			if got != want || errors.Is(err, ErrNoBinaries) != (c.found == "") {
				t.Errorf("got %q, %v; want %q", got, err, want)
			}
			if err != nil && !strings.Contains(err.Error(), c.why) {
				t.Errorf("the error does not say %q: %v", c.why, err)
			}
		})
	}
}

// testFinder sees only what lies in root.
func testFinder(root, closed string) finder {
	return finder{
		lookPath: func(file string) (string, error) {
			path := filepath.Join(root, "path", file)
			if !executable(path) {
				return "", exec.ErrNotFound
			}
			return path, nil
		},
		places: []string{filepath.Join(root, "pg", "*"), filepath.Join(root, "[")},
		version: func(_ context.Context, dir string) (int, error) {
			text, err := os.ReadFile(filepath.Join(dir, "version"))
			if err != nil {
				return 0, err
			}
			return strconv.Atoi(string(text))
		},
		enter: func(dir string) error {
			if closed != "" && dir == filepath.Join(root, closed) {
				return errors.New("closed to the account")
			}
			return nil
		},
	}
}

// A link in PATH leads to the directory that has initdb too.
func TestFindFollowsALinkInPATH(t *testing.T) {
	t.Parallel()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	real := filepath.Join(root, "real")
	install(t, real, "16")
	if err := os.Mkdir(filepath.Join(root, "path"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(real, "postgres"), filepath.Join(root, "path", "postgres")); err != nil {
		t.Fatal(err)
	}
	if got, err := testFinder(root, "").find(t.Context(), 0); got != real {
		t.Errorf("got %q, %v; want %q", got, err, real)
	}
}

func TestParseVersion(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		"postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n": 15,
		"postgres (PostgreSQL) 19devel":                          19,
		"postgres (PostgreSQL) 18beta1":                          18,
		"":                                                       0,
		"postgres 15":                                            0,
		"(PostgreSQL) x":                                         0,
	} {
		if got, err := parseVersion(text); got != want || (err == nil) != (want != 0) {
			t.Errorf("%q: got %d, %v; want %d", text, got, err, want)
		}
	}
}

func TestAConfiguredBinDirIsTheOnlyOne(t *testing.T) {
	t.Parallel()
	cfg := setup(t)
	cfg.BinDir = openDir(t)
	if _, err := Start(t.Context(), cfg); !errors.Is(err, ErrNoBinaries) || !strings.Contains(err.Error(), cfg.BinDir) {
		t.Errorf("got %v", err)
	}
}

func TestAClusterOfAnotherVersionIsRefused(t *testing.T) {
	t.Parallel()
	cfg := setup(t)
	data := filepath.Join(cfg.Dir, "data")
	acct, err := chooseAccount()
	if err != nil {
		t.Fatal(err)
	}
	if err := acct.makePrivateDir(data); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]error{"9\n": ErrNoBinaries, "fifteen": ErrDirectory} {
		if err := os.WriteFile(filepath.Join(data, "PG_VERSION"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Start(t.Context(), cfg); !errors.Is(err, want) {
			t.Errorf("PG_VERSION %q: got %v; want %v", text, err, want)
		}
	}
}

func TestWithoutBinDirTheMachinesOwnIsUsed(t *testing.T) {
	t.Parallel()
	cfg := setupMade(t)
	want, err := programVersion(t.Context(), cfg.BinDir)
	if err != nil {
		t.Fatal(err)
	}
	cfg.CacheDir = filepath.Dir(filepath.Dir(filepath.Dir(cfg.BinDir))) // of a fetched one
	cfg.BinDir = ""
	s := start(t, cfg)
	if got, err := s.clusterMajor(); got != want || err != nil {
		t.Errorf("got %d, %v; want %d", got, err, want)
	}
}
