package server

import (
	"context"

	"github.com/seed-473295a7/vitrine/internal/recsys"
	pb "github.com/seed-473295a7/vitrine/proto/vitrine/v1"
)

// CancelRun ends a run that has not ended. Whoever does it notices within a second.
func (m *model) CancelRun(ctx context.Context, req *pb.CancelRunRequest) (*pb.CancelRunResponse, error) {
	id := recsys.RunID(numberOf(req.GetRun()))
	if err := m.s.deps.Runs.EndRun(ctx, id, recsys.RunCancelled, nil, ""); err != nil {
		return nil, err
	}
	run, err := m.s.deps.Runs.Run(ctx, id)
	if err != nil {
		return nil, unstored(err, "run")
	}
	message, err := runMessage(&run)
	return &pb.CancelRunResponse{Run: message}, err
}
