package evaluate

import (
	"cmp"
	"math"
	"slices"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// ItemValues are the figures of a stage whose targets are spread over a few watched items: those
// that are a target of anybody.
type ItemValues struct {
	AUC        []float64 // by watched item: are its users scored above others?
	ColdRecall float64   // hits among the first twenty watched items of each user, over all targets
	Recall     float64   // hits among the first twenty candidates, over all targets
	Share      float64   // of the first twenty candidates that are watched items
}

// watch gathers the scores of the watched items.
type watch struct {
	items  map[string]int
	scores [][]scoredCase // by watched item

	hits, coldHits, targets, places, watchedPlaces int
}

// scoredCase is how an item was scored for somebody who wants it or not.
type scoredCase struct {
	score  float64
	wanted bool
}

// newWatch is nil for a stage that does not ask for scores.
func newWatch(s Stage) *watch {
	if !s.Scores {
		return nil
	}
	w := &watch{items: make(map[string]int)}
	for _, c := range s.Cases {
		for _, id := range c.Targets {
			if _, ok := w.items[id]; !ok {
				w.items[id] = len(w.items)
			}
		}
	}
	w.scores = make([][]scoredCase, len(w.items))
	return w
}

func (w *watch) add(c Case, list []recsys.Ranked) {
	if w == nil {
		return
	}
	targets := setOf(c.Targets)
	w.targets += len(targets)
	watched := 0
	for place, r := range list {
		item, ok := w.items[r.ItemID]
		if place < shownPage {
			w.places++
		}
		if !ok {
			continue
		}
		w.scores[item] = append(w.scores[item], scoredCase{r.Score, targets[r.ItemID]})
		watched++
		if place < shownPage {
			w.watchedPlaces++
		}
		if targets[r.ItemID] {
			w.hits += count(place < shownPage)
			w.coldHits += count(watched <= shownPage)
		}
	}
}

func count(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

func (w *watch) values() *ItemValues {
	if w == nil {
		return nil
	}
	v := &ItemValues{
		Recall:     float64(w.hits) / float64(max(w.targets, 1)),
		ColdRecall: float64(w.coldHits) / float64(max(w.targets, 1)),
		Share:      float64(w.watchedPlaces) / float64(max(w.places, 1)),
	}
	for _, scores := range w.scores {
		if auc := areaUnderCurve(scores); !math.IsNaN(auc) {
			v.AUC = append(v.AUC, auc)
		}
	}
	return v
}

// areaUnderCurve is the chance that one who wants the item is scored above one who does not; ties
// count half. NaN if there is nobody of either.
func areaUnderCurve(scores []scoredCase) float64 {
	sorted := slices.Clone(scores)
	slices.SortFunc(sorted, func(a, b scoredCase) int { return cmp.Compare(a.score, b.score) })
	wanted, ranks := 0.0, 0.0
	for i := 0; i < len(sorted); {
		j := i
		for j < len(sorted) && sorted[j].score == sorted[i].score {
			j++
		}
		for _, s := range sorted[i:j] {
			if s.wanted {
				wanted++
				ranks += float64(i+j+1) / 2 // mid-rank, from 1
			}
		}
		i = j
	}
	others := float64(len(sorted)) - wanted
	return (ranks - wanted*(wanted+1)/2) / (wanted * others)
}
