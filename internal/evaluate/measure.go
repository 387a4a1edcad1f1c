package evaluate

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

// Recommender ranks a catalogue for somebody known by what they did; *engine.Engine is one.
//
// Items of the history are not among the answer, nor any that q.Only refuses. Best first; fewer
// than q.K where fewer are left.
type Recommender interface {
	Rank(ctx context.Context, q recsys.RankQuery) ([]recsys.Ranked, error)
}

const (
	listLength = 100 // how deep a list is ranked
	shownPage  = 20  // the page that coverage, popularity and cold share are of
	firstPage  = 10  // the page that distances are of
)

// Setting is what all models of a comparison share in one fold.
type Setting struct {
	Items      int                           // of the catalogue
	Popularity map[string]int                // positives in training by item
	Vector     func(itemID string) []float32 // unit vectors, for distances within a list; nil: none
	Query      func(q *recsys.RankQuery)     // dials to set on every question; nil: none
	Progress   func(done, total int)         // nil: nobody watches
}

// Values are what a model achieved at a stage, by case where it is an accuracy. A case that has
// no target has no value; cold and warm count the targets without and with a positive in training.
type Values struct {
	NDCG100, NDCG10, Recall20, MRR []float64
	ColdRecall20, WarmRecall20     []float64
	Distance10                     []float64 // mean 1 − cosine within the first ten
	Popularity20                   []float64 // mean training positives of the first twenty
	ColdShare20                    []float64
	Coverage20                     float64     // share of the candidates in anyone's first twenty, mean over folds
	Items                          *ItemValues // of a stage that asks for scores
	folds                          int
}

// Measure asks a recommender the questions of a stage, one by one.
func (s Stage) Measure(ctx context.Context, r Recommender, with Setting) (*Values, error) {
	v, shown, watch := &Values{folds: 1}, make(map[string]bool), newWatch(s)
	for k, c := range s.Cases {
		if len(c.Targets) == 0 && watch == nil {
			continue
		}
		list, err := s.ask(ctx, r, c, with)
		if err != nil {
			return nil, fmt.Errorf("rank for %s: %w", c.Actor.ID, err)
		}
		v.add(c, list[:min(listLength, len(list))], shown, with)
		watch.add(c, list)
		if with.Progress != nil {
			with.Progress(k+1, len(s.Cases))
		}
	}
	candidates := with.Items
	if s.Only != nil {
		candidates = len(s.Only)
	}
	v.Coverage20 = float64(len(shown)) / float64(max(candidates, 1))
	v.Items = watch.values()
	return v, nil
}

// ask ranks for one case, ties in the order of the protocol.
func (s Stage) ask(ctx context.Context, r Recommender, c Case, with Setting) ([]recsys.Ranked, error) {
	q := recsys.RankQuery{History: c.History, K: listLength}
	if s.Scores {
		q.K = with.Items
	}
	if s.Only != nil || len(c.Left) > 0 {
		q.Only = func(itemID string) bool { return (s.Only == nil || s.Only[itemID]) && !c.Left[itemID] }
	}
	if with.Query != nil {
		with.Query(&q)
	}
	list, err := r.Rank(ctx, q)
	if err != nil {
		return nil, err
	}
	uid := numberOf(c.Actor.ID)
	slices.SortStableFunc(list, func(a, b recsys.Ranked) int {
		if a.Score != b.Score {
			return cmp.Compare(b.Score, a.Score)
		}
		return cmp.Compare(Hash(seedTie, uid, numberOf(a.ItemID)), Hash(seedTie, uid, numberOf(b.ItemID)))
	})
	return list[:min(q.K, len(list))], nil
}

func (v *Values) add(c Case, list []recsys.Ranked, shown map[string]bool, with Setting) {
	ids := make([]string, len(list))
	for i, r := range list {
		ids[i] = r.ItemID
	}
	page := ids[:min(shownPage, len(ids))]
	if len(page) > 0 {
		popularity, cold := 0.0, 0.0
		for _, id := range page {
			shown[id] = true
			popularity += float64(with.Popularity[id])
			if with.Popularity[id] == 0 {
				cold++
			}
		}
		v.Popularity20 = append(v.Popularity20, popularity/float64(len(page)))
		v.ColdShare20 = append(v.ColdShare20, cold/float64(len(page)))
	}
	if d, ok := distance(ids[:min(firstPage, len(ids))], with.Vector); ok {
		v.Distance10 = append(v.Distance10, d)
	}
	if n := len(c.Targets); n > 0 {
		targets := setOf(c.Targets)
		h := hits(ids, targets)
		v.NDCG100 = append(v.NDCG100, NDCG(h, n, 100))
		v.NDCG10 = append(v.NDCG10, NDCG(h, n, 10))
		v.Recall20 = append(v.Recall20, Recall(h, n, shownPage))
		v.MRR = append(v.MRR, ReciprocalRank(h))
		v.addParts(page, targets, with)
	}
}

// addParts measures the recall of cold and of warm targets in the one list.
func (v *Values) addParts(page []string, targets map[string]bool, with Setting) {
	cold, warm := make(map[string]bool), make(map[string]bool)
	for id := range targets {
		if with.Popularity[id] == 0 {
			cold[id] = true
		} else {
			warm[id] = true
		}
	}
	if len(cold) > 0 {
		v.ColdRecall20 = append(v.ColdRecall20, Recall(hits(page, cold), len(cold), shownPage))
	}
	if len(warm) > 0 {
		v.WarmRecall20 = append(v.WarmRecall20, Recall(hits(page, warm), len(warm), shownPage))
	}
}

func setOf(ids []string) map[string]bool {
	out := make(map[string]bool, len(ids))
	for _, id := range ids {
		out[id] = true
	}
	return out
}

// distance is the mean of 1 − cosine over pairs of items that have vectors; false below two.
func distance(ids []string, vector func(string) []float32) (float64, bool) {
	if vector == nil {
		return 0, false
	}
	var vectors [][]float32
	for _, id := range ids {
		if v := vector(id); v != nil {
			vectors = append(vectors, v)
		}
	}
	sum, pairs := 0.0, 0
	for i, a := range vectors {
		for _, b := range vectors[:i] {
			sum += 1 - float64(vecmath.Dot(a, b))
			pairs++
		}
	}
	if pairs == 0 {
		return 0, false
	}
	return sum / float64(pairs), true
}

// join appends the values of another fold.
func (v *Values) join(o *Values) {
	for _, pair := range []struct{ to, from *[]float64 }{
		{&v.NDCG100, &o.NDCG100}, {&v.NDCG10, &o.NDCG10}, {&v.Recall20, &o.Recall20}, {&v.MRR, &o.MRR},
		{&v.ColdRecall20, &o.ColdRecall20}, {&v.WarmRecall20, &o.WarmRecall20}, {&v.Distance10, &o.Distance10},
		{&v.Popularity20, &o.Popularity20}, {&v.ColdShare20, &o.ColdShare20},
	} {
		*pair.to = append(*pair.to, *pair.from...)
	}
	v.Coverage20 = (v.Coverage20*float64(v.folds) + o.Coverage20*float64(o.folds)) / float64(v.folds+o.folds)
	v.folds += o.folds
}
