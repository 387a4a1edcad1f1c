package engine

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// rosterState is a State with two registered items among four numbers.
func rosterState() (*State, []string) {
	s := &State{origin: origin{1, 2, 3}, chunks: []*chunk{new(chunk)}}
	c := s.chunks[0]
	c.facts[1], c.seq[1] = &facts{itemID: "lamp", updated: 1_600_000_000_000_000}, 7
	c.facts[3], c.seq[3] = &facts{itemID: "ß", updated: -5}, 1<<40
	c.seq[2] = 9
	return s, []string{"gone", "lamp", "deleted", "ß"}
}

func TestRosterComesBack(t *testing.T) {
	t.Parallel()
	s, ids := rosterState()
	b := encodeRoster(s, ids)
	gotIDs, writings, err := decodeRoster(b, s.origin)
	if err != nil || !cmp.Equal(ids, gotIDs) {
		t.Errorf("ids %q, %v", gotIDs, err)
	}
	want := []writing{{}, {7, 1_600_000_000_000_000}, {9, 0}, {1 << 40, -5}}
	if diff := cmp.Diff(want, writings, cmp.AllowUnexported(writing{})); diff != "" {
		t.Error(diff)
	}
	if _, _, err := decodeRoster(b, origin{1, 2}); !errors.Is(err, recsys.ErrIncompatible) {
		t.Errorf("of another origin: %v", err)
	}
	for n := len(s.origin); n < len(b); n++ {
		if _, _, err := decodeRoster(b[:n], s.origin); !errors.Is(err, recsys.ErrCorrupt) {
			t.Errorf("cut to %d bytes: %v", n, err)
		}
	}
}

func FuzzRoster(f *testing.F) {
	s, ids := rosterState()
	f.Add(encodeRoster(s, ids)[len(s.origin):])
	f.Add([]byte{0})
	f.Add([]byte{1, 255, 255, 255, 255, 255, 255, 255, 255, 127, 'a', 2, 2})
	f.Fuzz(func(t *testing.T, b []byte) {
		ids, writings, err := decodeRoster(append(s.origin[:len(s.origin):len(s.origin)], b...), s.origin)
		if err != nil && !errors.Is(err, recsys.ErrCorrupt) || len(ids) != len(writings) || len(ids) > len(b) {
			t.Errorf("%d ids, %d writings, %v", len(ids), len(writings), err)
		}
	})
}
