package ingest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// batchImageBytes is where a batch of items ends early: with the batch the sink works on and
// the next one, pictures take twice this and two largest pictures at most.
const batchImageBytes = 32 << 20

// images reads pictures below one folder. Safe for concurrent use.
type images struct {
	fsys fs.FS
	root *os.Root // what fsys belongs to; nil if it came from the caller
}

// openImages opens the picture folder; none if the source has none.
func openImages(source ItemSource) (*images, error) {
	switch {
	case source.ImageFS != nil && source.Images != "":
		return nil, recsys.Invalid("images", "both a folder and a file system are given, want one")
	case source.Images == "":
		return &images{fsys: source.ImageFS}, nil
	}
	// A root and not os.DirFS, which follows links out of the folder.
	root, err := os.OpenRoot(source.Images)
	if err != nil {
		return nil, openError(source.Images, err)
	}
	return &images{fsys: root.FS(), root: root}, nil
}

func (m *images) close() {
	if m.root != nil {
		m.root.Close() // read only: nothing can be lost
	}
}

// size tells how large the picture a cell names is, or why it cannot be taken.
func (m *images) size(cell string) (size int64, reason string) {
	if m.fsys == nil {
		return 0, "names a picture, but no picture folder is given"
	}
	name, reason := imageName(cell)
	if reason != "" {
		return 0, reason
	}
	info, err := fs.Stat(m.fsys, name)
	switch {
	case err != nil:
		return 0, imageError(cell, err)
	case !info.Mode().IsRegular():
		return 0, shown(cell) + " is not a regular file"
	case info.Size() == 0:
		return 0, shown(cell) + " is an empty file"
	case info.Size() > maxImage:
		return 0, fmt.Sprintf("%s has %d bytes, want at most %d (20 MiB)", shown(cell), info.Size(), maxImage)
	}
	return info.Size(), ""
}

// read returns the bytes of a picture whose size was accepted.
func (m *images) read(cell string) (image []byte, reason string) {
	name, _ := imageName(cell)
	file, err := m.fsys.Open(name)
	if err != nil {
		return nil, imageError(cell, err)
	}
	defer file.Close()
	image, err = io.ReadAll(io.LimitReader(file, maxImage+1))
	switch {
	case err != nil:
		return nil, imageError(cell, err)
	case len(image) == 0 || len(image) > maxImage:
		return nil, shown(cell) + " changed while it was read"
	}
	return image, ""
}

// imageName turns a cell into a path that fs.FS takes.
func imageName(cell string) (name, reason string) {
	name = path.Clean(cell)
	switch {
	case strings.Contains(cell, "://"):
		return "", "is a web address, want a path below the picture folder"
	case path.IsAbs(cell) || name == ".." || strings.HasPrefix(name, "../"):
		return "", fmt.Sprintf("%s leaves the picture folder, want a path below it", shown(cell))
	case !fs.ValidPath(name) || strings.Contains(name, "\x00"):
		return "", fmt.Sprintf("%s is not a path in UTF-8", shown(cell))
	}
	return name, ""
}

func imageError(cell string, err error) string {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Sprintf("there is no file %s below the picture folder", shown(cell))
	}
	return fmt.Sprintf("%s cannot be read: %v", shown(cell), cause(err))
}

// readAll fetches the pictures that rows name, workers at a time, into the rows.
func (m *images) readAll(rows []itemRow, workers int) {
	var next atomic.Int64
	var reading sync.WaitGroup
	for range min(workers, len(rows)) {
		reading.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(rows)); i = next.Add(1) - 1 {
				m.readInto(&rows[i])
			}
		})
	}
	reading.Wait()
}

func (m *images) readInto(r *itemRow) {
	if r.image == "" || r.faults != nil {
		return
	}
	bytes, reason := m.read(r.image)
	if reason != "" {
		r.faults = []Fault{{Line: r.line, Column: columnImage, Reason: reason}}
		return
	}
	r.write.Image = bytes
}
