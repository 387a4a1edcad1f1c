package vecmath

import (
	"cmp"
	"math"
	"slices"
)

// Scored is an id and its score; higher is better.
type Scored struct {
	ID    uint32
	Score float32
}

// better is the order of every ranked list: score descending, ties by ascending id.
func better(a, b Scored) bool {
	return a.Score > b.Score || a.Score == b.Score && a.ID < b.ID
}

// TopK keeps the k best of the entries pushed to it: those that sorting all of them
// (score descending, ties by ascending id) would put first, whatever the order of
// pushing. It is a heap with the worst kept entry on top: O(log k) for a push that
// is kept, O(1) for one that is not.
//
// It does not look for repeated ids. It belongs to one goroutine at a time. The zero value
// keeps nothing.
type TopK struct {
	k    int
	heap []Scored
}

// NewTopK returns an empty TopK. k ≤ 0 keeps nothing. Memory grows with what is
// kept, so a k far beyond the number of entries costs nothing.
func NewTopK(k int) *TopK {
	const reserve = 1024 // entries; more are only for who really pushes more
	k = max(k, 0)
	return &TopK{k: k, heap: make([]Scored, 0, min(k, reserve))}
}

// Reset empties t, which keeps its memory, and makes it keep the k best from now on.
func (t *TopK) Reset(k int) { t.k, t.heap = max(k, 0), t.heap[:0] }

// K returns how many entries are kept at most.
func (t *TopK) K() int { return t.k }

// Len returns how many entries are kept.
func (t *TopK) Len() int { return len(t.heap) }

// Threshold returns the score below which a push is certain to be refused: the worst
// kept score when k entries are kept, −Inf before, +Inf for k = 0. A push at exactly
// the threshold may still win by its lower id.
func (t *TopK) Threshold() float32 {
	switch {
	case t.k == 0:
		return float32(math.Inf(1))
	case len(t.heap) < t.k:
		return float32(math.Inf(-1))
	}
	return t.heap[0].Score
}

// Push offers an entry. A NaN score has no rank and is dropped.
func (t *TopK) Push(id uint32, score float32) {
	s := Scored{ID: id, Score: score}
	switch {
	case score != score: // NaN
	case len(t.heap) < t.k:
		t.heap = append(t.heap, s)
		t.up(len(t.heap) - 1)
	case t.k > 0 && better(s, t.heap[0]):
		t.heap[0] = s
		t.down(0)
	}
}

// Sorted returns the kept entries, best first, in a new slice that the caller owns;
// the TopK can be pushed to afterwards.
func (t *TopK) Sorted() []Scored {
	out := append(make([]Scored, 0, len(t.heap)), t.heap...)
	slices.SortFunc(out, func(a, b Scored) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.ID, b.ID))
	})
	return out
}

// up moves entry i towards the top while it is worse than its parent.
func (t *TopK) up(i int) {
	h := t.heap
	for i > 0 {
		parent := (i - 1) / 2
		if !better(h[parent], h[i]) {
			return
		}
		h[parent], h[i] = h[i], h[parent]
		i = parent
	}
}

// down moves entry i away from the top while a child is worse.
func (t *TopK) down(i int) {
	h := t.heap
	for {
		worst := 2*i + 1
		if worst >= len(h) {
			return
		}
		if right := worst + 1; right < len(h) && better(h[worst], h[right]) {
			worst = right
		}
		if !better(h[i], h[worst]) {
			return
		}
		h[i], h[worst] = h[worst], h[i]
		i = worst
	}
}
