package localpg

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// oldestMajor is the oldest release that the schema is written for.
const oldestMajor = 14

// finder looks for the server's programs on this machine. Its functions are fields
// so that tests choose what is installed.
type finder struct {
	lookPath func(file string) (string, error)
	places   []string // glob patterns of directories
	version  func(ctx context.Context, dir string) (major int, err error)
	enter    func(dir string) error // can the server's account use it
}

// newFinder looks in PATH, the usual places and among the fetched programs in cache.
func newFinder(acct account, cache string) finder {
	return finder{
		lookPath: exec.LookPath,
		places: []string{
			"/usr/lib/postgresql/*/bin", // Debian and Ubuntu
			"/usr/libexec/postgresql*",  // Alpine
			"/usr/pgsql-*/bin",          // the PostgreSQL project's rpm packages
			"/usr/local/pgsql/bin",      // built from source
			"/opt/homebrew/opt/postgresql*/bin",
			"/usr/local/opt/postgresql*/bin",
			"/Applications/Postgres.app/Contents/Versions/*/bin",
			filepath.Join(cache, "postgresql-*", "bin"),
		},
		version: programVersion,
		enter:   acct.enter,
	}
}

// find returns the directory to use for a cluster of major version want, 0 for a
// new cluster: what PATH names, else the newest of the places. The error wraps
// ErrNoBinaries and says why each one found was passed over.
func (f finder) find(ctx context.Context, want int) (string, error) {
	type candidate struct {
		dir   string
		major int
	}
	var passedOver []error
	for _, dir := range f.inPath() {
		if _, err := f.check(ctx, dir, want); err == nil {
			return dir, nil
		} else {
			passedOver = append(passedOver, err)
		}
	}
	var usable []candidate
	for _, dir := range f.inPlaces() {
		if major, err := f.check(ctx, dir, want); err == nil {
			usable = append(usable, candidate{dir, major})
		} else {
			passedOver = append(passedOver, err)
		}
	}
	if len(usable) == 0 {
		return "", errors.Join(append([]error{fmt.Errorf("%w installed that would do", ErrNoBinaries)}, passedOver...)...)
	}
	return slices.MaxFunc(usable, func(a, b candidate) int { return cmp.Compare(a.major, b.major) }).dir, nil
}

// inPath is where PATH has postgres, and where that file really lies: initdb is
// beside the one or the other.
func (f finder) inPath() []string {
	path, err := f.lookPath("postgres")
	if err != nil {
		return nil
	}
	dirs := []string{filepath.Dir(path)}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		dirs = append(dirs, filepath.Dir(real))
	}
	return slices.Compact(dirs)
}

func (f finder) inPlaces() []string {
	var dirs []string
	for _, pattern := range f.places {
		found, err := filepath.Glob(pattern) // fails for a bad pattern only: [ in the cache's name
		if err == nil {
			dirs = append(dirs, found...)
		}
	}
	return dirs
}

// check tells whether dir holds both programs in a version that will do.
func (f finder) check(ctx context.Context, dir string, want int) (major int, err error) {
	for _, name := range []string{"postgres", "initdb"} {
		if !executable(filepath.Join(dir, name)) {
			return 0, fmt.Errorf("%w: %s has no %s", ErrNoBinaries, dir, name)
		}
	}
	if err := f.enter(dir); err != nil {
		return 0, err
	}
	major, err = f.version(ctx, dir)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%w: version of %s: %w", ErrNoBinaries, dir, err)
	case want != 0 && major != want:
		return 0, fmt.Errorf("%w: %s is PostgreSQL %d, the data directory was made by %d", ErrNoBinaries, dir, major, want)
	case major < oldestMajor:
		return 0, fmt.Errorf("%w: %s is PostgreSQL %d, older than %d", ErrNoBinaries, dir, major, oldestMajor)
	}
	return major, nil
}

// programVersion asks the server program itself; no directory name is as sure.
func programVersion(ctx context.Context, dir string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(dir, "postgres"), "--version")
	cmd.Env, cmd.WaitDelay = environment(dir), time.Second
	output, err := cmd.Output()
	if err != nil {
		return 0, err
	}
	return parseVersion(string(output))
}

// parseVersion reads "postgres (PostgreSQL) 15.18 (Debian …)".
func parseVersion(text string) (int, error) {
	m := regexp.MustCompile(`\(PostgreSQL\) (\d{1,4})`).FindStringSubmatch(text)
	if m == nil {
		return 0, fmt.Errorf("not a PostgreSQL server: %.80q", text)
	}
	return strconv.Atoi(m[1])
}

func executable(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0
}

// programs returns the directory of the server's programs: the configured one, an
// installed one, or a fetched one, all of the version that the cluster asks for.
func (s *Server) programs(ctx context.Context) (string, error) {
	want, err := s.clusterMajor()
	if err != nil {
		return "", err
	}
	cache := s.cacheDir()
	f := newFinder(s.acct, cache)
	if dir := s.cfg.BinDir; dir != "" {
		_, err := f.check(ctx, dir, want)
		return dir, err
	}
	dir, err := f.find(ctx, want)
	if !errors.Is(err, ErrNoBinaries) || ctx.Err() != nil {
		return dir, err
	}
	dir, fetchErr := fetcher{cache: cache, repository: s.cfg.Repository, acct: s.acct, log: s.log}.fetch(ctx, want)
	if fetchErr != nil {
		return "", fmt.Errorf("%w; nor could they be fetched: %w; install PostgreSQL %d or later, or name another server in DATABASE_URL",
			err, fetchErr, oldestMajor)
	}
	return dir, nil
}

func (s *Server) clusterMajor() (int, error) {
	version, err := s.home.version()
	if err != nil || version == "" {
		return 0, err
	}
	major, err := strconv.Atoi(version)
	if err != nil {
		return 0, fmt.Errorf("%w: %s/PG_VERSION says %.20q", ErrDirectory, s.home.data, version)
	}
	return major, nil
}

// cacheDir is where fetched programs live: root's own cache is usually closed to
// the server's account.
func (s *Server) cacheDir() string {
	if s.cfg.CacheDir != "" {
		if cache, err := filepath.Abs(s.cfg.CacheDir); err == nil && s.acct.makeDir(cache) == nil {
			if cache, err = filepath.EvalSymlinks(cache); err == nil && s.acct.enter(cache) == nil {
				return cache
			}
		}
	}
	return filepath.Join(s.home.root, "postgresql")
}
