package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/seed-473295a7/vitrine/internal/pgtest"
	vitrinev1 "github.com/seed-473295a7/vitrine/proto/vitrine/v1"
)

func (s shop) similar(t *testing.T, request *vitrinev1.FindSimilarItemsRequest) []string {
	t.Helper()
	response, err := s.recommender.FindSimilarItems(t.Context(), request)
	if err != nil {
		t.Fatalf("find similar items: %v", err)
	}
	out := []string{}
	for _, item := range response.GetSimilarItems() {
		out = append(out, item.GetItemId())
	}
	return slices.Sorted(slices.Values(out))
}

func TestFilters(t *testing.T) {
	t.Parallel()
	_, s := startServe(t, pgtest.New(t))
	gallery(t, s)
	const cheapRed = `attributes.artist == "red painter" && attributes.price < 250`
	reds := []string{"red-0", "red-1"}

	t.Run("only matching items are answered", func(t *testing.T) {
		s.record(t, "ann", "blue-1", vitrinev1.InteractionType_INTERACTION_TYPE_LIKE)
		for name, request := range map[string]*vitrinev1.RecommendRequest{
			"nobody":  {},
			"ann":     forUser("ann"),
			"diverse": {Diversity: 1},
			"context": {ContextItemIds: []string{"blue-0"}, Diversity: .5},
		} {
			request.Filter = cheapRed
			list := s.recommend(t, request)
			got := slices.Sorted(slices.Values(ids(list)))
			if diff := cmp.Diff(reds, got); diff != "" || list.GetFallbackReason() != vitrinev1.FallbackReason_FALLBACK_REASON_FILTERED {
				t.Errorf("%s: reason %v (-want +got):\n%s", name, list.GetFallbackReason(), diff)
			}
			request.PageSize = 1
			if short := s.recommend(t, request); len(short.GetRecommendations()) != 1 {
				t.Errorf("%s, page of 1: %v", name, ids(short))
			}
		}
	})
	t.Run("similar items too", func(t *testing.T) {
		if diff := cmp.Diff([]string{"red-1"}, s.similar(t, &vitrinev1.FindSimilarItemsRequest{ItemId: "red-0", Filter: cheapRed})); diff != "" {
			t.Errorf("by item (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(reds, s.similar(t, &vitrinev1.FindSimilarItemsRequest{Image: stripes(blue, 4), Filter: cheapRed})); diff != "" {
			t.Errorf("by picture (-want +got):\n%s", diff)
		}
	})
	t.Run("nothing matches", func(t *testing.T) {
		list := s.recommend(t, &vitrinev1.RecommendRequest{Filter: "attributes.price > 1e9"})
		if len(list.GetRecommendations()) != 0 || list.GetFallbackReason() != vitrinev1.FallbackReason_FALLBACK_REASON_FILTERED {
			t.Errorf("list: %v", list)
		}
		if got := s.similar(t, &vitrinev1.FindSimilarItemsRequest{ItemId: "red-0", Filter: "attributes.price > 1e9"}); len(got) != 0 {
			t.Errorf("similar: %v", got)
		}
	})
	t.Run("a change counts at once", func(t *testing.T) {
		_, err := s.catalog.UpdateItem(t.Context(), &vitrinev1.UpdateItemRequest{UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"attributes"}},
			Item: &vitrinev1.Item{ItemId: "red-1", Attributes: map[string]*vitrinev1.AttributeValue{"price": number(1)}}})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"red-0"}, ids(s.recommend(t, &vitrinev1.RecommendRequest{Filter: cheapRed}))); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	t.Run("faults say where", func(t *testing.T) {
		for filter, where := range map[string]string{
			"attributes.colour == 'red'":     "1:1: unknown attribute",
			"attributes.price <\n  ":         "2:3: ",
			"true && attributes.price < 'a'": "1:26: ",
			"attributes.price + 1":           "1:18: ",
		} {
			_, err := s.recommender.Recommend(t.Context(), &vitrinev1.RecommendRequest{Filter: filter, ValidateOnly: true})
			_, similar := s.recommender.FindSimilarItems(t.Context(), &vitrinev1.FindSimilarItemsRequest{ItemId: "red-0", Filter: filter})
			for _, err := range []error{err, similar} {
				checkField(t, filter, err, codes.InvalidArgument, "filter")
				if text := status.Convert(err).Message(); !strings.HasPrefix(text, "filter: "+where) {
					t.Errorf("%s: %q, want it at %s", filter, text, where)
				}
			}
		}
	})
}
