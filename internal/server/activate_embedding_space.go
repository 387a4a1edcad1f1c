package server

import (
	"context"
	"slices"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
	pb "github.com/seed-473295a7/vitrine/proto/vitrine/v1"
)

// ActivateEmbeddingSpace queues that a stored space goes live; NOT_FOUND if there is none.
func (m *model) ActivateEmbeddingSpace(ctx context.Context, req *pb.ActivateEmbeddingSpaceRequest) (*pb.ActivateEmbeddingSpaceResponse, error) {
	id := numberOf(req.GetEmbeddingSpace())
	if id != 0 {
		spaces, err := m.s.deps.Models.Spaces(ctx)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(spaces, func(s engine.SpaceVersion) bool { return int64(s.ID) == id }) {
			return nil, &recsys.FieldError{Field: "embedding_space", Reason: "is not stored", Err: recsys.ErrNotFound}
		}
	}
	run, err := m.queue(ctx, pb.ModelService_ActivateEmbeddingSpace_FullMethodName, req, recsys.RunActivateSpace, engine.RunOrder{Space: id})
	if err != nil {
		return nil, err
	}
	return &pb.ActivateEmbeddingSpaceResponse{Run: run}, nil
}
