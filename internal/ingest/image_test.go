package ingest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

func noImages(t *testing.T) fs.FS {
	t.Helper()
	return fstest.MapFS{"a": &fstest.MapFile{Data: []byte("picture")}}
}

// pictureFolder makes a folder with a secret beside it.
func pictureFolder(t *testing.T) string {
	t.Helper()
	top := t.TempDir()
	dir := filepath.Join(top, "pictures")
	for _, err := range []error{
		os.MkdirAll(filepath.Join(dir, "sub"), 0o755),
		os.WriteFile(filepath.Join(top, "secret"), []byte("secret"), 0o600),
		os.WriteFile(filepath.Join(dir, "a.png"), []byte("A"), 0o600),
		os.WriteFile(filepath.Join(dir, "sub", "b c.png"), []byte("B"), 0o600),
		os.WriteFile(filepath.Join(dir, "empty.png"), nil, 0o600),
		os.WriteFile(filepath.Join(dir, "big.png"), nil, 0o600),
		os.Truncate(filepath.Join(dir, "big.png"), maxImage+1),
		os.WriteFile(filepath.Join(dir, "full.png"), nil, 0o600),
		os.Truncate(filepath.Join(dir, "full.png"), maxImage),
		os.Symlink("a.png", filepath.Join(dir, "inside")),
		os.Symlink("../secret", filepath.Join(dir, "outside")),
		os.Symlink(filepath.Join(top, "secret"), filepath.Join(dir, "absolute")),
		os.Symlink("..", filepath.Join(dir, "up")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestItemsReadsPictures(t *testing.T) {
	t.Parallel()
	dir := pictureFolder(t)
	tests := []struct{ name, cell, image, want string }{
		{"plain", "a.png", "A", ""},
		{"spaces around", " a.png ", "A", ""},
		{"folder and space", "sub/b c.png", "B", ""},
		{"dots that stay inside", "./sub/../a.png", "A", ""},
		{"link inside", "inside", "A", ""},
		{"largest", "full.png", strings.Repeat("\x00", maxImage), ""},
		{"none", "", "", ""},
		{"missing", "nothing.png", "", `there is no file "nothing.png" below the picture folder`},
		{"parent", "../secret", "", `"../secret" leaves the picture folder, want a path below it`},
		{"parent later on", "sub/../../secret", "", `"sub/../../secret" leaves the picture folder, want a path below it`},
		{"absolute", "/etc/hostname", "", `"/etc/hostname" leaves the picture folder, want a path below it`},
		{"relative link outside", "outside", "", `"outside" cannot be read: path escapes from parent`},
		{"absolute link outside", "absolute", "", `"absolute" cannot be read: path escapes from parent`},
		{"through a linked folder", "up/secret", "", `"up/secret" cannot be read: path escapes from parent`},
		{"folder", "sub", "", `"sub" is not a regular file`},
		{"the folder itself", ".", "", `"." is not a regular file`},
		{"empty file", "empty.png", "", `"empty.png" is an empty file`},
		{"too large", "big.png", "", `"big.png" has 20971521 bytes, want at most 20971520 (20 MiB)`},
		{"web address", "https://example.org/a.png", "", "is a web address, want a path below the picture folder"},
		{"bad UTF-8", "a\xff.png", "", `"a\xff.png" is not a path in UTF-8`},
		{"zero byte", "a\x00.png", "", `"a\x00.png" is not a path in UTF-8`},
		{"path through a file", "a.png/b", "", `"a.png/b" cannot be read: not a directory`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			sink := newFakeSink()
			source := ItemSource{Table: text("items.csv", "item_id,image\nx,"+test.cell+"\nlast,a.png\n"), Images: dir}
			report, err := Items(t.Context(), source, sink, testConfig())
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			if test.want != "" {
				want = []string{"line 2, column image: " + test.want}
			}
			if diff := cmp.Diff(want, faultStrings(report)); diff != "" {
				t.Error(diff)
			}
			stored, ok := sink.items["x"]
			if ok != (test.want == "") || string(stored.Image) != test.image {
				t.Errorf("stored %v with %d bytes", ok, len(stored.Image))
			}
			if string(sink.items["last"].Image) != "A" {
				t.Error("the next row is not loaded")
			}
		})
	}
}

func TestItemsKeepsPicturesWithTheirRows(t *testing.T) {
	t.Parallel()
	pictures := fstest.MapFS{}
	content := "item_id,image\n"
	for i := range 100 {
		name := fmt.Sprintf("p%03d", i)
		if i%7 != 0 {
			pictures[name] = &fstest.MapFile{Data: []byte("bytes of " + name)}
		}
		content += fmt.Sprintf("%d,%s\n", i, name)
	}
	cfg := testConfig()
	cfg.ItemBatch, cfg.Workers = 16, 8
	sink := newFakeSink()
	report, err := Items(t.Context(), ItemSource{Table: text("items.csv", content), ImageFS: pictures}, sink, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if report.Loaded != 85 || report.Skipped != 15 || report.WithoutImage != 0 {
		t.Errorf("%+v", report)
	}
	for id, w := range sink.items {
		if want := fmt.Sprintf("bytes of p%03s", id); string(w.Image) != want {
			t.Errorf("item %s has %q", id, w.Image)
		}
	}
	lines := []int{}
	for _, f := range report.Faults {
		lines = append(lines, f.Line)
	}
	if diff := cmp.Diff([]int{2, 9, 16, 23, 30, 37, 44, 51, 58, 65, 72, 79, 86, 93, 100}, lines); diff != "" {
		t.Error(diff)
	}
}

func TestItemsEndsABatchBeforePicturesFillMemory(t *testing.T) {
	t.Parallel()
	big := &fstest.MapFile{Data: make([]byte, 12<<20)}
	pictures := fstest.MapFS{"a": big, "b": big, "c": big, "d": big, "e": big}
	cfg := testConfig()
	cfg.ItemBatch = 64
	sink := newFakeSink()
	_, err := Items(t.Context(), ItemSource{Table: text("items.csv", "item_id,image\n1,a\n2,b\n3,c\n4,d\n5,e\n"), ImageFS: pictures}, sink, cfg)
	if err != nil {
		t.Fatal(err)
	}
	// 36 MiB pass the 32 MiB at which a batch ends; the empty batch that ends the file is not sent.
	if diff := cmp.Diff([]int{3, 2}, sink.calls); diff != "" {
		t.Error(diff)
	}
}

// liar is a file system whose files are not what Stat says.
type liar struct{ fs.FS }

func (l liar) Stat(name string) (fs.FileInfo, error) { return fs.Stat(l.FS, "honest") }

func TestItemsNoticesAPictureThatChanges(t *testing.T) {
	t.Parallel()
	pictures := liar{fstest.MapFS{
		"honest": &fstest.MapFile{Data: []byte("x")},
		"shrunk": &fstest.MapFile{},
		"grown":  &fstest.MapFile{Data: make([]byte, maxImage+1)},
	}}
	source := ItemSource{Table: text("items.csv", "item_id,image\n1,honest\n2,shrunk\n3,grown\n4,gone\n"), ImageFS: pictures}
	report, err := Items(t.Context(), source, newFakeSink(), testConfig())
	if err != nil {
		t.Fatal(err)
	}
	want := []string{`line 3, column image: "shrunk" changed while it was read`,
		`line 4, column image: "grown" changed while it was read`, `line 5, column image: there is no file "gone" below the picture folder`}
	if diff := cmp.Diff(want, faultStrings(report)); diff != "" {
		t.Error(diff)
	}
}

func TestItemsRefusesSources(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "items.csv")
	if err := os.WriteFile(path, []byte("item_id\n1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		source ItemSource
		want   error
	}{
		{"fine", ItemSource{Table: File(path), Images: dir}, nil},
		{"no table", ItemSource{Table: File(path + "x")}, recsys.ErrNotFound},
		{"a folder for a table", ItemSource{Table: File(dir)}, recsys.ErrInvalid},
		{"no table in a file system", ItemSource{Table: FSFile(fstest.MapFS{}, "x.csv")}, recsys.ErrNotFound},
		{"no picture folder", ItemSource{Table: File(path), Images: path + "x"}, recsys.ErrNotFound},
		{"a file for a picture folder", ItemSource{Table: File(path), Images: path}, recsys.ErrInvalid},
		{"two picture folders", ItemSource{Table: File(path), Images: dir, ImageFS: fstest.MapFS{}}, recsys.ErrInvalid},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if _, err := Items(t.Context(), test.source, newFakeSink(), testConfig()); !errors.Is(err, test.want) {
				t.Errorf("error %v, want %v", err, test.want)
			}
		})
	}
}
