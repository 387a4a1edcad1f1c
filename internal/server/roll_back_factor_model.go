package server

import (
	"context"

	pb "github.com/seed-473295a7/vitrine/proto/vitrine/v1"
)

// RollBackFactorModel makes the factor model that was live before live again.
func (m *model) RollBackFactorModel(ctx context.Context, _ *pb.RollBackFactorModelRequest) (*pb.RollBackFactorModelResponse, error) {
	id, err := m.s.deps.Models.RollBack(ctx)
	if err != nil {
		return nil, err
	}
	return &pb.RollBackFactorModelResponse{FactorModel: id.String()}, nil
}
