package als

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

func smallCorrector(t testing.TB) *Corrector {
	return fitCorrector(t, newShop(12, 7, 2, false, 71), CorrectorConfig{Items: 4, Positives: 1, Ridge: 2}, 1)
}

func encodedCorrector(t testing.TB, c *Corrector) []byte {
	t.Helper()
	data, err := c.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestCorrectorSurvivesStorage(t *testing.T) {
	t.Parallel()
	for _, want := range []*Corrector{smallCorrector(t), fitCorrector(t, shop{}, DefaultCorrectorConfig(), 1)} {
		got, err := UnmarshalCorrector(encodedCorrector(t, want))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(Corrector{}), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

func TestUnmarshalCorrectorRefuses(t *testing.T) {
	t.Parallel()
	good := encodedCorrector(t, smallCorrector(t))
	resealed := func(at int, v uint32) []byte {
		b := slices.Clone(good)
		binary.LittleEndian.PutUint32(b[at:], v)
		return seal(b[:len(b)-sumBytes])
	}
	head := len(correctorMagic)
	for name, data := range map[string][]byte{
		"nothing":          nil,
		"a byte short":     good[:len(good)-1],
		"a byte long":      append(slices.Clone(good), 0),
		"next version":     resealed(head, correctorVersion+1),
		"items":            resealed(head+4, math.MaxUint32),
		"fewer items":      resealed(head+4, 3),
		"more covered":     resealed(head+8, 5),
		"all covered":      resealed(head+8, math.MaxUint32),
		"row out of range": resealed(head+12+12, 7),
		"rows not rising":  resealed(head+12+4, 0),
		"weight NaN":       resealed(head+12+16, math.Float32bits(float32(math.NaN()))),
		"another kind":     encoded(t, smallModel(t)),
	} {
		if c, err := UnmarshalCorrector(data); !errors.Is(err, recsys.ErrCorrupt) || c != nil {
			t.Errorf("%s: corrector %v, error %v, want none and ErrCorrupt", name, c != nil, err)
		}
	}
	for at := range good {
		good[at] ^= 4
		if _, err := UnmarshalCorrector(good); !errors.Is(err, recsys.ErrCorrupt) {
			t.Fatalf("byte %d changed: error %v, want ErrCorrupt", at, err)
		}
		good[at] ^= 4
	}
}

func FuzzUnmarshalCorrector(f *testing.F) {
	good := encodedCorrector(f, smallCorrector(f))
	f.Add(good[:len(good)-sumBytes])
	f.Add(good[:30])
	f.Fuzz(func(t *testing.T, body []byte) {
		data := binary.LittleEndian.AppendUint32(slices.Clip(body), crc32.Checksum(body, castagnoli))
		c, err := UnmarshalCorrector(data)
		if err != nil {
			if !errors.Is(err, recsys.ErrCorrupt) {
				t.Errorf("error %v, want ErrCorrupt", err)
			}
			return
		}
		if !slices.Equal(data, encodedCorrector(t, c)) {
			t.Error("written again it has other bytes")
		}
	})
}
