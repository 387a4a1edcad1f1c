package ann

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestKeysSortByScoreAndNode(t *testing.T) {
	t.Parallel()
	negativeZero := float32(math.Copysign(0, -1))
	scores := []float32{math.MaxFloat32, 1e10, 1, .5, 1e-40, 0, negativeZero, -1e-40, -.5, -3, -math.MaxFloat32}
	var last key
	for i, s := range scores {
		for _, node := range []uint32{0, 1, 77, maxNodes - 1} {
			k := keyOf(s, node)
			if i+int(node) > 0 && k <= last {
				t.Errorf("score %v, node %d does not come after what is better", s, node)
			}
			last = k
			if nodeOf(k|opened) != node || math.Float32bits(scoreOf(k|opened)) != math.Float32bits(s) {
				t.Errorf("key of %v, %d gives back %v, %d", s, node, scoreOf(k), nodeOf(k))
			}
		}
	}
}

// A pool against sorting everything, and opening against always taking the best that was
// not taken before.
func TestPoolAgainstSorting(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(101, 1))
	var p pool
	for range 300 {
		limit := 1 + rng.IntN(40)
		p.reset(limit)
		var twin []key
		taken := map[uint32]bool{}
		for node := range uint32(rng.IntN(120)) {
			k := keyOf(float32(rng.IntN(50)-25), node)
			if k < p.worst() {
				p.push(k)
			}
			twin = append(twin, k)
			slices.Sort(twin)
			twin = twin[:min(limit, len(twin))]
			if node%3 == 0 {
				continue
			}
			want := slices.IndexFunc(twin, func(k key) bool { return !taken[nodeOf(k)] })
			got, ok := p.open()
			if ok != (want >= 0) || ok && got != nodeOf(twin[want]) {
				t.Fatalf("opened %d, %v, want number %d of %v", got, ok, want, twin)
			}
			taken[got] = taken[got] || ok
		}
		var got []key
		for _, k := range p.keys {
			got = append(got, k&^opened)
		}
		if diff := cmp.Diff(twin, got); diff != "" {
			t.Fatalf("limit %d (-want +got):\n%s", limit, diff)
		}
	}
}

func TestHeapAgainstSorting(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(102, 1))
	var h heap
	var twin []key
	for range 3000 {
		if len(twin) == 0 || rng.IntN(5) > 1 && len(twin) < 60 {
			k := key(rng.IntN(1000))
			h.push(k)
			twin = append(twin, k)
			slices.Sort(twin)
			continue
		}
		if got := h.pop(); got != twin[0] || len(h) != len(twin)-1 {
			t.Fatalf("popped %d, want %d; %d are left of %d", got, twin[0], len(h), len(twin))
		}
		twin = twin[1:]
	}
}

// Versions of a bitmap against maps; each stays what it was.
func TestBitmapAgainstMaps(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(103, 1))
	type snapshot struct {
		bitmap
		twin map[uint32]bool
	}
	now := snapshot{twin: map[uint32]bool{}}
	var history []snapshot
	for range 40 {
		before := now
		o := new(token)
		now.pages = slices.Clone(now.pages)
		now.twin = make(map[uint32]bool)
		for i := range before.twin {
			now.twin[i] = true
		}
		for range rng.IntN(50) {
			if i := uint32(rng.IntN(4 * pageBits)); !now.twin[i] {
				now.add(o, i)
				now.twin[i] = true
			}
		}
		history = append(history, now)
		var want, got []uint32
		for i := range now.twin {
			if !before.twin[i] {
				want = append(want, i)
			}
		}
		for p := range 6 {
			for _, bit := range differing(now.page(p), before.page(p)) {
				got = append(got, uint32(p*pageBits+bit))
			}
		}
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("differing bits (-want +got):\n%s", diff)
		}
	}
	for version, s := range history {
		for i := range uint32(5 * pageBits) {
			if s.has(i) != s.twin[i] {
				t.Fatalf("version %d: bit %d is %v", version, i, s.has(i))
			}
		}
		if s.count != len(s.twin) {
			t.Fatalf("version %d: %d bits, counted as %d", version, len(s.twin), s.count)
		}
	}
}
