package server

import (
	"context"

	pb "github.com/seed-473295a7/vitrine/proto/vitrine/v1"
)

// ListEncoders lists the encoders of this server.
func (m *model) ListEncoders(_ context.Context, _ *pb.ListEncodersRequest) (*pb.ListEncodersResponse, error) {
	known, err := m.s.deps.Models.Encoders()
	if err != nil {
		return nil, err
	}
	out := &pb.ListEncodersResponse{}
	for _, e := range known {
		out.Encoders = append(out.Encoders, &pb.Encoder{Encoder: e.Name, Dims: int32(e.Dims), Live: e.Live})
	}
	return out, nil
}
