package server

import (
	"context"

	"github.com/seed-473295a7/vitrine/internal/recsys"
	pb "github.com/seed-473295a7/vitrine/proto/vitrine/v1"
)

// ActivateFactorModel makes a stored factor model the live one.
func (m *model) ActivateFactorModel(ctx context.Context, req *pb.ActivateFactorModelRequest) (*pb.ActivateFactorModelResponse, error) {
	err := m.s.deps.Models.ActivateModel(ctx, recsys.ModelID(numberOf(req.GetFactorModel())))
	if err != nil {
		return nil, unstored(err, "factor_model")
	}
	return &pb.ActivateFactorModelResponse{}, nil
}
