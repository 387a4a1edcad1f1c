// Package pgtest gives tests a real PostgreSQL: a migrated database of their own,
// or a server of their own to kill.
//
// Databases are on the server that DATABASE_URL names, or else on a private one
// that the test process starts the first time it needs one and that ends with it.
// The migrations run once, in a template that each test's database is cloned from.
// No test is ever skipped for want of a server: it fails. For tests and benchmarks
// only.
//
// Invariant: what a test process made in the file system is gone soon after it has
// ended, however it ended. On a server named by DATABASE_URL the template stays (it
// is named after the migrations, and used again), and a test that was killed leaves
// its database.
package pgtest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/seed-473295a7/vitrine/internal/localpg"
	"github.com/seed-473295a7/vitrine/internal/postgres"
	"github.com/seed-473295a7/vitrine/migrations"
)

// process is what the tests of one process share: one server and one template for
// all of them is the point.
var process struct {
	once   sync.Once
	source source
	err    error
}

// New returns the connection URL of a migrated database that belongs to t alone and
// is dropped, connections and all, when t ends.
//
// The private server trades durability for speed; what is to survive a kill needs
// NewServer.
func New(t testing.TB) string {
	t.Helper()
	process.once.Do(func() { process.source, process.err = openSource(t.Context()) })
	if process.err != nil {
		t.Fatalf("a PostgreSQL for the tests: %v", process.err)
	}
	url, err := process.source.clone(t.Context())
	if err != nil {
		t.Fatalf("a database for the test: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
		defer cancel()
		if err := process.source.drop(ctx, url); err != nil {
			t.Errorf("drop the test's database: %v", err)
		}
	})
	return url
}

// NewServer starts a private server for t alone, with the settings of the product:
// what it acknowledged survives a kill. Its database is empty, not migrated. The
// test may kill it (PID), bring it back (Ensure) and stop it; in the end it is
// stopped and its directory removed.
func NewServer(t testing.TB) *localpg.Server {
	t.Helper()
	server, err := localpg.Start(t.Context(), Config(Dir(t)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	return server
}

// Config is how tests start a private server in dir: with the programs that
// PG_BINDIR names, else with those that every test of this machine uses.
func Config(dir string) localpg.Config {
	cfg := localpg.DefaultConfig()
	cfg.Dir = dir
	cfg.BinDir = os.Getenv("PG_BINDIR")
	cfg.CacheDir = "/var/cache/vitrine" // for root, whose own cache is closed to the server's account
	if own, err := os.UserCacheDir(); err == nil && localpg.CheckDir(own) == nil {
		cfg.CacheDir = filepath.Join(own, "vitrine")
	}
	return cfg
}

// openSource starts the private server unless DATABASE_URL names one.
func openSource(ctx context.Context) (source, error) {
	digest, err := digestOf(migrations.FS)
	if err != nil {
		return source{}, err
	}
	url := os.Getenv("DATABASE_URL")
	if url == "" {
		if url, err = startShared(ctx); err != nil {
			return source{}, err
		}
	}
	return newSource(ctx, url, digest, postgres.Migrate)
}

// startShared starts the server of this process. Nobody stops it: like every
// private server it ends with its owner.
func startShared(ctx context.Context) (url string, err error) {
	dir, err := makeDir()
	if err != nil {
		return "", err
	}
	cfg := Config(dir)
	cfg.Settings = map[string]string{
		"fsync":              "off", // the directory does not outlive the process
		"synchronous_commit": "off",
		"full_page_writes":   "off",
		"autovacuum":         "off", // it gets in the way of cloning, and nothing here grows old
		"max_connections":    "200", // each test has a pool
		"max_wal_size":       "4GB",
	}
	server, err := localpg.Start(ctx, cfg)
	if err != nil {
		return "", err
	}
	return server.DSN(), nil
}

// digestOf names a set of migrations by what the files say.
func digestOf(files fs.FS) (string, error) {
	sum := sha256.New()
	err := fs.WalkDir(files, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(files, path)
		sum.Write([]byte(path + "\x00"))
		sum.Write(text)
		sum.Write([]byte{0})
		return err
	})
	return hex.EncodeToString(sum.Sum(nil)[:8]), err
}
