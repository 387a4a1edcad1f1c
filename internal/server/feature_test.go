package server

import (
	"context"
	"io"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
	pb "github.com/seed-473295a7/vitrine/proto/vitrine/v1"
)

// fakeFeatures holds two items and remembers what was asked; every call answers err if it is set.
type fakeFeatures struct {
	asked  engine.FeatureQuery
	actors []recsys.Actor
	err    error
}

func (f *fakeFeatures) versions(q engine.FeatureQuery) engine.FeatureVersions {
	f.asked = q
	return engine.FeatureVersions{AsOf: q.AsOf, Space: 2, Encoder: "enc@1", Model: 3}
}

func (f *fakeFeatures) Items(_ context.Context, q engine.FeatureQuery, itemIDs []string, each func(engine.FeatureVersions, engine.ItemFeatures) error) (engine.FeatureVersions, error) {
	v := f.versions(q)
	for _, id := range []string{"a", "b"} {
		if itemIDs != nil && !slices.Contains(itemIDs, id) {
			continue
		}
		err := each(v, engine.ItemFeatures{ItemID: id, Title: "title", Attributes: map[string]recsys.Attribute{"by": recsys.Labels("x"), "price": recsys.Number(2)},
			CreateTime: testTime.Add(-time.Hour), ValueTime: testTime, Raw: []float32{1}, Vector: []float32{.5}, Factor: []float32{2, 3}, Trained: true})
		if err != nil {
			return v, err
		}
	}
	return v, f.err
}

func (f *fakeFeatures) Users(_ context.Context, q engine.FeatureQuery, actors []recsys.Actor, each func(engine.FeatureVersions, engine.UserFeatures) error) (engine.FeatureVersions, error) {
	v := f.versions(q)
	if f.actors = actors; actors == nil {
		actors = []recsys.Actor{recsys.User("ann")}
	}
	for _, actor := range actors {
		err := each(v, engine.UserFeatures{Actor: actor, Counts: map[recsys.InteractionType]int64{recsys.Hide: 2, recsys.View: 1}, LastTime: testTime, Factor: []float32{4}})
		if err != nil {
			return v, err
		}
	}
	return v, f.err
}

func featuresOf(id string) *pb.ItemFeatures {
	return &pb.ItemFeatures{ItemId: id, Title: "title", Attributes: map[string]*pb.AttributeValue{"by": labels("x"), "price": number(2)},
		CreateTime: timestamppb.New(testTime.Add(-time.Hour)), ValueTime: timestamppb.New(testTime),
		RawOutput: []float32{1}, Vector: []float32{.5}, Factor: []float32{2, 3}, FactorTrained: true}
}

var userCounts = []*pb.InteractionCount{{Type: pb.InteractionType_INTERACTION_TYPE_VIEW, Count: 1}, {Type: pb.InteractionType_INTERACTION_TYPE_HIDE, Count: 2}}

func TestGetItemFeatures(t *testing.T) {
	t.Parallel()
	b := setup(t)
	got, err := b.store.GetItemFeatures(t.Context(), &pb.GetItemFeaturesRequest{ItemIds: []string{"b", "none", "a", "b"}})
	if err != nil {
		t.Fatal(err)
	}
	wantMessage(t, &pb.GetItemFeaturesResponse{Items: []*pb.ItemFeatures{featuresOf("b"), featuresOf("a")}, MissingItemIds: []string{"none"},
		Versions: &pb.FeatureVersions{EmbeddingSpace: "space-2", Encoder: "enc@1", FactorModel: "model-3"}}, got)
	wantValue(t, engine.FeatureQuery{}, b.features.asked)

	at := testTime.Add(-time.Minute)
	got, err = b.store.GetItemFeatures(t.Context(), &pb.GetItemFeaturesRequest{ItemIds: []string{"a"}, EmbeddingSpace: "space-12", FactorModel: "model-4", AsOfTime: timestamppb.New(at)})
	if err != nil || !got.GetVersions().GetAsOfTime().AsTime().Equal(at) {
		t.Errorf("%v, %v", got, err)
	}
	wantValue(t, engine.FeatureQuery{AsOf: at, Space: 12, Model: 4}, b.features.asked)

	b.features.err = &recsys.FieldError{Field: "factor_model", Reason: "model-4 is not stored", Err: recsys.ErrNotFound}
	_, err = b.store.GetItemFeatures(t.Context(), &pb.GetItemFeaturesRequest{ItemIds: []string{"a"}})
	wantFault(t, err, codes.NotFound, "factor_model")
}

func TestGetUserFeatures(t *testing.T) {
	t.Parallel()
	b := setup(t)
	got, err := b.store.GetUserFeatures(t.Context(), &pb.GetUserFeaturesRequest{UserIds: []string{"bob", "ann"}, VisitorIds: []string{"eve"}})
	if err != nil {
		t.Fatal(err)
	}
	wantValue(t, []recsys.Actor{recsys.User("bob"), recsys.User("ann"), recsys.Visitor("eve")}, b.features.actors)
	user := func(set func(*pb.UserFeatures)) *pb.UserFeatures {
		u := &pb.UserFeatures{InteractionCounts: userCounts, LastTime: timestamppb.New(testTime), Factor: []float32{4}}
		set(u)
		return u
	}
	wantMessage(t, &pb.GetUserFeaturesResponse{Users: []*pb.UserFeatures{
		user(func(u *pb.UserFeatures) { u.Actor = &pb.UserFeatures_UserId{UserId: "bob"} }),
		user(func(u *pb.UserFeatures) { u.Actor = &pb.UserFeatures_UserId{UserId: "ann"} }),
		user(func(u *pb.UserFeatures) { u.Actor = &pb.UserFeatures_VisitorId{VisitorId: "eve"} }),
	}, Versions: &pb.FeatureVersions{EmbeddingSpace: "space-2", Encoder: "enc@1", FactorModel: "model-3"}}, got)

	b.features.err = recsys.ErrUnavailable
	_, err = b.store.GetUserFeatures(t.Context(), &pb.GetUserFeaturesRequest{UserIds: []string{"bob"}})
	wantFault(t, err, codes.Unavailable)
}

func TestExportFeatures(t *testing.T) {
	t.Parallel()
	b := setup(t)
	// Without a time the export is as of the call, so that its pages fit together.
	versions := &pb.FeatureVersions{EmbeddingSpace: "space-2", Encoder: "enc@1", FactorModel: "model-3", AsOfTime: timestamppb.New(testTime)}
	for entity, want := range map[pb.FeatureEntity][]*pb.ExportFeaturesResponse{
		pb.FeatureEntity_FEATURE_ENTITY_ITEM: {
			{Features: &pb.ExportFeaturesResponse_Item{Item: featuresOf("a")}, Versions: versions},
			{Features: &pb.ExportFeaturesResponse_Item{Item: featuresOf("b")}, Versions: versions},
		},
		pb.FeatureEntity_FEATURE_ENTITY_USER: {
			{Features: &pb.ExportFeaturesResponse_User{User: &pb.UserFeatures{Actor: &pb.UserFeatures_UserId{UserId: "ann"}, InteractionCounts: userCounts,
				LastTime: timestamppb.New(testTime), Factor: []float32{4}}}, Versions: versions},
		},
	} {
		got, err := b.export(t, &pb.ExportFeaturesRequest{Entity: entity})
		if err != io.EOF || len(got) != len(want) {
			t.Fatalf("%v: %d rows, %v", entity, len(got), err)
		}
		for i := range want {
			wantMessage(t, want[i], got[i])
		}
	}
	_, err := b.export(t, &pb.ExportFeaturesRequest{})
	wantFault(t, err, codes.InvalidArgument, "entity")
	b.features.err = recsys.ErrUnavailable
	got, err := b.export(t, &pb.ExportFeaturesRequest{Entity: pb.FeatureEntity_FEATURE_ENTITY_ITEM})
	wantFault(t, err, codes.Unavailable)
	if len(got) != 2 {
		t.Errorf("%d rows before the fault, want 2", len(got))
	}
}

// export reads a stream to its end.
func (b *bundle) export(t *testing.T, req *pb.ExportFeaturesRequest) (rows []proto.Message, err error) {
	t.Helper()
	stream, err := b.store.ExportFeatures(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	for {
		row, err := stream.Recv()
		if err != nil {
			return rows, err
		}
		rows = append(rows, row)
	}
}
