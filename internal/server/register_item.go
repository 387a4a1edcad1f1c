package server

import (
	"context"

	"google.golang.org/protobuf/proto"

	"github.com/seed-473295a7/vitrine/internal/engine"
	pb "github.com/seed-473295a7/vitrine/proto/vitrine/v1"
)

// RegisterItem creates or replaces an item.
func (r *recommender) RegisterItem(ctx context.Context, req *pb.RegisterItemRequest) (*pb.RegisterItemResponse, error) {
	registration, err := registrationOf(pb.RecommenderService_RegisterItem_FullMethodName, req)
	if err != nil {
		return nil, err
	}
	registration.FindDuplicate = true
	done := r.s.deps.Engine.RegisterItems(ctx, []engine.Registration{registration})[0]
	if done.Err != nil {
		return nil, done.Err
	}
	return &pb.RegisterItemResponse{
		Item:           itemMessage(&done.Item),
		EmbeddingSpace: done.Space.String(),
		Created:        done.Created,
		DuplicateOf:    duplicateMessage(done.DuplicateOf),
	}, nil
}

func duplicateMessage(d *engine.Duplicate) *pb.DuplicateItem {
	if d == nil {
		return nil
	}
	return &pb.DuplicateItem{ItemId: d.ItemID, Similarity: d.Similarity, HashDistance: int32(d.HashDistance), Mirrored: d.Mirrored}
}

// itemRequest is a message that registers an item.
type itemRequest interface {
	proto.Message
	GetItem() *pb.Item
}

func registrationOf(method string, req itemRequest) (engine.Registration, error) {
	image, err := pictureOf(req.GetItem())
	if err != nil {
		return engine.Registration{}, err
	}
	request, err := requestID(method, req)
	if err != nil {
		return engine.Registration{}, err
	}
	return engine.Registration{Item: itemOf(req.GetItem()), Image: image, Request: request}, nil
}
