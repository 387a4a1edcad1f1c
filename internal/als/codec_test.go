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

func encoded(t testing.TB, m *Model) []byte {
	t.Helper()
	data, err := m.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// smallModel has three factors, so that a corpus of it stays small.
func smallModel(t testing.TB) *Model {
	model, _ := fitted(t, newShop(6, 5, 2, false, 21), testConfig(3, 2), fixed(3, 1.5))
	return model
}

func TestModelSurvivesStorage(t *testing.T) {
	t.Parallel()
	without := newShop(6, 5, 2, false, 22)
	without.content = Content{}
	plain, _ := fitted(t, without, testConfig(3, 2), fixed(3, 1.5))
	empty, _ := fitted(t, shop{}, testConfig(3, 2), fixed(3, 1.5))
	for name, want := range map[string]*Model{"usual": smallModel(t), "without content": plain, "without rows": empty} {
		data := encoded(t, want)
		got, err := UnmarshalModel(data)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		opts := cmp.Options{cmp.AllowUnexported(Model{}), cmpopts.IgnoreFields(Model{}, "scratches", "choice"), cmpopts.EquateEmpty()}
		if diff := cmp.Diff(want, got, opts); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if !slices.Equal(data, encoded(t, got)) {
			t.Errorf("%s: written again it has other bytes", name)
		}
		data[headerBytes]++ // the model keeps nothing of the input
		if !slices.Equal(want.gramV, got.gramV) {
			t.Errorf("%s: the model shares memory with its input", name)
		}
	}
}

func TestUnmarshalModelRefuses(t *testing.T) {
	t.Parallel()
	good := encoded(t, smallModel(t))
	// resealed applies a change and makes the checksum right again.
	resealed := func(change func(b []byte)) []byte {
		b := slices.Clone(good)
		change(b)
		binary.LittleEndian.PutUint32(b[len(b)-sumBytes:], crc32.Checksum(b[:len(b)-sumBytes], castagnoli))
		return b
	}
	field := func(k int, v uint32) func([]byte) {
		return func(b []byte) { binary.LittleEndian.PutUint32(b[len(modelMagic)+4*k:], v) }
	}
	parameter := func(k int, v float64) func([]byte) {
		return func(b []byte) { binary.LittleEndian.PutUint64(b[len(modelMagic)+20+8*k:], math.Float64bits(v)) }
	}
	number := func(at int, v float32) func([]byte) {
		return func(b []byte) { binary.LittleEndian.PutUint32(b[at:], math.Float32bits(v)) }
	}
	cases := map[string][]byte{
		"nothing":               nil,
		"header only":           good[:headerBytes],
		"a byte short":          good[:len(good)-1],
		"a byte long":           append(slices.Clone(good), 0),
		"magic":                 resealed(func(b []byte) { b[0]++ }),
		"next version":          resealed(field(0, modelVersion+1)),
		"no factors":            resealed(field(1, 0)),
		"too many factors":      resealed(field(1, MaxFactors+1)),
		"too much content":      resealed(field(2, math.MaxUint32)),
		"items beyond int32":    resealed(field(3, math.MaxUint32)),
		"another item":          resealed(field(3, 6)),
		"2³¹−1 items":           resealed(field(3, math.MaxInt32)),
		"users beyond int32":    resealed(field(4, math.MaxUint32)),
		"alpha0 NaN":            resealed(parameter(0, math.NaN())),
		"regularization 0":      resealed(parameter(1, 0)),
		"ridge negative":        resealed(parameter(2, -1)),
		"gain infinite":         resealed(parameter(3, math.Inf(1))),
		"mean positives NaN":    resealed(parameter(4, math.NaN())),
		"factor NaN":            resealed(number(headerBytes+8, float32(math.NaN()))),
		"factor infinite":       resealed(number(headerBytes+4, float32(math.Inf(-1)))),
		"negative positives":    resealed(number(len(good)-8-4*gainSteps, -1)),
		"positives NaN":         resealed(number(len(good)-8-4*gainSteps, float32(math.NaN()))),
		"cold share above 1":    resealed(number(len(good)-8, 1.5)),
		"cold share negative":   resealed(number(len(good)-8, -.5)),
		"checksum":              append(slices.Clone(good[:len(good)-1]), good[len(good)-1]+1),
		"bytes of another kind": []byte("PK\x03\x04 and a long tail that is as long as a header, surely, or even longer than one is"),
	}
	for name, data := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if m, err := UnmarshalModel(data); !errors.Is(err, recsys.ErrCorrupt) || m != nil {
				t.Errorf("model %v, error %v, want none and ErrCorrupt", m != nil, err)
			}
		})
	}
}

func TestUnmarshalModelNoticesEveryFlippedBit(t *testing.T) {
	t.Parallel()
	good := encoded(t, smallModel(t))
	for at := range good {
		for bit := range 8 {
			good[at] ^= 1 << bit
			if _, err := UnmarshalModel(good); !errors.Is(err, recsys.ErrCorrupt) {
				t.Fatalf("bit %d of byte %d flipped: error %v, want ErrCorrupt", bit, at, err)
			}
			good[at] ^= 1 << bit
		}
	}
}

// Whatever the bytes, there is an ErrCorrupt or a model that works and writes the same bytes.
func FuzzUnmarshalModel(f *testing.F) {
	good := encoded(f, smallModel(f))
	f.Add(good)
	f.Add(good[:headerBytes+sumBytes])
	f.Add([]byte(modelMagic))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) >= headerBytes+sumBytes { // give the fuzzer the checksum, or it never gets past it
			data = slices.Clone(data)
			binary.LittleEndian.PutUint32(data[len(data)-sumBytes:], crc32.Checksum(data[:len(data)-sumBytes], castagnoli))
		}
		m, err := UnmarshalModel(data)
		if err != nil {
			if !errors.Is(err, recsys.ErrCorrupt) {
				t.Fatalf("error %v, want ErrCorrupt", err)
			}
			return
		}
		if !slices.Equal(data, encoded(t, m)) {
			t.Error("written again it has other bytes")
		}
		m.checkUse(t)
	})
}
