package engine

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/google/uuid"

	"github.com/seed-473295a7/vitrine/internal/filter"
	"github.com/seed-473295a7/vitrine/internal/rank"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// Recommend answers the items to show. It reads one State, writes nothing and never waits for
// training; when the store does not answer, what is in memory does, and the result says so.
func (e *Engine) Recommend(ctx context.Context, q RecommendQuery) (Recommendations, error) {
	s := e.state.Load()
	id, err := uuid.NewV7()
	if err != nil {
		return Recommendations{}, fmt.Errorf("name the recommendation: %w", err)
	}
	out := Recommendations{RecommendationID: id.String(), Space: s.spaceID}
	if s.model != nil {
		out.Model = s.modelID
	}
	matching, err := e.matching(ctx, s, q.Filter)
	if err != nil || q.ValidateOnly {
		return out, err
	}
	watch := e.stopwatch(callRecommend)
	prefs, storeErr := e.preferences(ctx, q.Actor)
	if ctx.Err() != nil {
		return out, ctx.Err()
	}
	watch.lap(stageHistory)
	r := e.newRequest(s, q, prefs, matching)
	r.watch = watch
	defer r.release()
	list := r.rank(&out)
	switch {
	case storeErr != nil:
		e.log.Warn("history could not be read, answering without it", "error", storeErr)
		out.FallbackReason = FallbackStoreUnavailable
	case s.registered == 0:
		out.FallbackReason = FallbackEmptyCatalog
	case len(list) < q.PageSize && matching != nil:
		out.FallbackReason = FallbackFiltered
	}
	if len(list) < q.PageSize && out.FallbackReason == FallbackNone {
		out.FallbackReason = FallbackExhausted
	}
	out.Items = r.present(list)
	r.watch.lap(stagePresent)
	return out, nil
}

// Rank is Recommend for a history that is handed in instead of one that is stored: the same
// code, for evaluations. What is in the history is not answered again.
func (e *Engine) Rank(ctx context.Context, q recsys.RankQuery) ([]recsys.Ranked, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s := e.state.Load()
	r := e.newRequest(s, RecommendQuery{PageSize: q.K, Diversity: q.Diversity, Placement: q.Placement},
		e.summarize(newestFirst(slices.Clone(q.History))), nil)
	defer r.release()
	if q.Only != nil {
		for at, ch := range s.chunks {
			for i, known := range ch.facts {
				if known != nil && !q.Only(known.itemID) {
					r.excluded.set(uint32(at*chunkSize + i))
				}
			}
		}
	}
	var how Recommendations
	list := r.rank(&how)
	out := make([]recsys.Ranked, len(list))
	for i, c := range list {
		out[i] = recsys.Ranked{ItemID: s.facts(c.Item).itemID, Score: c.Parts.Score()}
	}
	return out, nil
}

// Vector returns an item's unit vector in the live space, a view that must not be written to;
// nil if it has none.
func (e *Engine) Vector(itemID string) []float32 {
	number, ok := e.numbers.find(itemID)
	if !ok {
		return nil
	}
	return e.state.Load().vector(number)
}

// request is one Recommend under way.
type request struct {
	e         *Engine
	s         *State
	q         RecommendQuery
	placement Placement
	gain      float32
	now       int64
	prefs     []preference
	context   []uint32                   // registered context items
	matching  *filter.Bitmap             // what the filter allows; nil: all
	excluded  bitset                     // the rest, and what must not be shown again
	user      []float32                  // the folded-in factor; nil: none
	pairs     []float32                  // what the corrector says of the items it covers; nil: nothing
	known     float64                    // how well the user is known, 0..1
	reasons   func(item uint32) []uint32 // the items that speak for one, strongest first
	unexplain func()                     // gives back what reasons work with; nil: nothing
	watch     stopwatch                  // zero: nobody wants to know
}

func (e *Engine) newRequest(s *State, q RecommendQuery, prefs []preference, matching *filter.Bitmap) *request {
	r := &request{e: e, s: s, q: q, prefs: prefs, now: e.now().UnixNano(), placement: e.config.placement(q.Placement),
		matching: matching, excluded: e.outside(s, matching)}
	if s.model != nil {
		r.gain = float32(r.placement.gainOf(s.model.als))
	}
	for _, id := range q.ContextItemIDs {
		if number, ok := e.numbers.find(id); ok && s.facts(number) != nil {
			r.context = append(r.context, number)
			r.excluded.set(number)
		}
	}
	for _, id := range q.ExcludeItemIDs {
		if number, ok := e.numbers.find(id); ok {
			r.excluded.set(number)
		}
	}
	for _, p := range prefs {
		if p.hidden || !q.IncludeSeen {
			r.excluded.set(p.item)
		}
	}
	return r
}

// release gives memory back. Nothing of the request is used after it.
func (r *request) release() {
	if r.unexplain != nil {
		r.unexplain()
	}
	excluded := r.excluded // on its own: the pool must not hold on to a State
	r.e.bitsets.Put(&excluded)
}

// rank orders the answer and says in out what ordered it.
func (r *request) rank(out *Recommendations) []rank.Candidate {
	candidates := r.candidates(out)
	r.watch.lap(stageCandidates)
	rank.Sort(candidates)
	list := rank.Diversify(candidates, r.q.PageSize, r.q.Diversity, r.s.vector)
	r.watch.lap(stageRank)
	return list
}

// allowed reports whether an item may be in the answer.
func (r *request) allowed(item uint32) bool {
	return r.s.shownAt(item, r.now) && !r.excluded.has(item)
}

// candidates chooses the strategy by what is known and scores the items worth ranking.
func (r *request) candidates(out *Recommendations) []rank.Candidate {
	evidence := r.evidence()
	switch {
	case r.s.model != nil && len(evidence) > 0:
		if candidates, ok := r.blend(evidence); ok {
			out.Strategy = StrategyBlend
			return candidates
		}
	case len(r.context) > 0:
		if queries := r.embedded(r.context); len(queries) > 0 {
			out.Strategy, out.FallbackReason = StrategySimilarity, r.why()
			return r.similar(queries)
		}
	case r.s.model == nil:
		if queries := r.embedded(r.liked()); len(queries) > 0 {
			out.Strategy, out.FallbackReason = StrategySimilarity, FallbackNoFactorModel
			return r.similar(queries)
		}
	}
	out.Strategy, out.FallbackReason = StrategyPopular, r.why()
	return r.popular()
}

// why says what was missing for a personal blend. A list for context items without a user is
// what was asked for, not a fallback, once there is a model.
func (r *request) why() FallbackReason {
	switch {
	case r.s.model == nil:
		return FallbackNoFactorModel
	case r.q.Actor.IsZero() && len(r.context) > 0:
		return FallbackNone
	case r.q.Actor.IsZero():
		return FallbackNoUser
	}
	return FallbackUnknownUser
}

// evidence is the part of the history that says something about taste.
func (r *request) evidence() []preference {
	var out []preference
	for _, p := range r.prefs {
		if _, ok := r.s.factor(p.item); ok && p.confidence > 0 {
			out = append(out, p)
		}
	}
	return out
}

// liked are the items of the history that count as liked, newest first.
func (r *request) liked() []uint32 {
	var out []uint32
	for _, p := range r.prefs {
		if p.confidence > 0 && p.target > 0 {
			out = append(out, p.item)
		}
	}
	return out
}

// embedded keeps the items that have a vector, at most maxQueries.
func (r *request) embedded(items []uint32) []uint32 {
	var out []uint32
	for _, item := range items {
		if len(out) < maxQueries && r.s.vector(item) != nil {
			out = append(out, item)
		}
	}
	return out
}

// present turns the chosen candidates into the answer.
func (r *request) present(list []rank.Candidate) []Recommendation {
	out := make([]Recommendation, len(list))
	for i, c := range list {
		known := r.s.facts(c.Item)
		out[i] = Recommendation{ItemID: known.itemID, Title: known.title, Score: c.Parts.Score(),
			Breakdown: c.Parts, InteractionCount: r.e.numbers.positives(c.Item)}
		if r.reasons != nil {
			for _, reason := range r.reasons(c.Item) {
				out[i].ReasonItemIDs = append(out[i].ReasonItemIDs, r.e.numbers.id(reason))
			}
		}
	}
	return out
}

// bitset is a set of item numbers below a limit; numbers beyond are never in it, nor shown.
type bitset []uint64

// newBitset returns an empty set, in memory that a request before has released if there is any.
func (e *Engine) newBitset(limit int) bitset {
	words := (limit + 63) / 64
	if b, ok := e.bitsets.Get().(*bitset); ok && cap(*b) >= words {
		clear((*b)[:words])
		return (*b)[:words]
	}
	return make(bitset, words, words+words/8) // room for a catalogue that grows
}

func (b bitset) set(n uint32) {
	if int(n/64) < len(b) {
		b[n/64] |= 1 << (n % 64)
	}
}

func (b bitset) has(n uint32) bool { return int(n/64) < len(b) && b[n/64]&(1<<(n%64)) != 0 }

// hasChunk reports whether all items of a chunk are in the set.
func (b bitset) hasChunk(at int) bool {
	const words = chunkSize / 64
	for _, word := range b[at*words : (at+1)*words] {
		if word != math.MaxUint64 {
			return false
		}
	}
	return true
}
