package ann

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// Stamp says what a snapshot belongs to, in numbers that mean something to the caller.
type Stamp struct {
	Space  int64 // the embedding space of the vectors
	Model  int64 // whatever else belongs to it, the factor model; 0 if nothing does
	Change int64 // the last change of the catalogue that is in it
}

// Snapshot is an index, or the file that brings it back: vectors, graph, what is dead in it
// and what is beside it, so that an index read from it answers as the one written did.
// FORMAT.md draws the file.
type Snapshot struct {
	Stamp Stamp
	Index Index
	// Extra is the caller's, stored as it is: the names of the items, say.
	Extra []byte
}

// Want is what a snapshot must be of to be of use.
type Want struct {
	Space, Model               int64
	Dims                       int
	OldestChange, NewestChange int64 // the range that Stamp.Change must lie in
}

// Save writes the snapshot to a file at path, in place of any that is there: whole or not
// at all, whatever happens meanwhile. It reads the index as any reader does.
//
// Errors: those of the file system.
func (s Snapshot) Save(path string) (err error) {
	folder := filepath.Dir(path)
	file, err := os.CreateTemp(folder, "."+filepath.Base(path)+"-*")
	if err != nil {
		return fmt.Errorf("save the index: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("save the index: %w", err), ignore(file.Close(), fs.ErrClosed), os.Remove(file.Name()))
		}
	}()
	w := bufio.NewWriterSize(file, pieceBytes)
	if err := s.write(w); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	if err := os.Rename(file.Name(), path); err != nil {
		return err
	}
	return syncFolder(folder)
}

func ignore(err, expected error) error {
	if errors.Is(err, expected) {
		return nil
	}
	return err
}

// syncFolder makes a renaming last.
func syncFolder(folder string) error {
	f, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Open reads the snapshot at path into an index with the settings given: any engine can be
// read into any other, and a graph is kept if the engine has one.
//
// Errors: recsys.ErrNotFound if there is no file, recsys.ErrCorrupt if it is not what was
// written, recsys.ErrIncompatible if it is of another format, space, model, length or time
// than wanted, recsys.ErrInvalid for settings that are no good, and those of reading. All
// but the last two are cured by building the index anew.
func Open(path string, c Config, want Want) (Snapshot, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Snapshot{}, fmt.Errorf("open the index: %w: %w", recsys.ErrNotFound, err)
	}
	if err != nil {
		return Snapshot{}, fmt.Errorf("open the index: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return Snapshot{}, fmt.Errorf("open the index: %w", err)
	}
	s, err := read(file, info.Size(), c, want)
	if err != nil {
		return Snapshot{}, fmt.Errorf("open the index %s: %w", path, err)
	}
	return s, nil
}
