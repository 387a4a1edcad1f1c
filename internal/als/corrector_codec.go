package als

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

// The layout is drawn in FORMAT.md.
const (
	correctorMagic   = "VTRNCOR\x00"
	correctorVersion = 1
)

// correctorHeader is the fixed part of a stored corrector, after the magic and in this order.
type correctorHeader struct{ Version, Items, Covered uint32 }

// MarshalBinary writes the corrector as UnmarshalCorrector reads it: 4·k·(k+1) bytes for k
// covered items. The error is always nil.
func (c *Corrector) MarshalBinary() ([]byte, error) {
	out := append(make([]byte, 0, 4*len(c.b)+4*len(c.rows)+64), correctorMagic...)
	out, err := binary.Append(out, binary.LittleEndian, correctorHeader{correctorVersion, uint32(len(c.place)), uint32(len(c.rows))})
	if err != nil {
		return nil, fmt.Errorf("encode corrector: %w", err)
	}
	for _, row := range c.rows {
		out = binary.LittleEndian.AppendUint32(out, uint32(row))
	}
	return seal(vecmath.AppendBytes(out, c.b)), nil
}

// UnmarshalCorrector reads what MarshalBinary wrote. data is not kept.
//
// Errors: recsys.ErrCorrupt for anything else; lengths are checked before anything is allocated.
func UnmarshalCorrector(data []byte) (*Corrector, error) {
	c, err := unmarshalCorrector(data)
	if err != nil {
		return nil, fmt.Errorf("corrector: %w: %w", recsys.ErrCorrupt, err)
	}
	return c, nil
}

func unmarshalCorrector(data []byte) (*Corrector, error) {
	var h correctorHeader
	rest, err := unseal(data, correctorMagic, &h)
	if err != nil {
		return nil, err
	}
	k := int(h.Covered)
	switch {
	case h.Version != correctorVersion:
		return nil, fmt.Errorf("format version %d, want %d", h.Version, correctorVersion)
	case h.Items > math.MaxInt32 || h.Covered > maxCorrected || h.Covered > h.Items:
		return nil, fmt.Errorf("%d of %d items are covered", h.Covered, h.Items)
	case len(rest) != 4*k*(k+1):
		return nil, fmt.Errorf("%d bytes of %d covered items, want %d", len(rest), k, 4*k*(k+1))
	}
	rows := make([]int32, k)
	for i := range rows {
		row := binary.LittleEndian.Uint32(rest[4*i:])
		if row >= h.Items || i > 0 && int32(row) <= rows[i-1] {
			return nil, fmt.Errorf("covered row %d is %d of %d", i, row, h.Items)
		}
		rows[i] = int32(row)
	}
	c := newCorrector(rows, int(h.Items))
	if c.b, err = vecmath.FromBytes(rest[4*k:]); err != nil {
		return nil, err
	}
	if !vecmath.Finite(c.b) {
		return nil, errors.New("weights hold NaN or infinity")
	}
	return c, nil
}
