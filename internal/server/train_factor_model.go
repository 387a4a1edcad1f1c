package server

import (
	"context"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
	pb "github.com/seed-473295a7/vitrine/proto/vitrine/v1"
)

// TrainFactorModel queues a training.
func (m *model) TrainFactorModel(ctx context.Context, req *pb.TrainFactorModelRequest) (*pb.TrainFactorModelResponse, error) {
	run, err := m.queue(ctx, pb.ModelService_TrainFactorModel_FullMethodName, req, recsys.RunTrain, engine.RunOrder{})
	if err != nil {
		return nil, err
	}
	return &pb.TrainFactorModelResponse{Run: run}, nil
}
