package engine

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"

	"github.com/seed-473295a7/vitrine/internal/ann"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// origin is what vectors and graph were made by: a digest of recipe, encoders and settings.
type origin [sha256.Size]byte

func (e *Engine) originOf(s *recsys.SpaceRecord) origin {
	h, c := sha256.New(), e.config.Index
	fmt.Fprintf(h, "%s\n%s\n%d %d %d %v %v\n", s.Encoder, e.TextEncoder(), c.M, c.EfConstruction, c.Ef, c.TargetRecall, c.Float32)
	h.Write(s.Recipe)
	return origin(h.Sum(nil))
}

// spareNumbers is how many numbers of items that are gone a file keeps beside one for every
// registered item. A process that starts without a file numbers its items anew.
const spareNumbers = 10_000

// SaveIndex writes the live index to Config.IndexFile, unless that holds it already. It runs
// beside everything else; a file that was begun and not finished is never seen.
//
// The file is bound to the space, not to the factor model, which vectors do not depend on.
func (e *Engine) SaveIndex() error {
	e.saving.Lock()
	defer e.saving.Unlock()
	s := e.state.Load()
	if e.config.IndexFile == "" || s == nil || s.index == e.saved {
		return nil
	}
	ids := e.numbers.ids()
	if len(ids) > 2*s.registered+spareNumbers {
		e.saved = s.index
		if err := os.Remove(e.config.IndexFile); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	file := ann.Snapshot{Stamp: ann.Stamp{Space: int64(s.spaceID), Change: s.catalogSeq}, Index: s.index, Extra: encodeRoster(s, ids)}
	if err := os.MkdirAll(filepath.Dir(e.config.IndexFile), 0o700); err != nil {
		return fmt.Errorf("save the index: %w", err)
	}
	if err := file.Save(e.config.IndexFile); err != nil {
		return err
	}
	e.saved = s.index
	e.log.Info("index saved", "vectors", s.index.Len(), "catalog_seq", s.catalogSeq)
	return nil
}

// savedBasis reads the file; nil if it is of no use.
func (e *Engine) savedBasis(head Head) *basis {
	if e.config.IndexFile == "" {
		return nil
	}
	b, err := e.openIndex(head)
	if err != nil {
		e.warnOf(err)
		return nil
	}
	return b
}

func (e *Engine) openIndex(head Head) (*basis, error) {
	file, err := ann.Open(e.config.IndexFile, e.config.Index,
		ann.Want{Space: int64(head.Space.ID), Dims: head.Space.Dims, NewestChange: head.CatalogSeq})
	if err != nil {
		return nil, err
	}
	ids, writings, err := decodeRoster(file.Extra, e.originOf(head.Space))
	if err != nil {
		return nil, err
	}
	for number, id := range ids {
		if got := e.numbers.number(id); got != uint32(number) {
			return nil, fmt.Errorf("item %q is number %d and not %d: %w", id, got, number, recsys.ErrIncompatible)
		}
	}
	return &basis{index: file.Index, change: file.Stamp.Change, carried: math.MaxInt64, of: func(number uint32) writing {
		if int(number) >= len(writings) {
			return writing{}
		}
		return writings[number]
	}}, nil
}

// encodeRoster writes who the items of an index are:
//
//	origin, count, then by number: length of the id, id, seq, update time in µs (0: not registered)
//
// with all numbers as varints. The index file checks it as a whole.
func encodeRoster(s *State, ids []string) []byte {
	b := binary.AppendUvarint(append([]byte(nil), s.origin[:]...), uint64(len(ids)))
	for number, id := range ids {
		b = append(binary.AppendUvarint(b, uint64(len(id))), id...)
		of := s.writing(uint32(number))
		b = binary.AppendVarint(binary.AppendVarint(b, of.seq), of.updated)
	}
	return b
}

// decodeRoster reads what encodeRoster wrote. ErrIncompatible if it is of another origin,
// ErrCorrupt if it is anything else.
func decodeRoster(b []byte, want origin) (ids []string, writings []writing, err error) {
	rest, ok := bytes.CutPrefix(b, want[:])
	if !ok {
		return nil, nil, fmt.Errorf("of another recipe, encoder or setting: %w", recsys.ErrIncompatible)
	}
	in := bytes.NewReader(rest)
	n, err := binary.ReadUvarint(in)
	if err != nil || n > uint64(len(rest))/4 { // an id of one byte, its length, and two numbers
		return nil, nil, fmt.Errorf("list of %d items: %w", n, recsys.ErrCorrupt)
	}
	ids, writings = make([]string, 0, n), make([]writing, 0, n)
	for range n {
		length, err := binary.ReadUvarint(in)
		if err != nil || length > uint64(in.Len()) {
			return nil, nil, fmt.Errorf("id of item %d: %w", len(ids), recsys.ErrCorrupt)
		}
		id := make([]byte, length)
		_, _ = in.Read(id) // as long as was checked
		seq, errSeq := binary.ReadVarint(in)
		updated, errUpdated := binary.ReadVarint(in)
		if err := errors.Join(errSeq, errUpdated); err != nil {
			return nil, nil, fmt.Errorf("item %d: %w: %w", len(ids), recsys.ErrCorrupt, err)
		}
		ids, writings = append(ids, string(id)), append(writings, writing{seq, updated})
	}
	if in.Len() > 0 {
		return nil, nil, fmt.Errorf("%d bytes after the last item: %w", in.Len(), recsys.ErrCorrupt)
	}
	return ids, writings, nil
}
