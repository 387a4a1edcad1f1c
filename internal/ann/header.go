package ann

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

const (
	magic         = "vitrann\n"
	formatVersion = 1
	headerBytes   = 192
	sumBytes      = 4
	maxLayers     = 16
)

// castagnoli is the checksum that processors compute.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// header is the beginning of a snapshot; FORMAT.md says what the fields are.
type header struct {
	Magic   [8]byte
	Version uint32
	Dims    uint32
	Stamp   Stamp
	M       uint32 // 0: there is no graph
	Entries uint32
	Tail    uint32
	_       uint32
	Extra   uint64
	Ef      [2]float64
	Visited [2]float64
	Nodes   [maxLayers]uint32 // by layer
	_       [28]byte
	Sum     uint32
}

// encode returns the header's bytes; magic, version and sum are filled in.
func (h header) encode() []byte {
	copy(h.Magic[:], magic)
	h.Version = formatVersion
	b, err := binary.Append(nil, binary.LittleEndian, h)
	if err != nil || len(b) != headerBytes {
		panic("ann: the header is not what FORMAT.md says")
	}
	rest := b[:headerBytes-sumBytes]
	return binary.LittleEndian.AppendUint32(rest, crc32.Checksum(rest, castagnoli))
}

// decodeHeader reads a header and holds it against what is wanted and against the size of
// the file: as much as it says is there.
func decodeHeader(b []byte, size int64, want Want) (h header, err error) {
	if _, err := binary.Decode(b, binary.LittleEndian, &h); err != nil {
		return h, err
	}
	switch {
	case !bytes.Equal(h.Magic[:], []byte(magic)):
		return h, fmt.Errorf("this is no index: %w", recsys.ErrCorrupt)
	case h.Version != formatVersion:
		return h, fmt.Errorf("format %d, this program reads %d: %w", h.Version, formatVersion, recsys.ErrIncompatible)
	case h.Sum != crc32.Checksum(b[:headerBytes-sumBytes], castagnoli):
		return h, fmt.Errorf("the header's checksum is wrong: %w", recsys.ErrCorrupt)
	case h.Stamp.Space != want.Space || h.Stamp.Model != want.Model:
		return h, fmt.Errorf("of space %d and model %d, want %d and %d: %w",
			h.Stamp.Space, h.Stamp.Model, want.Space, want.Model, recsys.ErrIncompatible)
	case int64(h.Dims) != int64(want.Dims):
		return h, fmt.Errorf("of %d dimensions, want %d: %w", h.Dims, want.Dims, recsys.ErrIncompatible)
	case h.Stamp.Change < want.OldestChange || h.Stamp.Change > want.NewestChange:
		return h, fmt.Errorf("of change %d, want %d … %d: %w",
			h.Stamp.Change, want.OldestChange, want.NewestChange, recsys.ErrIncompatible)
	}
	if fault := h.fault(); fault != "" {
		return h, fmt.Errorf("%s: %w", fault, recsys.ErrCorrupt)
	}
	if h.Extra > uint64(size) || h.fileBytes() != size {
		return h, fmt.Errorf("%d bytes are not what the header says: %w", size, recsys.ErrCorrupt)
	}
	return h, nil
}

// fault says what in the header cannot be.
func (h *header) fault() string {
	nodes := h.Nodes[0]
	switch {
	case h.Dims < 1 || h.Dims > maxDims:
		return "no such dimensions"
	case (nodes > 0) != (h.M > 0) || h.M == 1 || h.M > 64:
		return "no such graph"
	case nodes > maxNodes || h.Entries < nodes || nodes == 0 && h.Entries > 0:
		return "nodes and items do not agree"
	}
	for layer := 1; layer < maxLayers; layer++ {
		if h.Nodes[layer] > h.Nodes[layer-1] {
			return "a layer has more nodes than the one below"
		}
	}
	for i := range h.Ef {
		known := h.Ef[i] >= 1 && h.Ef[i] <= math.MaxUint16 && h.Visited[i] >= 1 && h.Visited[i] <= math.MaxUint32
		if nodes > 0 && !known {
			return "no such effort"
		}
	}
	return ""
}

// layers returns how many layers have nodes.
func (h *header) layers() (n int) {
	for n < maxLayers && h.Nodes[n] > 0 {
		n++
	}
	return n
}

// fileBytes is how long the file is if Extra is possible and fault finds nothing.
func (h *header) fileBytes() int64 {
	dims, nodes, entries, tail := int64(h.Dims), int64(h.Nodes[0]), int64(h.Entries), int64(h.Tail)
	words := entries + nodes + 1 + 2*((entries+63)/64) + nodes*dims + tail + tail*dims
	for layer := range h.layers() {
		links := int64(h.M)
		if layer == 0 {
			links *= 2
		}
		words += int64(h.Nodes[layer]) * links
	}
	sections := int64(7 + h.layers()) // extra, items, first, dead, vectors, tail items and vectors
	return headerBytes + int64(h.Extra) + 4*words + sections*sumBytes
}
