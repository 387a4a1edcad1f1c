package space

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

// oneOfEach is a small space with a block of every coder but the bootstrap's, and an item of it.
func oneOfEach(t testing.TB) (*Space, Input) {
	t.Helper()
	var inputs []Input
	for i := range 12 {
		x := float64(i)
		inputs = append(inputs, Input{
			Image: []float32{float32(i % 3), float32(i % 4), 1, float32(i % 5)},
			Attributes: map[string]recsys.Attribute{"artist": recsys.Labels([]string{"a", "b", "c"}[i%3]),
				"tags": recsys.Labels([]string{"x", "y"}[i%2], "z"), "price": recsys.Number(x * x), "year": recsys.Number(1900 + x)},
		})
	}
	cfg := DefaultConfig()
	cfg.ImageDims, cfg.MinPictures, cfg.HashDims = 2, 10, 16
	return mustFit(t, inputs, Schema{Attributes: []AttributeRule{
		{Name: "artist", Kind: recsys.KindLabels, Encoding: EncodingOneHot, Reason: "three of them"},
		{Name: "price", Kind: recsys.KindNumber, Encoding: EncodingLog, Weight: .2},
		{Name: "story", Kind: recsys.KindText},
		{Name: "tags", Kind: recsys.KindLabels, Encoding: EncodingHash},
		{Name: "year", Kind: recsys.KindNumber, Encoding: EncodingRobust},
	}}, cfg), inputs[7]
}

// oneWithTexts is a small space with a text block, and an item of it.
func oneWithTexts(t testing.TB) (*Space, Input) {
	t.Helper()
	var inputs []Input
	for i := range 12 {
		inputs = append(inputs, Input{Text: []float32{float32(i % 3), 1, float32(i % 5)}, TextEncoder: testEncoder,
			Attributes: map[string]recsys.Attribute{"artist": recsys.Labels([]string{"a", "b", "c"}[i%3])}})
	}
	cfg := DefaultConfig()
	cfg.TextDims, cfg.MinPictures = 2, 10
	return mustFit(t, inputs, Schema{Text: TextRule{Weight: .3, Reason: "all of them"},
		Attributes: []AttributeRule{{Name: "artist", Kind: recsys.KindLabels}}}, cfg), inputs[7]
}

// oneLearned is a small space whose picture block was learned.
func oneLearned(t testing.TB) *Space {
	t.Helper()
	inputs, _ := planted(300)
	cfg := DefaultConfig()
	cfg.ImageDims, cfg.MinPictures = 8, 100
	plain := mustFit(t, inputs, plantedSchema(), cfg)
	l := newLearner(plain.picture(), inputs, "artist", 1)
	coder, err := l.fit(l.rows, .1)
	if err != nil {
		t.Fatal(err)
	}
	coder.weight = .3
	return plain.withPicture(coder)
}

func TestMarshalRoundTrip(t *testing.T) {
	t.Parallel()
	fitted, item := oneOfEach(t)
	texts, titled := oneWithTexts(t)
	item.Text, item.TextEncoder = titled.Text, titled.TextEncoder
	for name, s := range map[string]*Space{"fitted": fitted, "texts": texts, "learned": oneLearned(t), "bootstrap": Bootstrap(4)} {
		b, err := s.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		back, err := Unmarshal(b)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(s.Embed(item), back.Embed(item)); diff != "" {
			t.Errorf("%s: vector (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff(s.Schema(), back.Schema(), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: schema (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff(s.Layout(), back.Layout()); diff != "" {
			t.Errorf("%s: layout (-want +got):\n%s", name, diff)
		}
		if s.Bootstrapped() != back.Bootstrapped() || s.FittedOn() != back.FittedOn() {
			t.Errorf("%s: bootstrapped %v, fitted on %d", name, back.Bootstrapped(), back.FittedOn())
		}
		if again, _ := back.MarshalBinary(); !slices.Equal(b, again) {
			t.Errorf("%s: written again, the bytes differ", name)
		}
	}
}

// A space of an earlier release must give the vectors it gave then: testdata holds one and the
// vector of an item of it.
func TestStoredSpaceStaysReadable(t *testing.T) {
	t.Parallel()
	fitted, item := oneOfEach(t)
	checkStored(t, "space.v1", fitted, item)
	fitted, item = oneWithTexts(t)
	checkStored(t, "space.v2", fitted, item)
}

func checkStored(t *testing.T, name string, fitted *Space, item Input) {
	t.Helper()
	spaceFile, vectorFile := filepath.Join("testdata", name), filepath.Join("testdata", name+".vector")
	if *update {
		b, _ := fitted.MarshalBinary()
		if err := errors.Join(os.WriteFile(spaceFile, b, 0o644),
			os.WriteFile(vectorFile, vecmath.AppendBytes(nil, fitted.Embed(item)), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	stored, err := os.ReadFile(spaceFile)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	want, err := vecmath.FromBytes(raw)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Unmarshal(stored)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, s.Embed(item), cmpopts.EquateApprox(0, 1e-6)); diff != "" {
		t.Errorf("%s: vector (-want +got):\n%s", name, diff)
	}
	if again, _ := s.MarshalBinary(); !slices.Equal(stored, again) {
		t.Errorf("%s: written again, the bytes differ", name)
	}
}

func TestUnmarshalRefusesEveryFault(t *testing.T) {
	t.Parallel()
	plain, _ := oneOfEach(t)
	texts, _ := oneWithTexts(t)
	checkRefusals(t, plain)
	checkRefusals(t, texts)
	checkRefusals(t, oneLearned(t))
}

func checkRefusals(t *testing.T, s *Space) {
	t.Helper()
	whole, _ := s.MarshalBinary()
	for n := range whole {
		if _, err := Unmarshal(whole[:n]); !errors.Is(err, recsys.ErrCorrupt) {
			t.Fatalf("the first %d bytes: error %v", n, err)
		}
		flipped := slices.Clone(whole)
		flipped[n] ^= 0x10
		if _, err := Unmarshal(flipped); !errors.Is(err, recsys.ErrCorrupt) {
			t.Fatalf("byte %d changed: error %v", n, err)
		}
	}
	if _, err := Unmarshal(append(slices.Clone(whole), 0)); !errors.Is(err, recsys.ErrCorrupt) {
		t.Errorf("a byte too many: error %v", err)
	}
	newer := slices.Clone(whole)
	newer[len(formatMagic)] = 9
	if _, err := Unmarshal(sealed(newer[:len(newer)-4])); !errors.Is(err, recsys.ErrIncompatible) {
		t.Errorf("version 9: error %v", err)
	}
}

// sealed appends the checksum of a body.
func sealed(body []byte) []byte {
	return binary.LittleEndian.AppendUint32(slices.Clone(body), crc32.Checksum(body, castagnoli))
}

// Behind a correct checksum, too, nothing is believed: every single number is replaced by values
// that a careless reader would allocate by, divide by or index with.
func TestUnmarshalBelievesNoNumber(t *testing.T) {
	t.Parallel()
	s, item := oneOfEach(t)
	checkNumbersDoubted(t, s, item)
	s, item = oneWithTexts(t)
	checkNumbersDoubted(t, s, item)
	inputs, _ := planted(1)
	checkNumbersDoubted(t, oneLearned(t), inputs[0])
}

func checkNumbersDoubted(t *testing.T, s *Space, item Input) {
	t.Helper()
	whole, _ := s.MarshalBinary()
	body := whole[:len(whole)-4]
	for at := len(formatMagic) + 4; at+4 <= len(body); at++ {
		for _, v := range []uint32{0, 1, math.MaxInt32, math.MaxUint32, 0x7fc00000} {
			changed := slices.Clone(body)
			binary.LittleEndian.PutUint32(changed[at:], v)
			checkUnmarshal(t, sealed(changed), item)
		}
	}
}

// checkUnmarshal: either ErrCorrupt, or a space that is written as it was read and finite.
func checkUnmarshal(t testing.TB, b []byte, item Input) {
	t.Helper()
	s, err := Unmarshal(b)
	if err != nil {
		if !errors.Is(err, recsys.ErrCorrupt) && !errors.Is(err, recsys.ErrIncompatible) {
			t.Fatalf("error %v", err)
		}
		return
	}
	if again, _ := s.MarshalBinary(); !slices.Equal(b, again) {
		t.Fatal("accepted, but written again the bytes differ")
	}
	if v := s.Embed(item); v != nil && (!vecmath.Finite(v) || math.Abs(length(v)-1) > 1e-4) {
		t.Fatalf("vector of length %v", length(v))
	}
}

func FuzzUnmarshal(f *testing.F) {
	s, item := oneOfEach(f)
	texts, _ := oneWithTexts(f)
	for _, seed := range []*Space{s, texts, oneLearned(f), Bootstrap(4), Bootstrap(0)} {
		b, _ := seed.MarshalBinary()
		f.Add(b[:len(b)-4])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		checkUnmarshal(t, body, item)
		checkUnmarshal(t, sealed(body), item)
	})
}
