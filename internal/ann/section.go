package ann

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math"

	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

// pieceBytes is how much is read or written at once.
const pieceBytes = 1 << 20

// sectionWriter writes sections, each followed by its checksum. After an error it writes
// nothing more.
type sectionWriter struct {
	w     io.Writer
	sum   uint32
	piece []byte
	err   error
}

func (s *sectionWriter) bytes(b []byte) {
	if s.err == nil {
		s.sum = crc32.Update(s.sum, castagnoli, b)
		_, s.err = s.w.Write(b)
	}
}

func (s *sectionWriter) words(words []uint32) {
	for len(words) > 0 && s.err == nil {
		n := min(len(words), pieceBytes/4)
		s.piece = s.piece[:0]
		for _, word := range words[:n] {
			s.piece = binary.LittleEndian.AppendUint32(s.piece, word)
		}
		s.bytes(s.piece)
		words = words[n:]
	}
}

func (s *sectionWriter) floats(v []float32) {
	for len(v) > 0 && s.err == nil {
		n := min(len(v), pieceBytes/4)
		s.piece = vecmath.AppendBytes(s.piece[:0], v[:n])
		s.bytes(s.piece)
		v = v[n:]
	}
}

// bitmap writes n bits, in whole words of 64.
func (s *sectionWriter) bitmap(b *bitmap, n int) {
	for at := 0; at < n && s.err == nil; at += 64 {
		s.piece = binary.LittleEndian.AppendUint64(s.piece[:0], b.word(at))
		s.bytes(s.piece)
	}
}

// end writes the section's checksum.
func (s *sectionWriter) end() {
	sum := binary.LittleEndian.AppendUint32(nil, s.sum)
	s.bytes(sum)
	s.sum = 0
}

// sectionReader reads what sectionWriter wrote. Its errors wrap recsys.ErrCorrupt, except
// those of reading.
type sectionReader struct {
	r     io.Reader
	sum   uint32
	piece []byte
}

// next returns the next n bytes, at most pieceBytes, valid until the next call.
func (s *sectionReader) next(n int) ([]byte, error) {
	if s.piece == nil {
		s.piece = make([]byte, pieceBytes)
	}
	b := s.piece[:n]
	if err := readFull(s.r, b); err != nil {
		return nil, err
	}
	s.sum = crc32.Update(s.sum, castagnoli, b)
	return b, nil
}

// readFull fills b.
func readFull(r io.Reader, b []byte) error {
	_, err := io.ReadFull(r, b)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return fmt.Errorf("the file ends too early: %w", recsys.ErrCorrupt)
	}
	return err
}

func (s *sectionReader) bytes(b []byte) error {
	for len(b) > 0 {
		piece, err := s.next(min(len(b), pieceBytes))
		if err != nil {
			return err
		}
		b = b[copy(b, piece):]
	}
	return nil
}

func (s *sectionReader) words(words []uint32) error {
	for len(words) > 0 {
		n := min(len(words), pieceBytes/4)
		b, err := s.next(4 * n)
		if err != nil {
			return err
		}
		for i := range words[:n] {
			words[i] = binary.LittleEndian.Uint32(b[4*i:])
		}
		words = words[n:]
	}
	return nil
}

func (s *sectionReader) floats(v []float32) error {
	for len(v) > 0 {
		n := min(len(v), pieceBytes/4)
		b, err := s.next(4 * n)
		if err != nil {
			return err
		}
		for i := range v[:n] {
			v[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
		}
		v = v[n:]
	}
	return nil
}

// end reads the section's checksum and compares.
func (s *sectionReader) end(section string) error {
	sum := s.sum
	var b [sumBytes]byte
	if err := readFull(s.r, b[:]); err != nil {
		return err
	}
	s.sum = 0
	if binary.LittleEndian.Uint32(b[:]) != sum {
		return fmt.Errorf("the checksum of the %s is wrong: %w", section, recsys.ErrCorrupt)
	}
	return nil
}
