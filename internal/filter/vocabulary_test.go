package filter

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestVocabularyWithPoorHashes keeps old versions while labels come and go whose hashes are
// equal in all, most or none of their bits.
func TestVocabularyWithPoorHashes(t *testing.T) {
	t.Parallel()
	for name, hash := range map[string]func(i int) uint64{
		"equal":   func(int) uint64 { return 5 },
		"tail":    func(i int) uint64 { return uint64(i%4) << 62 },
		"few":     func(i int) uint64 { return uint64(i % 7) },
		"distant": func(i int) uint64 { return uint64(i) * 0x9E3779B97F4A7C15 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(3, 9))
			var versions []vocabulary
			var twins []map[string]int
			v, twin := vocabulary{}, map[string]int{}
			for range 400 {
				o := new(token)
				for range 1 + rng.IntN(3) {
					i := rng.IntN(60)
					toggle(&v, twin, o, fmt.Sprint(i), hash(i), uint32(rng.IntN(3)))
				}
				versions, twins = append(versions, v), append(twins, maps.Clone(twin))
			}
			for i, v := range versions {
				got := map[string]int{}
				v.each(func(e *entry) bool { got[e.label.text] = e.items.size; return true })
				if diff := cmp.Diff(twins[i], got); diff != "" || v.size != len(twins[i]) {
					t.Fatalf("version %d of size %d (-want +got):\n%s", i, v.size, diff)
				}
				for label := range 60 {
					text := fmt.Sprint(label)
					if e := v.get(text, hash(label)); (e != nil) != (twins[i][text] > 0) {
						t.Fatalf("version %d: get(%s) = %v", i, text, e)
					}
				}
			}
		})
	}
}

// toggle gives one of three items a label or takes it away.
func toggle(v *vocabulary, twin map[string]int, o *token, text string, hash uint64, number uint32) {
	e := v.own(o, text, hash)
	if e.items.size > 0 && slices.Contains(union(e.items.parts()).ToArray(), number) {
		e.remove(number)
	} else {
		e.add(number)
	}
	twin[text] = e.items.size
	if e.items.size == 0 {
		v.drop(o, text, hash)
		delete(twin, text)
	}
}

// TestPosting grows and shrinks sets across blocks, and looks at all versions in the end.
func TestPosting(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(4, 4))
	var versions []posting
	var twins []map[uint32]bool
	e, twin := &entry{}, map[uint32]bool{}
	for step := range 1500 {
		number := uint32(rng.IntN(4))<<16 | uint32(rng.IntN(100))
		growing := step%500 < 300
		if step%3 == 0 { // as own does for the next version
			e = &entry{items: e.items}
		}
		switch {
		case twin[number] && !growing:
			e.remove(number)
			delete(twin, number)
		case !twin[number] && growing:
			e.add(number)
			twin[number] = true
		}
		if step%3 == 2 {
			versions, twins = append(versions, e.items), append(twins, maps.Clone(twin))
		}
	}
	for i, p := range versions {
		want := slices.AppendSeq([]uint32{}, maps.Keys(twins[i]))
		slices.Sort(want)
		got := append([]uint32{}, union(p.parts()).ToArray()...)
		if diff := cmp.Diff(want, got); diff != "" || p.size != len(want) {
			t.Fatalf("version %d of size %d (-want +got):\n%s", i, p.size, diff)
		}
	}
}
