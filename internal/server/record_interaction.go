package server

import (
	"context"

	"google.golang.org/protobuf/proto"

	"github.com/seed-473295a7/vitrine/internal/engine"
	pb "github.com/seed-473295a7/vitrine/proto/vitrine/v1"
)

// RecordInteraction stores an interaction.
func (r *recommender) RecordInteraction(ctx context.Context, req *pb.RecordInteractionRequest) (*pb.RecordInteractionResponse, error) {
	write, err := interactionWriteOf(pb.RecommenderService_RecordInteraction_FullMethodName, req)
	if err != nil {
		return nil, err
	}
	done := r.s.deps.Engine.RecordInteractions(ctx, []engine.InteractionWrite{write})[0]
	if done.Err != nil {
		return nil, done.Err
	}
	return &pb.RecordInteractionResponse{Interaction: interactionMessage(&done.Interaction)}, nil
}

// interactionRequest is a message that records an interaction.
type interactionRequest interface {
	proto.Message
	GetInteraction() *pb.Interaction
}

func interactionWriteOf(method string, req interactionRequest) (engine.InteractionWrite, error) {
	request, err := requestID(method, req)
	if err != nil {
		return engine.InteractionWrite{}, err
	}
	return engine.InteractionWrite{Interaction: interactionOf(req.GetInteraction()), Request: request}, nil
}
