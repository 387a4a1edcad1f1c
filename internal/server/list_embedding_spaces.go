package server

import (
	"context"

	pb "github.com/seed-473295a7/vitrine/proto/vitrine/v1"
)

// ListEmbeddingSpaces lists the stored embedding spaces, newest first.
func (m *model) ListEmbeddingSpaces(ctx context.Context, _ *pb.ListEmbeddingSpacesRequest) (*pb.ListEmbeddingSpacesResponse, error) {
	spaces, err := m.s.deps.Models.Spaces(ctx)
	if err != nil {
		return nil, err
	}
	out := &pb.ListEmbeddingSpacesResponse{}
	for i := range spaces {
		out.EmbeddingSpaces = append(out.EmbeddingSpaces, spaceMessage(&spaces[i]))
	}
	return out, nil
}
