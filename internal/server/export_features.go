package server

import (
	"google.golang.org/grpc"

	"github.com/seed-473295a7/vitrine/internal/engine"
	pb "github.com/seed-473295a7/vitrine/proto/vitrine/v1"
)

// ExportFeatures streams the features of all items or of all users. An export is read in pages as
// of one time, so that a slow client holds nothing but its connection.
func (f *features) ExportFeatures(req *pb.ExportFeaturesRequest, stream grpc.ServerStreamingServer[pb.ExportFeaturesResponse]) error {
	q, err := featureQueryOf(req)
	if err != nil {
		return err
	}
	q.AsOf = f.s.orNow(q.AsOf)
	ctx := stream.Context()
	if req.GetEntity() == pb.FeatureEntity_FEATURE_ENTITY_USER {
		_, err = f.s.deps.Features.Users(ctx, q, nil, func(v engine.FeatureVersions, user engine.UserFeatures) error {
			return stream.Send(&pb.ExportFeaturesResponse{Features: &pb.ExportFeaturesResponse_User{User: userFeaturesMessage(&user)}, Versions: versionsMessage(v)})
		})
		return err
	}
	_, err = f.s.deps.Features.Items(ctx, q, nil, func(v engine.FeatureVersions, item engine.ItemFeatures) error {
		return stream.Send(&pb.ExportFeaturesResponse{Features: &pb.ExportFeaturesResponse_Item{Item: itemFeaturesMessage(&item)}, Versions: versionsMessage(v)})
	})
	return err
}
