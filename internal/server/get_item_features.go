package server

import (
	"context"

	"github.com/seed-473295a7/vitrine/internal/engine"
	pb "github.com/seed-473295a7/vitrine/proto/vitrine/v1"
)

// GetItemFeatures answers the features of several items in the order asked for. An id asked for
// twice is answered once, at its first place.
func (f *features) GetItemFeatures(ctx context.Context, req *pb.GetItemFeaturesRequest) (*pb.GetItemFeaturesResponse, error) {
	q, err := featureQueryOf(req)
	if err != nil {
		return nil, err
	}
	found := make(map[string]*pb.ItemFeatures, len(req.GetItemIds()))
	versions, err := f.s.deps.Features.Items(ctx, q, req.GetItemIds(), func(_ engine.FeatureVersions, item engine.ItemFeatures) error {
		found[item.ItemID] = itemFeaturesMessage(&item)
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := &pb.GetItemFeaturesResponse{Versions: versionsMessage(versions)}
	answered := make(map[string]bool, len(req.GetItemIds()))
	for _, id := range req.GetItemIds() {
		item := found[id]
		switch {
		case answered[id]:
		case item == nil:
			out.MissingItemIds = append(out.MissingItemIds, id)
		default:
			out.Items = append(out.Items, item)
		}
		answered[id] = true
	}
	return out, nil
}
