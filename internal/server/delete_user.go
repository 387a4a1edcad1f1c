package server

import (
	"context"

	pb "github.com/seed-473295a7/vitrine/proto/vitrine/v1"
)

// DeleteUser removes every trace of a user or a visitor. One that left no traces is no error.
func (c *catalog) DeleteUser(ctx context.Context, req *pb.DeleteUserRequest) (*pb.DeleteUserResponse, error) {
	request, err := requestID(pb.CatalogService_DeleteUser_FullMethodName, req)
	if err != nil {
		return nil, err
	}
	n, err := c.s.deps.Engine.DeleteUser(ctx, actorOf(req), request)
	if err != nil {
		return nil, err
	}
	return &pb.DeleteUserResponse{DeletedInteractions: n}, nil
}
