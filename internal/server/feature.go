package server

import (
	"context"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
	pb "github.com/seed-473295a7/vitrine/proto/vitrine/v1"
)

// Features is the feature store: *engine.Features.
type Features interface {
	// Items calls each for those of the items, nil for all, that were registered, ascending by id.
	Items(ctx context.Context, q engine.FeatureQuery, itemIDs []string, each func(engine.FeatureVersions, engine.ItemFeatures) error) (engine.FeatureVersions, error)
	// Users calls each for the actors in the order given, nil for all with interactions.
	Users(ctx context.Context, q engine.FeatureQuery, actors []recsys.Actor, each func(engine.FeatureVersions, engine.UserFeatures) error) (engine.FeatureVersions, error)
}

// features answers FeatureService, one file per call.
type features struct {
	pb.UnimplementedFeatureServiceServer
	s *Server
}

// featureQueryOf reads the versions and the time that all requests have. The rules let pass only
// names that can be read.
func featureQueryOf(req interface {
	GetEmbeddingSpace() string
	GetFactorModel() string
	GetAsOfTime() *timestamppb.Timestamp
}) (q engine.FeatureQuery, err error) {
	q.AsOf = timeOf(req.GetAsOfTime())
	if name := req.GetEmbeddingSpace(); name != "" {
		if q.Space, err = recsys.ParseSpaceID(name); err != nil {
			return q, err
		}
	}
	if name := req.GetFactorModel(); name != "" {
		q.Model, err = recsys.ParseModelID(name)
	}
	return q, err
}

func versionsMessage(v engine.FeatureVersions) *pb.FeatureVersions {
	return &pb.FeatureVersions{EmbeddingSpace: v.Space.String(), Encoder: v.Encoder, FactorModel: v.Model.String(),
		AsOfTime: timestampOf(v.AsOf), FactorModelGone: v.ModelGone}
}

func itemFeaturesMessage(f *engine.ItemFeatures) *pb.ItemFeatures {
	return &pb.ItemFeatures{ItemId: f.ItemID, Title: f.Title, Attributes: attributesMessage(f.Attributes), CreateTime: timestampOf(f.CreateTime),
		ValueTime: timestampOf(f.ValueTime), RawOutput: f.Raw, Vector: f.Vector, Factor: f.Factor, FactorTrained: f.Trained}
}

func userFeaturesMessage(f *engine.UserFeatures) *pb.UserFeatures {
	out := &pb.UserFeatures{LastTime: timestampOf(f.LastTime), Factor: f.Factor}
	if f.Actor.Visitor {
		out.Actor = &pb.UserFeatures_VisitorId{VisitorId: f.Actor.ID}
	} else {
		out.Actor = &pb.UserFeatures_UserId{UserId: f.Actor.ID}
	}
	for kind, count := range f.Counts {
		out.InteractionCounts = append(out.InteractionCounts, &pb.InteractionCount{Type: pb.InteractionType(kind), Count: count})
	}
	slices.SortFunc(out.InteractionCounts, func(a, b *pb.InteractionCount) int { return int(a.Type) - int(b.Type) })
	return out
}

// orNow is the time of the call where none was asked for.
func (s *Server) orNow(t time.Time) time.Time {
	if t.IsZero() {
		return s.deps.Clock()
	}
	return t
}
