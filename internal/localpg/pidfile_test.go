package localpg

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadPIDFile(t *testing.T) {
	t.Parallel()
	whole := "4711\n/d/data\n1795491327\n5432\n/d/run\n\n  9987677         8\n"
	cases := map[string]struct {
		text string
		want pidFile
	}{
		"ready":    {whole + "ready   \n", pidFile{4711, true}},
		"starting": {whole + "starting\n", pidFile{4711, false}},
		"stopping": {whole + "stopping\n", pidFile{4711, false}},
		"partial":  {"4711\n/d/da", pidFile{4711, false}},
		"empty":    {"", pidFile{}},
		"no pid":   {"ready\nready", pidFile{}},
		"init":     {"1\n", pidFile{}},
		"negative": {"-4711\n", pidFile{}}, // a process group to kill(2)
		"huge":     {strings.Repeat("9", 40), pidFile{}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "postmaster.pid")
			if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, readPIDFile(path), cmp.AllowUnexported(pidFile{})); diff != "" {
				t.Errorf("(want, got):\n%s", diff)
			}
		})
	}
	if got := readPIDFile(filepath.Join(t.TempDir(), "missing")); got != (pidFile{}) {
		t.Errorf("a missing file: %+v", got)
	}
}

func TestALargeLogIsSetAside(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "postgres.log")
	for _, size := range []int64{maxLog + 1, 5} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, size); err != nil {
			t.Fatal(err)
		}
		f, err := openLog(path, account{})
		if err != nil {
			t.Fatal(err)
		}
		st, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
		want := size
		if size > maxLog {
			want = 0
		}
		if st.Size() != want {
			t.Errorf("a log of %d bytes: %d after opening, want %d", size, st.Size(), want)
		}
	}
	if st, err := os.Stat(path + ".1"); err != nil || st.Size() != maxLog+1 {
		t.Errorf("the log before: %v, %v", st, err)
	}
}

func TestTailIsBounded(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	for text, want := range map[string]int{"": 0, " short \n": 5, strings.Repeat("x", 3*maxTail): maxTail} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := len(logTail(path)); got != want {
			t.Errorf("of %d bytes: got %d, want %d", len(text), got, want)
		}
		if got := len(tail(strings.NewReader(text))); got != want {
			t.Errorf("of %d bytes in memory: got %d, want %d", len(text), got, want)
		}
	}
}
