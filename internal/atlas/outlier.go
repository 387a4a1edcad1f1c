package atlas

import (
	"cmp"
	"slices"
)

// Outlier is an item that is far from all others: a mistake, a forgery, or one of a kind.
type Outlier struct {
	ItemID     string  `json:"item_id"`
	Title      string  `json:"title"`
	Similarity float64 `json:"similarity"` // cosine of the nearest other item

	drawn int
}

// mostOutliers is how many are listed.
const mostOutliers = 20

type outlier struct {
	place      int
	similarity float64
}

// farthest are the places whose nearest item has the lowest score, ties by place.
func farthest(first []float64) []outlier {
	all := make([]outlier, len(first))
	for place, score := range first {
		all[place] = outlier{place, score}
	}
	slices.SortStableFunc(all, func(a, b outlier) int { return cmp.Compare(a.similarity, b.similarity) })
	return all[:min(mostOutliers, len(all))]
}
