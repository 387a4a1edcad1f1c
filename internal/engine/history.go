package engine

import (
	"cmp"
	"slices"
	"time"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// preference is what an actor's interactions with one item amount to.
type preference struct {
	item       uint32
	confidence float64 // a of algorithms §2; 0: seen, but no evidence
	target     float64 // p: 1 liked, 0 disliked
	hidden     bool    // never to be shown again
}

// summarize reduces interactions, newest first, to one preference per item, ordered by the
// newest interaction with it. Those before cutoff have expired, hiding apart.
//
// The strongest of repeated events counts, and each further positive one adds Events.Repeat of
// its confidence, so that ten views are no purchase. What came before a rating, or before a
// dislike that nothing positive followed, counts no more.
func (e Events) summarize(newestFirst []recsys.Interaction, cutoff time.Time, number func(string) uint32) []preference {
	var out []preference
	at := make(map[uint32]int)
	decided := make(map[uint32]bool)     // older events say no more
	repeated := make(map[uint32]float64) // what all positive events together would be
	for _, in := range newestFirst {
		if in.Type != recsys.Hide && in.EventTime.Before(cutoff) {
			continue
		}
		item := number(in.ItemID)
		i, ok := at[item]
		if !ok {
			i = len(out)
			at[item] = i
			out = append(out, preference{item: item, target: 1})
		}
		p := &out[i]
		confidence, target := e.Weights.Of(in.Type, in.Value)
		switch {
		case in.Type == recsys.Hide:
			p.hidden = true
		case decided[item]:
		case target == 0 && p.confidence == 0 && confidence > 0:
			p.confidence, p.target = confidence, 0
			decided[item] = true
		case target == 1:
			repeated[item] += confidence
			p.confidence = max(p.confidence, confidence)
			decided[item] = in.Type == recsys.Rating
		}
	}
	for i := range out {
		p := &out[i]
		if p.target > 0 {
			p.confidence = min(p.confidence+e.Repeat*(repeated[p.item]-p.confidence), 2*p.confidence)
		}
		if p.hidden {
			p.confidence = 0
		}
	}
	return out
}

// newestFirst orders interactions; of equal times the later stored comes first.
func newestFirst(oldestFirst []recsys.Interaction) []recsys.Interaction {
	slices.Reverse(oldestFirst)
	slices.SortStableFunc(oldestFirst, func(a, b recsys.Interaction) int {
		return cmp.Compare(b.EventTime.UnixNano(), a.EventTime.UnixNano())
	})
	return oldestFirst
}
