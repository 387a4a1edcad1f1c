package server

import (
	"context"
	"slices"
	"strings"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
	pb "github.com/seed-473295a7/vitrine/proto/vitrine/v1"
)

// ReembedItems queues the building of an embedding space. NOT_FOUND if this server has no such
// encoder.
func (m *model) ReembedItems(ctx context.Context, req *pb.ReembedItemsRequest) (*pb.ReembedItemsResponse, error) {
	if name := req.GetEncoder(); name != "" {
		known, err := m.s.deps.Models.Encoders()
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(known, func(e engine.EncoderInfo) bool { return e.Name == name || strings.HasPrefix(e.Name, name+"@") }) {
			return nil, &recsys.FieldError{Field: "encoder", Reason: "is not here; ListEncoders tells which are", Err: recsys.ErrNotFound}
		}
	}
	run, err := m.queue(ctx, pb.ModelService_ReembedItems_FullMethodName, req, recsys.RunReembed,
		engine.RunOrder{Encoder: req.GetEncoder(), Rate: req.GetMaxPicturesPerSecond(), Learn: req.GetLearnAttribute()})
	if err != nil {
		return nil, err
	}
	return &pb.ReembedItemsResponse{Run: run}, nil
}
