package engine

import (
	"cmp"
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/seed-473295a7/vitrine/internal/ann"
)

// recallAt is the k of the recall that is measured.
const recallAt = 10

// recentSamples is how many samples the reported recall is the mean of.
const recentSamples = 1000

// RecallSample is a search of a request, to be repeated beside an exact one.
type RecallSample struct {
	index ann.Index
	query []float32
	k     int
	not   *uint32 // the item that asks, which is not its own neighbour
}

// recallMeter gathers samples of searches and what was measured of them.
type recallMeter struct {
	samples chan RecallSample

	mu     sync.Mutex
	recent []float64 // ring of the last ones
	taken  int
}

func newRecallMeter() recallMeter { return recallMeter{samples: make(chan RecallSample, 4)} }

// sampleRecall lays a search aside now and then; if several wait already, not.
func (e *Engine) sampleRecall(s *State, query []float32, k int, not *uint32) {
	if rand.Float64() >= e.config.RecallSample || len(e.recall.samples) == cap(e.recall.samples) {
		return
	}
	select {
	case e.recall.samples <- RecallSample{s.index, slices.Clone(query), k, not}:
	default: // somebody was faster
	}
}

// RecallSamples gives the searches that MeasureRecall should look at.
func (e *Engine) RecallSamples() <-chan RecallSample { return e.recall.samples }

// MeasureRecall repeats a search, and once more exactly. Where the index scans anyway there is
// nothing to measure.
func (e *Engine) MeasureRecall(sample RecallSample) error {
	recall, ok, err := recallOf(sample)
	if err != nil || !ok {
		return err
	}
	m := &e.recall
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.recent) < recentSamples {
		m.recent = append(m.recent, recall)
	} else {
		m.recent[m.taken%recentSamples] = recall
	}
	m.taken++
	return nil
}

// recallOf is the share of the truly nearest recallAt items that the search finds.
func recallOf(s RecallSample) (recall float64, ok bool, err error) {
	index, ok := s.index.(ann.Rebuilder)
	if !ok || index.Stats().Nodes == 0 {
		return 0, false, nil
	}
	allowed := func(item uint32) bool { return s.not == nil || item != *s.not }
	found, err := index.Search(s.query, max(s.k, recallAt), allowed)
	if err != nil {
		return 0, false, err
	}
	truth, err := index.SearchExact(s.query, recallAt, allowed)
	if err != nil || len(truth) == 0 {
		return 0, false, err
	}
	n := 0
	for _, hit := range truth {
		if slices.ContainsFunc(found, func(h ann.Hit) bool { return h.ID == hit.ID }) {
			n++
		}
	}
	return float64(n) / float64(len(truth)), true, nil
}

// Recall returns the mean recall@10 of the last samples, up to 1,000, and how many were
// measured in all; NaN before the first.
func (e *Engine) Recall() (mean float64, samples int) {
	e.recall.mu.Lock()
	defer e.recall.mu.Unlock()
	if e.recall.taken == 0 {
		return math.NaN(), 0
	}
	sum := 0.0
	for _, r := range e.recall.recent {
		sum += r
	}
	return sum / float64(len(e.recall.recent)), e.recall.taken
}

// CheckRecall measures recall@10 with the vectors of so many items, spread over the catalogue,
// as queries; ok is false where the index scans, with a recall of 1.
func (e *Engine) CheckRecall(ctx context.Context, queries int) (recall float64, ok bool, err error) {
	s := e.state.Load()
	var items []uint32
	for number := range uint32(len(s.chunks) * chunkSize) {
		if s.vector(number) != nil {
			items = append(items, number)
		}
	}
	queries = min(queries, len(items))
	if queries == 0 {
		return 1, false, nil
	}
	for i := range queries {
		item := items[i*len(items)/queries]
		one, graph, err := recallOf(RecallSample{s.index, s.vector(item), recallAt, &item})
		if err := cmp.Or(err, ctx.Err()); err != nil || !graph {
			return 1, false, err
		}
		recall += one / float64(queries)
	}
	return recall, true, nil
}
