package ann

import (
	"maps"
	"math"
	"math/rand/v2"
	"testing"
)

// TestTrieAgainstMaps grows and empties tries of dense and scattered items and then
// looks at every version again.
func TestTrieAgainstMaps(t *testing.T) {
	t.Parallel()
	type snapshot struct {
		trie trie
		twin map[uint32]uint32
	}
	for name, item := range map[string]func(rng *rand.Rand) uint32{
		"dense":     func(rng *rand.Rand) uint32 { return uint32(rng.IntN(5000)) },
		"scattered": func(rng *rand.Rand) uint32 { return rng.Uint32() &^ 0xfff00 },
		"edges":     func(rng *rand.Rand) uint32 { return math.MaxUint32 >> rng.IntN(32) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(31, 1))
			var now snapshot
			now.twin = map[uint32]uint32{}
			var history []snapshot
			for version := range 60 {
				o := new(token)
				now.twin = maps.Clone(now.twin)
				for range rng.IntN(300) {
					it := item(rng)
					if _, ok := now.twin[it]; ok && version%20 > 10 || ok && rng.IntN(3) == 0 {
						now.trie = now.trie.remove(o, it)
						delete(now.twin, it)
					} else if version%20 <= 10 {
						now.twin[it] = rng.Uint32()
						now.trie = now.trie.set(o, it, now.twin[it])
					}
				}
				if version == 50 { // down to nothing
					for it := range now.twin {
						now.trie = now.trie.remove(o, it)
					}
					now.twin = map[uint32]uint32{}
				}
				history = append(history, now)
			}
			for version, s := range history {
				for it, want := range s.twin {
					if got, ok := s.trie.get(it); !ok || got != want {
						t.Fatalf("version %d: item %d at %d, %v, want %d", version, it, got, ok, want)
					}
				}
				for range 3000 {
					it := item(rng)
					if _, ok := s.trie.get(it); ok != has(s.twin, it) {
						t.Fatalf("version %d: item %d found: %v", version, it, ok)
					}
				}
				if (s.trie.root == nil) != (len(s.twin) == 0) {
					t.Fatalf("version %d: root %v for %d items", version, s.trie.root, len(s.twin))
				}
			}
		})
	}
}

func has(m map[uint32]uint32, item uint32) bool {
	_, ok := m[item]
	return ok
}
