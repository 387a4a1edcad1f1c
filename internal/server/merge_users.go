package server

import (
	"context"

	pb "github.com/seed-473295a7/vitrine/proto/vitrine/v1"
)

// MergeUsers gives a visitor's interactions to a user. Users and visitors have names of their
// own, so the two ids may be equal.
func (c *catalog) MergeUsers(ctx context.Context, req *pb.MergeUsersRequest) (*pb.MergeUsersResponse, error) {
	request, err := requestID(pb.CatalogService_MergeUsers_FullMethodName, req)
	if err != nil {
		return nil, err
	}
	n, err := c.s.deps.Engine.MergeUsers(ctx, req.GetVisitorId(), req.GetUserId(), request)
	if err != nil {
		return nil, err
	}
	return &pb.MergeUsersResponse{MergedInteractions: n}, nil
}
