package ingest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// Source is a table that can be opened more than once and reads the same each time.
type Source struct {
	Name string // how errors call it
	Open func() (io.ReadCloser, error)
}

// File is a table on disk. Opening answers ErrNotFound, or ErrInvalid for what is no regular file.
func File(path string) Source {
	return Source{Name: path, Open: func() (io.ReadCloser, error) {
		// Before opening: that would wait for the other end of a pipe.
		info, err := os.Stat(path)
		if err == nil && !info.Mode().IsRegular() {
			return nil, recsys.Invalid(path, "is not a regular file")
		}
		if err != nil {
			return nil, openError(path, err)
		}
		file, err := os.Open(path)
		if err != nil {
			return nil, openError(path, err)
		}
		return file, nil
	}}
}

// FSFile is a table in a file system such as embed.FS.
func FSFile(fsys fs.FS, name string) Source {
	return Source{Name: name, Open: func() (io.ReadCloser, error) {
		file, err := fsys.Open(name)
		if err != nil {
			return nil, openError(name, err)
		}
		return file, nil
	}}
}

func openError(name string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return &recsys.FieldError{Field: name, Reason: "no such file", Err: recsys.ErrNotFound}
	}
	return fmt.Errorf("open %s: %w: %w", name, recsys.ErrInvalid, cause(err))
}

// cause is a file error without the operation and the path, which the caller names itself.
func cause(err error) error {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return path.Err
	}
	return err
}
