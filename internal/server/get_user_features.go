package server

import (
	"context"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
	pb "github.com/seed-473295a7/vitrine/proto/vitrine/v1"
)

// GetUserFeatures answers the features of several users and visitors in the order asked for.
func (f *features) GetUserFeatures(ctx context.Context, req *pb.GetUserFeaturesRequest) (*pb.GetUserFeaturesResponse, error) {
	q, err := featureQueryOf(req)
	if err != nil {
		return nil, err
	}
	var actors []recsys.Actor
	for _, id := range req.GetUserIds() {
		actors = append(actors, recsys.User(id))
	}
	for _, id := range req.GetVisitorIds() {
		actors = append(actors, recsys.Visitor(id))
	}
	out := &pb.GetUserFeaturesResponse{}
	versions, err := f.s.deps.Features.Users(ctx, q, actors, func(_ engine.FeatureVersions, user engine.UserFeatures) error {
		out.Users = append(out.Users, userFeaturesMessage(&user))
		return nil
	})
	out.Versions = versionsMessage(versions)
	return out, err
}
