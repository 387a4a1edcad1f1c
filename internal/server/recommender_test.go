package server

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/rank"
	"github.com/seed-473295a7/vitrine/internal/recsys"
	pb "github.com/seed-473295a7/vitrine/proto/vitrine/v1"
)

// wantMessage compares messages.
func wantMessage(t *testing.T, want, got proto.Message) {
	t.Helper()
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// wantValue compares what reached the engine.
func wantValue(t *testing.T, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// requestOf is the RequestID that the server must have made.
func requestOf(t *testing.T, method string, m proto.Message) recsys.RequestID {
	t.Helper()
	request, err := requestID(method, m)
	if err != nil || request.IsZero() {
		t.Fatalf("request id %v, %v", request, err)
	}
	return request
}

func TestRecommend(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var asked engine.RecommendQuery
	b.engine.recommend = func(_ context.Context, q engine.RecommendQuery) (engine.Recommendations, error) {
		asked = q
		return engine.Recommendations{
			RecommendationID: "rec-1", Space: 3, Model: 4, Strategy: engine.StrategyBlend, FallbackReason: engine.FallbackExhausted,
			Items: []engine.Recommendation{{ItemID: "lamp-1", Title: "Lamp", Score: 1.5, InteractionCount: 7, ReasonItemIDs: []string{"b"},
				Breakdown: rank.Parts{Content: 1, Collaborative: .5, Popularity: .25, Boost: .125, Diversity: -.375}}},
		}, nil
	}
	got, err := b.shop.Recommend(t.Context(), &pb.RecommendRequest{
		Actor: &pb.RecommendRequest_VisitorId{VisitorId: "v"}, ContextItemIds: []string{"c"}, ExcludeItemIds: []string{"x", "y"},
		PageSize: 5, Filter: "item_id != 'z'", Diversity: .5, Placement: "home", IncludeSeen: true, ValidateOnly: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	wantValue(t, engine.RecommendQuery{Actor: recsys.Visitor("v"), ContextItemIDs: []string{"c"}, ExcludeItemIDs: []string{"x", "y"},
		PageSize: 5, Filter: "item_id != 'z'", Diversity: .5, Placement: "home", IncludeSeen: true, ValidateOnly: true}, asked)
	wantMessage(t, &pb.RecommendResponse{
		RecommendationId: "rec-1", EmbeddingSpace: "space-3", FactorModel: "model-4", Strategy: pb.Strategy_STRATEGY_BLEND,
		Fallback: true, FallbackReason: pb.FallbackReason_FALLBACK_REASON_EXHAUSTED,
		Recommendations: []*pb.Recommendation{{ItemId: "lamp-1", Title: "Lamp", Score: 1.5, InteractionCount: 7, ReasonItemIds: []string{"b"},
			Breakdown: &pb.ScoreBreakdown{Content: 1, Collaborative: .5, Popularity: .25, Boost: .125, Diversity: -.375}}},
	}, got)
}

func TestRecommendDefaults(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var asked engine.RecommendQuery
	b.engine.recommend = func(_ context.Context, q engine.RecommendQuery) (engine.Recommendations, error) {
		asked = q
		return engine.Recommendations{}, nil
	}
	for wanted, want := range map[int32]int{0: 20, 1: 1, 200: 200, 201: 200, math.MaxInt32: 200} {
		got, err := b.shop.Recommend(t.Context(), &pb.RecommendRequest{PageSize: wanted})
		if err != nil {
			t.Fatal(err)
		}
		wantValue(t, engine.RecommendQuery{PageSize: want}, asked)
		wantMessage(t, &pb.RecommendResponse{}, got)
	}
	if _, err := b.shop.Recommend(t.Context(), &pb.RecommendRequest{Actor: &pb.RecommendRequest_UserId{UserId: "ann"}}); err != nil {
		t.Fatal(err)
	}
	wantValue(t, recsys.User("ann"), asked.Actor)
}

func TestFindSimilarItems(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var asked engine.SimilarQuery
	b.engine.similar = func(q engine.SimilarQuery) (engine.Similar, error) {
		asked = q
		return engine.Similar{Space: 2, Items: []engine.SimilarItem{{ItemID: "b", Title: "B", Similarity: .75, Blocks: map[string]float32{"image": .5, "by": 1}}}}, nil
	}
	got, err := b.shop.FindSimilarItems(t.Context(), &pb.FindSimilarItemsRequest{ItemId: "a", Image: []byte{1}, PageSize: 1000, Filter: "true", MinSimilarity: proto.Float64(0)})
	if err != nil {
		t.Fatal(err)
	}
	wantValue(t, engine.SimilarQuery{ItemID: "a", Image: []byte{1}, PageSize: 200, Filter: "true", MinSimilarity: 0}, asked)
	wantMessage(t, &pb.FindSimilarItemsResponse{EmbeddingSpace: "space-2",
		SimilarItems: []*pb.SimilarItem{{ItemId: "b", Title: "B", Similarity: .75, Blocks: map[string]float32{"image": .5, "by": 1}}}}, got)
	if _, err := b.shop.FindSimilarItems(t.Context(), &pb.FindSimilarItemsRequest{ItemId: "a"}); err != nil {
		t.Fatal(err)
	}
	wantValue(t, engine.SimilarQuery{ItemID: "a", PageSize: 20, MinSimilarity: -1}, asked)

	b.engine.similar = func(engine.SimilarQuery) (engine.Similar, error) {
		return engine.Similar{}, &recsys.FieldError{Field: "item_id", Reason: "has nothing to compare", Err: recsys.ErrIncompatible}
	}
	_, err = b.shop.FindSimilarItems(t.Context(), &pb.FindSimilarItemsRequest{ItemId: "a"})
	wantFault(t, err, codes.FailedPrecondition, "item_id")
}

func TestRegisterItem(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var asked []engine.Registration
	b.engine.register = func(_ context.Context, items []engine.Registration) []engine.Registered {
		asked = items
		stored := items[0].Item
		stored.ImageDigest, stored.CreateTime, stored.UpdateTime = []byte{9}, testTime, testTime.Add(time.Second)
		return []engine.Registered{{Item: stored, Space: 5, Created: true,
			DuplicateOf: &engine.Duplicate{ItemID: "lamp-0", Similarity: .75, HashDistance: 12, Mirrored: true}}}
	}
	request := namedRequest()
	request.Item.ExpireTime = &timestamppb.Timestamp{Seconds: 253402300799} // the last second of 9999
	request.Item.HasImage, request.Item.CreateTime = false, &timestamppb.Timestamp{Seconds: 1}
	got, err := b.shop.RegisterItem(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	wantValue(t, []engine.Registration{{
		Item: recsys.Item{
			ItemID: "lamp-1", Title: "Lamp", Description: "Läuchtet", Hidden: true,
			Attributes: map[string]recsys.Attribute{"price": recsys.Number(12.5), "by": recsys.Labels("ann", "bob"), "text": recsys.Text("x"),
				"a": recsys.Number(0), "b": recsys.Number(-1), "c": recsys.Labels("z")},
			AvailableTime: time.Unix(1_700_000_000, 5).UTC(), ExpireTime: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
		},
		Image:   []byte{1, 2, 3},
		Request: requestOf(t, registerItem, request),

		FindDuplicate: true,
	}}, asked)
	want := proto.CloneOf(request.Item)
	want.Picture, want.HasImage = nil, true
	want.CreateTime, want.UpdateTime = timestamppb.New(testTime), timestamppb.New(testTime.Add(time.Second))
	wantMessage(t, &pb.RegisterItemResponse{Item: want, EmbeddingSpace: "space-5", Created: true,
		DuplicateOf: &pb.DuplicateItem{ItemId: "lamp-0", Similarity: .75, HashDistance: 12, Mirrored: true}}, got)

	if _, err := b.shop.RegisterItem(t.Context(), &pb.RegisterItemRequest{Item: &pb.Item{ItemId: "bare"}}); err != nil {
		t.Fatal(err)
	}
	wantValue(t, []engine.Registration{{Item: recsys.Item{ItemID: "bare"}, FindDuplicate: true}}, asked)
	if asked[0].Image != nil {
		t.Error("an absent picture must be nil")
	}
}

func TestRegisterItemErrors(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, test := range []struct {
		err    error
		code   codes.Code
		fields []string
	}{
		{recsys.Invalid("item.image", "is cut short"), codes.InvalidArgument, []string{"item.image"}},
		{&recsys.FieldError{Field: "request_id", Reason: "was used with another request", Err: recsys.ErrConflict}, codes.AlreadyExists, []string{"request_id"}},
		{fmt.Errorf("dial tcp 10.0.0.1: %w", recsys.ErrUnavailable), codes.Unavailable, nil},
	} {
		b.engine.register = func(context.Context, []engine.Registration) []engine.Registered {
			return []engine.Registered{{Err: test.err}}
		}
		_, err := b.shop.RegisterItem(t.Context(), &pb.RegisterItemRequest{Item: item(nil)})
		wantFault(t, err, test.code, test.fields...)
		if strings.Contains(err.Error(), "10.0.0.1") {
			t.Errorf("the client is told %v", err)
		}
	}
}

func TestRecordInteraction(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var asked []engine.InteractionWrite
	b.engine.record = func(_ context.Context, writes []engine.InteractionWrite) []engine.InteractionResult {
		asked = writes
		stored := writes[0].Interaction
		if stored.EventTime.IsZero() {
			stored.EventTime = testTime
		}
		return []engine.InteractionResult{{Interaction: stored}}
	}
	request := &pb.RecordInteractionRequest{RequestId: someID, Interaction: &pb.Interaction{
		Actor: &pb.Interaction_VisitorId{VisitorId: "v"}, ItemId: "lamp-1", Type: pb.InteractionType_INTERACTION_TYPE_RATING,
		Value: proto.Float64(0), EventTime: &timestamppb.Timestamp{Seconds: 7, Nanos: 8}, RecommendationId: "rec-1"}}
	got, err := b.shop.RecordInteraction(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	wantValue(t, []engine.InteractionWrite{{Request: requestOf(t, recordInteraction, request), Interaction: recsys.Interaction{
		Actor: recsys.Visitor("v"), ItemID: "lamp-1", Type: recsys.Rating, EventTime: time.Unix(7, 8).UTC(), RecommendationID: "rec-1"}}}, asked)
	wantMessage(t, &pb.RecordInteractionResponse{Interaction: request.Interaction}, got)

	plain := interaction(nil)
	got, err = b.shop.RecordInteraction(t.Context(), &pb.RecordInteractionRequest{Interaction: plain})
	if err != nil {
		t.Fatal(err)
	}
	wantValue(t, []engine.InteractionWrite{{Interaction: recsys.Interaction{Actor: recsys.User("ann"), ItemID: "lamp-1", Type: recsys.View}}}, asked)
	plain.EventTime = timestamppb.New(testTime)
	wantMessage(t, &pb.RecordInteractionResponse{Interaction: plain}, got)
}

func TestFirstInstantIsNotAbsent(t *testing.T) {
	t.Parallel()
	if got := timeOf(&timestamppb.Timestamp{Seconds: -62135596800}); got.IsZero() {
		t.Error("an item that expired in year 1 would never expire")
	}
	if got := timeOf(nil); !got.IsZero() {
		t.Errorf("an absent time is %v", got)
	}
}
