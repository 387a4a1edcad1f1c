package engine

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-473295a7/vitrine/internal/rank"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// The slow twin of popular: score everything, sort.
func TestPopularEqualsSortingAll(t *testing.T) {
	t.Parallel()
	now := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 5))
		e := &Engine{config: DefaultConfig(), numbers: newNumbers(30 * day)}
		c := new(State).change()
		for i := range 1000 {
			number := e.numbers.number(fmt.Sprint(i))
			age := time.Duration(r.ExpFloat64() * float64(20*day))
			if seed%2 == 0 {
				age = 0
			}
			c.putFacts(number, &recsys.Item{ItemID: fmt.Sprint(i), Hidden: i%7 == 0, CreateTime: now.Add(-age)}, 1)
			for range int(seed/4) * int(r.ExpFloat64()*r.ExpFloat64()*3) {
				e.numbers.add(number, now.Add(-time.Duration(r.IntN(int(60*day)))), true)
			}
		}
		req := &request{e: e, s: &c.next, q: RecommendQuery{PageSize: 20}, now: now.UnixNano(), excluded: e.newBitset(1024)}
		req.excluded.set(5)
		var want []rank.Candidate
		for number := range uint32(1000) {
			if number%7 == 0 || number == 5 {
				continue
			}
			age := now.Sub(time.Unix(0, c.next.chunks[number/chunkSize].created[number%chunkSize]))
			want = append(want, rank.Candidate{Item: number, Parts: rank.Parts{Popularity: e.numbers.popularity(number),
				Boost: newness * math.Exp2(-float64(age)/float64(e.config.NewnessHalfLife))}})
		}
		slices.SortStableFunc(want, func(a, b rank.Candidate) int {
			switch x, y := float32(a.Parts.Score()), float32(b.Parts.Score()); {
			case x > y:
				return -1
			case x < y:
				return 1
			}
			return 0
		})
		if diff := cmp.Diff(want[:rank.DiversityPool], req.popular()); diff != "" {
			t.Errorf("seed %d (-all sorted +popular):\n%s", seed, diff)
		}
	}
}

func TestStrongest(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 6))
		values := make([]float64, r.IntN(9))
		var want []uint32
		for i := range values {
			values[i] = float64(r.IntN(6) - 2)
			if values[i] > 0 {
				want = append(want, uint32(i))
			}
		}
		slices.SortStableFunc(want, func(a, b uint32) int { return int(values[b] - values[a]) })
		got := strongest(len(values), func(i int) (uint32, float64) { return uint32(i), values[i] })
		if !slices.Equal(got, want[:min(len(want), maxReasons)]) {
			t.Errorf("of %v: %v, want %v", values, got, want)
		}
	}
}
