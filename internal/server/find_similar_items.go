package server

import (
	"context"

	"github.com/seed-473295a7/vitrine/internal/engine"
	pb "github.com/seed-473295a7/vitrine/proto/vitrine/v1"
)

// FindSimilarItems answers the neighbours of an item or a picture.
func (r *recommender) FindSimilarItems(ctx context.Context, req *pb.FindSimilarItemsRequest) (*pb.FindSimilarItemsResponse, error) {
	q := engine.SimilarQuery{
		ItemID:        req.GetItemId(),
		PageSize:      pageSize(req.GetPageSize(), defaultPage, maxPage),
		Filter:        req.GetFilter(),
		MinSimilarity: -1,
	}
	if req.MinSimilarity != nil {
		q.MinSimilarity = req.GetMinSimilarity()
	}
	if len(req.GetImage()) > 0 {
		q.Image = req.GetImage()
	}
	similar, err := r.s.deps.Engine.FindSimilarItems(ctx, q)
	if err != nil {
		return nil, err
	}
	out := &pb.FindSimilarItemsResponse{EmbeddingSpace: similar.Space.String()}
	for _, item := range similar.Items {
		out.SimilarItems = append(out.SimilarItems, &pb.SimilarItem{
			ItemId: item.ItemID, Similarity: item.Similarity, Blocks: item.Blocks, Title: item.Title})
	}
	return out, nil
}
