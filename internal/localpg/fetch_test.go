package localpg

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
)

// repository is a Maven repository with one file, made of testdata/postgresql.txz.
type repository struct {
	url      string
	requests atomic.Int32
	last     atomic.Value // path of the last jar asked for
}

// serveRepository answers with status and, beside the file, with its checksum, or
// with sum if that is set. hold, when not nil, keeps every answer back.
func serveRepository(t *testing.T, status int, sum string, hold chan struct{}) *repository {
	t.Helper()
	archive, err := os.ReadFile(filepath.Join("testdata", "postgresql.txz"))
	if err != nil {
		t.Fatal(err)
	}
	var jar bytes.Buffer
	w := zip.NewWriter(&jar)
	entry, err := w.Create("postgres-linux-x86_64.txz")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := entry.Write(archive); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if sum == "" {
		digest := sha256.Sum256(jar.Bytes())
		sum = hex.EncodeToString(digest[:])
	}
	r := &repository{}
	server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, in *http.Request) {
		r.requests.Add(1)
		if hold != nil {
			<-hold
		}
		out.WriteHeader(status)
		if strings.HasSuffix(in.URL.Path, ".sha256") {
			_, _ = out.Write([]byte(sum))
			return
		}
		r.last.Store(in.URL.Path)
		_, _ = out.Write(jar.Bytes())
	}))
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

// setupFetch is not for parallel tests: it keeps what the library puts into TMPDIR apart.
func setupFetch(t *testing.T, r *repository) fetcher {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	return fetcher{cache: filepath.Join(t.TempDir(), "cache"), repository: r.url, acct: account{}, log: discard()}
}

func TestFetchOnce(t *testing.T) {
	r := serveRepository(t, http.StatusOK, "", nil)
	f := setupFetch(t, r)
	bin, err := f.fetch(t.Context(), 15)
	if err != nil {
		t.Fatal(err)
	}
	if path, _ := r.last.Load().(string); !strings.Contains(path, "-15.") {
		t.Errorf("asked for %s to run a cluster of version 15", path)
	}
	for _, name := range []string{"postgres", "initdb", "../lib/libpq.so.5"} {
		st, err := os.Stat(filepath.Join(bin, name))
		if err != nil {
			t.Fatal(err)
		}
		if st.Mode()&0o004 == 0 {
			t.Errorf("%s: mode %v", name, st.Mode())
		}
	}
	if _, err := os.Stat(filepath.Join(bin, "..", "ran")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("fetching ran a program: %v", err)
	}
	if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) != 0 && runtime.GOOS == "linux" {
		t.Errorf("left in %s: %v, %v", os.TempDir(), left, err)
	}
	asked := r.requests.Load()
	again, err := f.fetch(t.Context(), 15)
	if again != bin || err != nil || r.requests.Load() != asked {
		t.Errorf("the second time: %q, %v after %d more requests", again, err, r.requests.Load()-asked)
	}
	left, err := os.ReadDir(f.cache)
	if err != nil || len(left) != 2 { // the lock and the programs
		t.Errorf("the cache holds %v, %v", left, err)
	}
}

func TestFetchRefuses(t *testing.T) {
	cases := []struct {
		name   string
		status int
		sum    string
		want   int
	}{
		{"a version that is not there", http.StatusNotFound, "", 0},
		{"another checksum", http.StatusOK, strings.Repeat("0", 64), 0},
		{"a major version nobody packs", http.StatusOK, "", 9},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			f := setupFetch(t, serveRepository(t, c.status, c.sum, nil))
			if bin, err := f.fetch(t.Context(), c.want); !errors.Is(err, ErrNoBinaries) || bin != "" {
				t.Errorf("got %q, %v", bin, err)
			}
			if left, err := filepath.Glob(filepath.Join(f.cache, "postgresql-*")); err != nil || len(left) != 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

func TestFetchEndsWithItsContext(t *testing.T) {
	hold := make(chan struct{})
	r := serveRepository(t, http.StatusNotFound, "", hold)
	t.Cleanup(func() { close(hold) })
	f := setupFetch(t, r)
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error)
	go func() {
		_, err := f.fetch(ctx, 0)
		failed <- err
	}()
	eventually(t, "the request", func() bool { return r.requests.Load() > 0 })
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// What was fetched is found by the next process, and for a cluster of its version.
func TestFetchedProgramsAreFound(t *testing.T) {
	f := setupFetch(t, serveRepository(t, http.StatusOK, "", nil))
	bin, err := f.fetch(t.Context(), 16)
	if err != nil {
		t.Fatal(err)
	}
	found := newFinder(account{}, f.cache)
	found.lookPath = func(string) (string, error) { return "", os.ErrNotExist }
	found.version = func(_ context.Context, dir string) (int, error) {
		if dir == bin {
			return 99, nil // newer than any installed one
		}
		return oldestMajor, nil
	}
	if got, err := found.find(t.Context(), 0); got != bin || err != nil {
		t.Errorf("got %q, %v; want %q", got, err, bin)
	}
}
