package evaluate

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// positives are the distinct pairs of user and item that count as liked, by user.
func (l *Log) positives(rows []recsys.Interaction, config LogConfig) map[recsys.Actor][]int32 {
	out := make(map[recsys.Actor][]int32)
	seen := make(map[recsys.Actor]map[int32]bool)
	for _, in := range rows {
		a, p := config.Weights.Of(in.Type, in.Value)
		item, ok := l.at[in.ItemID]
		if !ok || p == 0 || a < config.Positive || seen[in.Actor][item] {
			continue
		}
		if seen[in.Actor] == nil {
			seen[in.Actor] = make(map[int32]bool)
		}
		seen[in.Actor][item] = true
		out[in.Actor] = append(out[in.Actor], item)
	}
	return out
}

// Popularity counts the training positives by item: what the figures of a report call popularity.
func (l *Log) Popularity(train []recsys.Interaction, config LogConfig) map[string]int {
	out := make(map[string]int)
	for _, items := range l.positives(train, config) {
		for _, item := range items {
			out[l.items[item]]++
		}
	}
	return out
}

// scorer is a baseline that scores every item of the catalogue.
type scorer struct {
	log   *Log
	score func(history []int32, scores []float64)
	from  LogConfig
}

// Rank sorts the catalogue by score; ties ascending by id, for the protocol to break.
func (s *scorer) Rank(ctx context.Context, q recsys.RankQuery) ([]recsys.Ranked, error) {
	seen := make(map[int32]bool)
	for _, in := range q.History {
		if item, ok := s.log.at[in.ItemID]; ok {
			seen[item] = true
		}
	}
	var history []int32
	for _, items := range s.log.positives(q.History, s.from) {
		history = append(history, items...)
	}
	scores := make([]float64, len(s.log.items))
	s.score(history, scores)
	var out []recsys.Ranked
	for item, score := range scores {
		if id := s.log.items[item]; !seen[int32(item)] && (q.Only == nil || q.Only(id)) {
			out = append(out, recsys.Ranked{ItemID: id, Score: score})
		}
	}
	slices.SortStableFunc(out, func(a, b recsys.Ranked) int { return cmp.Compare(b.Score, a.Score) })
	return s.tied(out, q.K), ctx.Err()
}

// tied cuts the list at k, but not within items of one score: which of them come first is the
// protocol's to say.
func (s *scorer) tied(list []recsys.Ranked, k int) []recsys.Ranked {
	for k > 0 && k < len(list) && list[k].Score == list[k-1].Score {
		k++
	}
	return list[:min(k, len(list))]
}

// NewPopularity ranks by training positives.
func NewPopularity(l *Log, train []recsys.Interaction, config LogConfig) Recommender {
	counts := make([]float64, len(l.items))
	for _, items := range l.positives(train, config) {
		for _, item := range items {
			counts[item]++
		}
	}
	return &scorer{log: l, from: config, score: func(_ []int32, scores []float64) { copy(scores, counts) }}
}

// NewItemKNN ranks item i by Σ cos(i, j) over the liked items j among its k nearest, the cosine
// being that of the two items' columns of training positives (Sarwar et al. 2001). Memory and
// time: the pairs of items that a user has in common.
func NewItemKNN(l *Log, train []recsys.Interaction, config LogConfig, k int) Recommender {
	byUser := l.positives(train, config)
	counts := make([]float64, len(l.items))
	common := make([]map[int32]float64, len(l.items))
	for _, items := range byUser {
		for _, j := range items {
			counts[j]++
			if common[j] == nil {
				common[j] = make(map[int32]float64)
			}
			for _, i := range items {
				if i != j {
					common[j][i]++
				}
			}
		}
	}
	speaksFor := make([][]neighbour, len(l.items)) // by liked item
	for i := range common {
		var nearest []neighbour
		for j, n := range common[i] {
			nearest = append(nearest, neighbour{j, n / math.Sqrt(counts[i]*counts[j])})
		}
		slices.SortFunc(nearest, func(a, b neighbour) int {
			return cmp.Or(cmp.Compare(b.cosine, a.cosine), cmp.Compare(a.item, b.item))
		})
		for _, near := range nearest[:min(k, len(nearest))] {
			speaksFor[near.item] = append(speaksFor[near.item], neighbour{int32(i), near.cosine})
		}
	}
	return &scorer{log: l, from: config, score: func(history []int32, scores []float64) {
		for _, j := range history {
			for _, of := range speaksFor[j] {
				scores[of.item] += of.cosine
			}
		}
	}}
}

type neighbour struct {
	item   int32
	cosine float64
}
