package engine

import (
	"context"
	"crypto/sha256"
	"fmt"

	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/space"
)

// FindSimilarItems answers the nearest items to an item, to a picture, or to an item shown with
// another picture. Errors: recsys.ErrNotFound if the item is not registered,
// recsys.ErrIncompatible if there is nothing of it to compare, a *recsys.FieldError on image or
// filter.
func (e *Engine) FindSimilarItems(ctx context.Context, q SimilarQuery) (Similar, error) {
	s := e.state.Load()
	out := Similar{Space: s.spaceID}
	watch := e.stopwatch(callSimilar)
	matching, err := e.matching(ctx, s, q.Filter)
	if err != nil {
		return out, err
	}
	self, vector, err := e.queryVector(ctx, s, q)
	if err != nil {
		return out, err
	}
	watch.lap(stageQuery)
	now := e.now().UnixNano()
	hits, err := s.search(vector, q.PageSize, matching, func(item uint32) bool {
		return s.shownAt(item, now) && (self == nil || item != *self)
	})
	if err != nil {
		return out, fmt.Errorf("search the index: %w", err)
	}
	watch.lap(stageCandidates)
	e.sampleRecall(s, vector, q.PageSize, self)
	for _, hit := range hits {
		if float64(hit.Score) < q.MinSimilarity {
			break
		}
		known := s.facts(hit.ID)
		out.Items = append(out.Items, SimilarItem{ItemID: known.itemID, Title: known.title,
			Similarity: float64(hit.Score), Blocks: s.space.Blocks(vector, s.vector(hit.ID))})
	}
	watch.lap(stagePresent)
	return out, nil
}

func (e *Engine) queryVector(ctx context.Context, s *State, q SimilarQuery) (self *uint32, vector []float32, err error) {
	var in space.Input
	if q.ItemID != "" {
		number, ok := e.numbers.find(q.ItemID)
		if !ok || s.facts(number) == nil {
			return nil, nil, &recsys.FieldError{Field: "item_id", Reason: "is not registered", Err: recsys.ErrNotFound}
		}
		self = &number
		if len(q.Image) == 0 {
			if vector = s.vector(number); vector == nil {
				return nil, nil, &recsys.FieldError{Field: "item_id", Err: recsys.ErrIncompatible,
					Reason: "has no picture, text or attributes that are embedded, so nothing is similar to it"}
			}
			return self, vector, nil
		}
		row, err := e.storedItem(ctx, q.ItemID)
		if err != nil {
			return nil, nil, err
		}
		texts, err := e.storedTexts(ctx, []*recsys.Item{&row.Item})
		if err != nil {
			return nil, nil, err
		}
		in = e.inputOf(&row.Item, texts[row.Item.ItemID])
	}
	digest := sha256.Sum256(q.Image)
	if in.Image, err = e.encode(ctx, s.encoder, q.Image, digest[:]); err != nil {
		return nil, nil, onField(err, "image")
	}
	vector = s.space.Embed(in)
	if vector == nil {
		return nil, nil, &recsys.FieldError{Field: "image", Reason: "gives an embedding of zeros", Err: recsys.ErrIncompatible}
	}
	return self, vector, nil
}
