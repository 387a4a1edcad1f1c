package server

import (
	"context"

	pb "github.com/seed-473295a7/vitrine/proto/vitrine/v1"
)

// ListFactorModels lists the stored factor models, newest first.
func (m *model) ListFactorModels(ctx context.Context, _ *pb.ListFactorModelsRequest) (*pb.ListFactorModelsResponse, error) {
	models, err := m.s.deps.Models.Models(ctx)
	if err != nil {
		return nil, err
	}
	out := &pb.ListFactorModelsResponse{}
	for i := range models {
		message, err := factorModelMessage(&models[i])
		if err != nil {
			return nil, err
		}
		out.FactorModels = append(out.FactorModels, message)
	}
	return out, nil
}
