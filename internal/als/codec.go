package als

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"

	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

// The layout is drawn in FORMAT.md.
const (
	modelMagic   = "VTRNALS\x00"
	modelVersion = 2
	headerBytes  = len(modelMagic) + 5*4 + 6*8
	sumBytes     = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// header is the fixed part of a stored model, after the magic and in this order.
type header struct {
	Version, Dims, ContentDims, Items, Users                           uint32
	Alpha0, Regularization, Ridge, Gain, MeanPositives, KnownPositives float64
}

// MarshalBinary writes the model as UnmarshalModel reads it. Equal models give equal bytes;
// Choice is not part of it. The error is always nil.
//
// It takes 4 bytes for each of some Items·(2f+1) + 2f² + (d+2)·f numbers: 52 MB per
// 100,000 items at f = 64.
func (m *Model) MarshalBinary() ([]byte, error) {
	h := header{Version: modelVersion, Dims: uint32(m.dims), ContentDims: uint32(m.contentDims),
		Items: uint32(m.Items()), Users: uint32(m.users),
		Alpha0: m.alpha0, Regularization: m.lambda, Ridge: m.ridge, Gain: m.gain, MeanPositives: m.meanPositives, KnownPositives: m.knownPositives}
	out := append(make([]byte, 0, h.size()), modelMagic...)
	out, err := binary.Append(out, binary.LittleEndian, h)
	if err != nil {
		return nil, fmt.Errorf("encode factor model: %w", err)
	}
	for _, block := range m.blocks() {
		out = vecmath.AppendBytes(out, *block.data)
	}
	return seal(out), nil
}

// seal appends the checksum.
func seal(out []byte) []byte {
	return binary.LittleEndian.AppendUint32(out, crc32.Checksum(out, castagnoli))
}

// unseal checks magic, checksum and that there is a header, decodes that, and returns what follows.
func unseal(data []byte, magic string, header any) ([]byte, error) {
	size := len(magic) + binary.Size(header)
	if len(data) < size+sumBytes || string(data[:len(magic)]) != magic {
		return nil, fmt.Errorf("%d bytes do not start like one", len(data))
	}
	body, sum := data[:len(data)-sumBytes], binary.LittleEndian.Uint32(data[len(data)-sumBytes:])
	if got := crc32.Checksum(body, castagnoli); got != sum {
		return nil, fmt.Errorf("checksum is %08x, want %08x", got, sum)
	}
	_, err := binary.Decode(body[len(magic):], binary.LittleEndian, header)
	return body[size:], err
}

// UnmarshalModel reads what MarshalBinary wrote. data is not kept.
//
// Errors: recsys.ErrCorrupt for anything else. Lengths are checked against len(data) before
// anything is allocated, and a model that is read is as sound as one that was fitted: every
// number is finite and in range.
func UnmarshalModel(data []byte) (*Model, error) {
	m, err := unmarshal(data)
	if err != nil {
		return nil, fmt.Errorf("factor model: %w: %w", recsys.ErrCorrupt, err)
	}
	return m, nil
}

func unmarshal(data []byte) (*Model, error) {
	var h header
	rest, err := unseal(data, modelMagic, &h)
	if err != nil {
		return nil, err
	}
	if err := h.check(len(data)); err != nil {
		return nil, err
	}
	m := &Model{dims: int(h.Dims), contentDims: int(h.ContentDims), users: int(h.Users), alpha0: h.Alpha0,
		lambda: h.Regularization, ridge: h.Ridge, gain: h.Gain, meanPositives: h.MeanPositives, knownPositives: h.KnownPositives}
	for _, block := range m.blocks() {
		size := 4 * block.length(uint64(h.Items))
		numbers, err := vecmath.FromBytes(rest[:size])
		if err != nil {
			return nil, err
		}
		if !vecmath.Finite(numbers) {
			return nil, fmt.Errorf("%s holds NaN or infinity", block.name)
		}
		*block.data, rest = numbers, rest[size:]
	}
	for row, n := range m.positives {
		if n < 0 {
			return nil, fmt.Errorf("row %d has %g positives", row, n)
		}
	}
	for _, share := range m.coldShares {
		if share < 0 || share > 1 {
			return nil, fmt.Errorf("a cold share is %g", share)
		}
	}
	m.massPerScore = m.scoreMass()
	return m, nil
}

// check refuses sizes and settings that no model has, and any that do not give length bytes.
func (h header) check(length int) error {
	switch {
	case h.Version != modelVersion:
		return fmt.Errorf("format version %d, want %d", h.Version, modelVersion)
	case h.Dims < 1 || h.Dims > MaxFactors || h.ContentDims > MaxContentDims ||
		h.Items > math.MaxInt32 || h.Users > math.MaxInt32:
		return fmt.Errorf("%d × %d factors of %d entries from %d of content", h.Users, h.Items, h.Dims, h.ContentDims)
	case uint64(length) != h.size():
		return fmt.Errorf("%d bytes, want %d", length, h.size())
	case !(h.Alpha0 > 0 && h.Regularization > 0 && h.Ridge >= 0 && h.Gain >= 0 && h.MeanPositives >= 0 && h.KnownPositives >= 0):
		return fmt.Errorf("parameters are out of range: %+v", h)
	}
	for _, v := range []float64{h.Alpha0, h.Regularization, h.Ridge, h.Gain, h.MeanPositives, h.KnownPositives} {
		if math.IsInf(v, 1) {
			return fmt.Errorf("parameters are not finite: %+v", h)
		}
	}
	return nil
}

// size is the length of the whole in bytes; it cannot overflow for sizes that check lets pass.
func (h header) size() uint64 {
	m := &Model{dims: int(h.Dims), contentDims: int(h.ContentDims)}
	numbers := uint64(0)
	for _, block := range m.blocks() {
		numbers += block.length(uint64(h.Items))
	}
	return uint64(headerBytes) + 4*numbers + sumBytes
}

// block is one array of a stored model.
type block struct {
	name         string
	data         *[]float32
	fixed, byRow int // entries: fixed + byRow for every item
}

func (b block) length(items uint64) uint64 { return uint64(b.fixed) + uint64(b.byRow)*items }

// blocks lists the arrays in the order in which they are stored.
func (m *Model) blocks() []block {
	f := m.dims
	return []block{
		{"gram_v", &m.gramV, f * f, 0},
		{"gram_w", &m.gramW, f * f, 0},
		{"mean_user", &m.meanUser, f, 0},
		{"content", &m.content, (m.contentDims + 1) * f, 0},
		{"v", &m.v, 0, f},
		{"mu", &m.mu, 0, f},
		{"positives", &m.positives, 0, 1},
		{"cold_shares", &m.coldShares, gainSteps, 0},
	}
}
