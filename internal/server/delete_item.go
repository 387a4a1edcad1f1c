package server

import (
	"context"

	pb "github.com/seed-473295a7/vitrine/proto/vitrine/v1"
)

// DeleteItem removes an item.
func (c *catalog) DeleteItem(ctx context.Context, req *pb.DeleteItemRequest) (*pb.DeleteItemResponse, error) {
	request, err := requestID(pb.CatalogService_DeleteItem_FullMethodName, req)
	if err != nil {
		return nil, err
	}
	if err := c.s.deps.Engine.DeleteItem(ctx, req.GetItemId(), req.GetAllowMissing(), request); err != nil {
		return nil, unregistered(err, "item_id")
	}
	return &pb.DeleteItemResponse{}, nil
}
