package server

import (
	"context"
	"errors"

	"github.com/seed-473295a7/vitrine/internal/recsys"
	pb "github.com/seed-473295a7/vitrine/proto/vitrine/v1"
)

// GetItem answers one item.
func (c *catalog) GetItem(ctx context.Context, req *pb.GetItemRequest) (*pb.GetItemResponse, error) {
	row, err := c.s.deps.Catalog.Item(ctx, req.GetItemId())
	if err != nil {
		return nil, unregistered(err, "item_id")
	}
	return &pb.GetItemResponse{Item: itemMessage(&row.Item)}, nil
}

// unregistered names the field that holds the id when an item was not found. The engine and the
// store know the id as item_id, wherever the request has it.
func unregistered(err error, field string) error {
	if !errors.Is(err, recsys.ErrNotFound) {
		return err
	}
	return &recsys.FieldError{Field: field, Reason: "is not registered", Err: recsys.ErrNotFound}
}
