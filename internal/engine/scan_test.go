package engine

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

// scanState is a State of n items with factors of every kind: corrected, explored, zero, missing,
// of very different lengths, and a whole chunk without any.
func scanState(n, f int, r *rand.Rand) *State {
	c := new(State).change()
	for i := range n {
		number := uint32(i)
		if i >= 2*chunkSize && i < 3*chunkSize {
			number += uint32(n)
		}
		c.putFacts(number, &recsys.Item{ItemID: fmt.Sprint(number), Hidden: i%11 == 0}, 1)
		if i%13 == 0 {
			continue
		}
		row := make([]float32, f)
		if i%17 != 0 {
			length := float32(r.ExpFloat64())
			for k := range row {
				row[k] = length * float32(r.NormFloat64())
			}
		}
		ch, in := c.chunkOf(number)
		ch.base, ch.served[in] = setRow(ch.base, row, in, f), true
		ch.encode(in, f)
		if i%5 == 0 {
			ch.explore = setRow(ch.explore, []float32{r.Float32()}, in, 1)
		}
		if at := int(number / chunkSize); i%7 == 0 {
			for len(c.next.corrections) <= at {
				c.next.corrections = append(c.next.corrections, nil)
			}
			c.next.corrections[at] = append(c.next.corrections[at], correction{at: uint8(number % chunkSize), place: int32(i), weight: r.Float32()})
		}
	}
	return &c.next
}

// The slow twin of scan: score everything in full.
func TestScanEqualsScoringAll(t *testing.T) {
	t.Parallel()
	for _, f := range []int{16, 64, 100} {
		for seed := range uint64(10) {
			r := rand.New(rand.NewPCG(seed, uint64(f)))
			const n = 2000
			e := &Engine{config: DefaultConfig(), numbers: newNumbers(0)}
			s := scanState(n, f, r)
			q := &request{e: e, s: s, gain: 2.5, known: .8, user: make([]float32, f), excluded: e.newBitset(len(s.chunks) * chunkSize)}
			for k := range q.user {
				q.user[k] = float32(r.NormFloat64() * float64(min(seed, 2))) // of seed 0: zero
			}
			if seed%2 == 1 {
				q.pairs = make([]float32, n)
				for k := range q.pairs {
					q.pairs[k] = float32(3 * r.NormFloat64())
				}
			}
			for range 100 {
				q.excluded.set(uint32(r.IntN(n)))
			}
			for _, k := range []int{1, 100, 5000} {
				top := vecmath.NewTopK(k)
				for number := range uint32(len(s.chunks) * chunkSize) {
					if ch := s.chunks[number/chunkSize]; ch.served[number%chunkSize] && q.allowed(number) {
						top.Push(number, q.scoreOf(number))
					}
				}
				if diff := cmp.Diff(top.Sorted(), q.scan(k)); diff != "" {
					t.Errorf("%d factors, seed %d, k %d (-all +scan):\n%s", f, seed, k, diff)
				}
			}
		}
	}
}
