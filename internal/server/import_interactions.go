package server

import (
	"context"

	"google.golang.org/grpc"

	"github.com/seed-473295a7/vitrine/internal/engine"
	pb "github.com/seed-473295a7/vitrine/proto/vitrine/v1"
)

// ImportInteractions records interactions as a stream.
func (r *recommender) ImportInteractions(stream grpc.BidiStreamingServer[pb.ImportInteractionsRequest, pb.ImportInteractionsResponse]) error {
	return runImport(r.s, stream, importPlan[*pb.ImportInteractionsRequest, pb.ImportInteractionsResponse, engine.InteractionWrite]{
		method:  pb.RecommenderService_ImportInteractions_FullMethodName,
		maxRows: 1000,
		new:     func() *pb.ImportInteractionsRequest { return new(pb.ImportInteractionsRequest) },
		itemID:  func(*pb.ImportInteractionsRequest) string { return "" }, // not answered
		convert: func(method string, req *pb.ImportInteractionsRequest) (engine.InteractionWrite, error) {
			return interactionWriteOf(method, req)
		},
		commit: func(ctx context.Context, writes []engine.InteractionWrite) []rowOutcome {
			var out []rowOutcome
			for _, done := range r.s.deps.Engine.RecordInteractions(ctx, writes) {
				out = append(out, rowOutcome{err: done.Err})
			}
			return out
		},
		answer: func(row rowAnswer) *pb.ImportInteractionsResponse {
			return &pb.ImportInteractionsResponse{Index: row.index, Status: row.status.Proto()}
		},
	})
}
