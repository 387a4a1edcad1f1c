package server

import (
	"context"

	"github.com/seed-473295a7/vitrine/internal/recsys"
	pb "github.com/seed-473295a7/vitrine/proto/vitrine/v1"
)

// GetRun answers one run.
func (m *model) GetRun(ctx context.Context, req *pb.GetRunRequest) (*pb.GetRunResponse, error) {
	run, err := m.s.deps.Runs.Run(ctx, recsys.RunID(numberOf(req.GetRun())))
	if err != nil {
		return nil, unstored(err, "run")
	}
	message, err := runMessage(&run)
	return &pb.GetRunResponse{Run: message}, err
}
