package ann

import (
	"slices"

	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

// sieve finds the k best of many rows exactly while it reads most of them as codes only.
//
// A score s of a code with radius r says that the true one lies within s ± r. The k-th
// greatest s − r seen is a floor under the k-th best of all rows, so a row with s + r below
// the floor is out. What remains, rarely more than a few times k, is scored in full at the
// end. Rows without codes have radius 0, and their scores are the true ones already.
//
// A sieve serves one search at a time and keeps its memory for the next.
type sieve struct {
	probe  probe
	lower  vecmath.TopK // the k greatest s − r
	kept   []kept
	scores [chunkRows]float32
	zeros  [chunkRows]float32 // never written
}

// candidate is an item and its vector.
type candidate struct {
	item uint32
	row  []float32
}

type kept struct {
	candidate
	upper float32 // s + r
}

// begin prepares for the k best by a query with the squared norm given. Codes are used
// if asked for and if the query has a direction.
func (s *sieve) begin(query []float32, norm float32, k int, coded bool) {
	s.probe.set(query, coded && norm > 0)
	s.lower.Reset(k)
}

// clear forgets what was kept. A pooled sieve must not hold on to vectors, so what lies
// beyond the length of kept is always zero.
func (s *sieve) clear() {
	s.lower.Reset(s.lower.K())
	clear(s.kept)
	s.kept = s.kept[:0]
}

// readings holds the scores of at most chunkRows rows. It is valid until the next.
type readings struct {
	scores, scale []float32
	slope, fixed  float32
}

func (m *readings) radius(i int) float32 { return m.slope*m.scale[i] + m.fixed }

func (s *sieve) measure(r *rows) (m readings) {
	n := r.len()
	m.scores, m.scale = s.scores[:n], s.zeros[:n]
	if s.probe.coded {
		m.scale = r.scale
		m.slope, m.fixed = s.probe.radius(r)
	}
	s.probe.scoreAll(r, m.scores)
	return m
}

// floor is what s + r must reach.
func (s *sieve) floor() float32 { return s.lower.Threshold() }

// keep takes a row that reaches the floor.
func (s *sieve) keep(c candidate, score, radius float32) {
	s.lower.Push(c.item, score-radius)
	if !s.probe.coded {
		return
	}
	if len(s.kept) == cap(s.kept) { // memory grows only with what is still needed
		s.winnow()
		if len(s.kept) > cap(s.kept)/2 {
			s.kept = slices.Grow(s.kept, max(64, len(s.kept)))
		}
	}
	s.kept = append(s.kept, kept{c, score + radius})
}

// winnow drops what the floor has risen above.
func (s *sieve) winnow() {
	floor, n := s.floor(), 0
	for _, c := range s.kept {
		if c.upper >= floor {
			s.kept[n] = c
			n++
		}
	}
	clear(s.kept[n:])
	s.kept = s.kept[:n]
}

// finish returns the k best of all rows kept, best first, in a slice of the caller's.
func (s *sieve) finish() []Hit {
	if !s.probe.coded {
		return s.lower.Sorted()
	}
	s.winnow()
	s.lower.Reset(s.lower.K())
	var score [1]float32
	for _, c := range s.kept {
		vecmath.DotRows(s.probe.vector, c.row, score[:])
		s.lower.Push(c.item, score[0])
	}
	clear(s.kept)
	s.kept = s.kept[:0]
	return s.lower.Sorted()
}
