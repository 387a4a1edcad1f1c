package server

import (
	"context"

	"github.com/seed-473295a7/vitrine/internal/engine"
	pb "github.com/seed-473295a7/vitrine/proto/vitrine/v1"
)

// Recommend answers the items to show.
func (r *recommender) Recommend(ctx context.Context, req *pb.RecommendRequest) (*pb.RecommendResponse, error) {
	list, err := r.s.deps.Engine.Recommend(ctx, engine.RecommendQuery{
		Actor:          actorOf(req),
		ContextItemIDs: req.GetContextItemIds(),
		ExcludeItemIDs: req.GetExcludeItemIds(),
		PageSize:       pageSize(req.GetPageSize(), defaultPage, maxPage),
		Filter:         req.GetFilter(),
		Diversity:      req.GetDiversity(),
		Placement:      req.GetPlacement(),
		IncludeSeen:    req.GetIncludeSeen(),
		ValidateOnly:   req.GetValidateOnly(),
	})
	if err != nil {
		return nil, err
	}
	return recommendationsMessage(&list), nil
}

func recommendationsMessage(list *engine.Recommendations) *pb.RecommendResponse {
	out := &pb.RecommendResponse{
		RecommendationId: list.RecommendationID,
		EmbeddingSpace:   list.Space.String(),
		FactorModel:      list.Model.String(),
		Strategy:         pb.Strategy(list.Strategy),
		Fallback:         list.FallbackReason != engine.FallbackNone,
		FallbackReason:   pb.FallbackReason(list.FallbackReason),
	}
	for _, item := range list.Items {
		out.Recommendations = append(out.Recommendations, &pb.Recommendation{
			ItemId: item.ItemID,
			Score:  item.Score,
			Breakdown: &pb.ScoreBreakdown{
				Content:       item.Breakdown.Content,
				Collaborative: item.Breakdown.Collaborative,
				Popularity:    item.Breakdown.Popularity,
				Boost:         item.Breakdown.Boost,
				Diversity:     item.Breakdown.Diversity,
			},
			ReasonItemIds:    item.ReasonItemIDs,
			InteractionCount: item.InteractionCount,
			Title:            item.Title,
		})
	}
	return out
}
