package server

import (
	"context"

	"google.golang.org/grpc"

	"github.com/seed-473295a7/vitrine/internal/engine"
	pb "github.com/seed-473295a7/vitrine/proto/vitrine/v1"
)

// ImportItems registers items as a stream.
func (r *recommender) ImportItems(stream grpc.BidiStreamingServer[pb.ImportItemsRequest, pb.ImportItemsResponse]) error {
	return runImport(r.s, stream, importPlan[*pb.ImportItemsRequest, pb.ImportItemsResponse, engine.Registration]{
		method:  pb.RecommenderService_ImportItems_FullMethodName,
		maxRows: 256,
		new:     func() *pb.ImportItemsRequest { return new(pb.ImportItemsRequest) },
		itemID:  func(req *pb.ImportItemsRequest) string { return req.GetItem().GetItemId() },
		convert: func(method string, req *pb.ImportItemsRequest) (engine.Registration, error) {
			return registrationOf(method, req)
		},
		commit: func(ctx context.Context, items []engine.Registration) []rowOutcome {
			var out []rowOutcome
			for _, done := range r.s.deps.Engine.RegisterItems(ctx, items) {
				out = append(out, rowOutcome{created: done.Created && done.Err == nil, err: done.Err})
			}
			return out
		},
		answer: func(row rowAnswer) *pb.ImportItemsResponse {
			return &pb.ImportItemsResponse{Index: row.index, Status: row.status.Proto(), ItemId: row.itemID, Created: row.created}
		},
	})
}
