package main

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"math"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/seed-473295a7/vitrine/internal/pgtest"
	vitrinev1 "github.com/seed-473295a7/vitrine/proto/vitrine/v1"
)

// stripes draws a picture: two of one colour and width look alike to the encoder.
func stripes(c color.Color, width int) []byte {
	img := image.NewRGBA(image.Rect(0, 0, 256, 256))
	for y := range 256 {
		for x := range 256 {
			if x/width%2 == 0 {
				img.Set(x, y, c)
			} else {
				img.Set(x, y, color.White)
			}
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func label(values ...string) *vitrinev1.AttributeValue {
	return &vitrinev1.AttributeValue{Kind: &vitrinev1.AttributeValue_Labels{Labels: &vitrinev1.Labels{Values: values}}}
}

func number(v float64) *vitrinev1.AttributeValue {
	return &vitrinev1.AttributeValue{Kind: &vitrinev1.AttributeValue_Number{Number: v}}
}

var red, blue = color.RGBA{200, 20, 30, 255}, color.RGBA{20, 30, 200, 255}

func (s shop) register(t *testing.T, item *vitrinev1.Item) *vitrinev1.RegisterItemResponse {
	t.Helper()
	response, err := s.recommender.RegisterItem(t.Context(), &vitrinev1.RegisterItemRequest{Item: item})
	if err != nil {
		t.Fatalf("register %s: %v", item.GetItemId(), err)
	}
	return response
}

func (s shop) record(t *testing.T, user, item string, kind vitrinev1.InteractionType) {
	t.Helper()
	_, err := s.recommender.RecordInteraction(t.Context(), &vitrinev1.RecordInteractionRequest{Interaction: &vitrinev1.Interaction{
		Actor: &vitrinev1.Interaction_UserId{UserId: user}, ItemId: item, Type: kind}})
	if err != nil {
		t.Fatalf("record: %v", err)
	}
}

func (s shop) recommend(t *testing.T, request *vitrinev1.RecommendRequest) *vitrinev1.RecommendResponse {
	t.Helper()
	response, err := s.recommender.Recommend(t.Context(), request)
	if err != nil {
		t.Fatalf("recommend: %v", err)
	}
	checkList(t, response)
	return response
}

func forUser(id string) *vitrinev1.RecommendRequest {
	return &vitrinev1.RecommendRequest{Actor: &vitrinev1.RecommendRequest_UserId{UserId: id}}
}

// checkList holds every list to what the contract promises of all of them.
func checkList(t *testing.T, response *vitrinev1.RecommendResponse) {
	t.Helper()
	seen := map[string]bool{}
	last := math.Inf(1)
	for _, r := range response.GetRecommendations() {
		b := r.GetBreakdown()
		sum := b.GetContent() + b.GetCollaborative() + b.GetPopularity() + b.GetBoost() + b.GetDiversity()
		if math.IsNaN(r.GetScore()) || math.IsInf(r.GetScore(), 0) || math.Abs(sum-r.GetScore()) > 1e-9 {
			t.Errorf("%s: score %v, parts sum to %v", r.GetItemId(), r.GetScore(), sum)
		}
		if r.GetScore() > last+1e-9 {
			t.Errorf("%s: score %v comes after %v", r.GetItemId(), r.GetScore(), last)
		}
		if seen[r.GetItemId()] {
			t.Errorf("%s is listed twice", r.GetItemId())
		}
		seen[r.GetItemId()], last = true, r.GetScore()
	}
}

func ids(response *vitrinev1.RecommendResponse) []string {
	out := []string{}
	for _, r := range response.GetRecommendations() {
		out = append(out, r.GetItemId())
	}
	return out
}

// gallery registers six pictures in two colours and a sculpture without one.
func gallery(t *testing.T, s shop) {
	t.Helper()
	for i, width := range []int{4, 16, 64} {
		for name, c := range map[string]color.RGBA{"red": red, "blue": blue} {
			s.register(t, &vitrinev1.Item{ItemId: fmt.Sprintf("%s-%d", name, i), Title: name + " stripes",
				Picture:    &vitrinev1.Item_Image{Image: stripes(c, width)},
				Attributes: map[string]*vitrinev1.AttributeValue{"artist": label(name + " painter"), "price": number(100 * float64(i+1))}})
		}
	}
	s.register(t, &vitrinev1.Item{ItemId: "sculpture", Title: "a red sculpture", Attributes: map[string]*vitrinev1.AttributeValue{"artist": label("red painter")}})
}

func TestFreshShop(t *testing.T) {
	t.Parallel()
	_, s := startServe(t, pgtest.New(t))
	empty := s.recommend(t, forUser("ann"))
	if len(empty.GetRecommendations()) != 0 || empty.GetFallbackReason() != vitrinev1.FallbackReason_FALLBACK_REASON_EMPTY_CATALOG {
		t.Errorf("empty catalogue: %v", empty)
	}
	gallery(t, s)

	t.Run("a registered item is recommendable at once", func(t *testing.T) {
		list := s.recommend(t, forUser("nobody yet"))
		if len(list.GetRecommendations()) != 7 || list.GetStrategy() != vitrinev1.Strategy_STRATEGY_POPULAR || !list.GetFallback() {
			t.Errorf("unknown user: %v", list)
		}
	})
	t.Run("similar items share the artist and the look", func(t *testing.T) {
		response, err := s.recommender.FindSimilarItems(t.Context(), &vitrinev1.FindSimilarItemsRequest{ItemId: "red-0", PageSize: 10})
		if err != nil {
			t.Fatal(err)
		}
		got := response.GetSimilarItems()
		if len(got) != 6 {
			t.Fatalf("%d neighbours, want all 6 others", len(got))
		}
		for _, item := range got {
			if want := item.GetItemId() != "sculpture"; (item.GetBlocks()["image"] != 0) != want {
				t.Errorf("%s: blocks %v", item.GetItemId(), item.GetBlocks())
			}
		}
		if !strings.HasPrefix(got[0].GetItemId(), "red") && got[0].GetItemId() != "sculpture" {
			t.Errorf("nearest to red-0 is %v", got[0])
		}
	})
	t.Run("similar to an uploaded picture", func(t *testing.T) {
		response, err := s.recommender.FindSimilarItems(t.Context(), &vitrinev1.FindSimilarItemsRequest{Image: stripes(blue, 16), PageSize: 1})
		if err != nil {
			t.Fatal(err)
		}
		if got := response.GetSimilarItems(); len(got) != 1 || got[0].GetItemId() != "blue-1" {
			t.Errorf("nearest to blue-1's own picture: %v", got)
		}
	})
	t.Run("an interaction changes the next list, without a model by similarity", func(t *testing.T) {
		s.record(t, "ann", "red-0", vitrinev1.InteractionType_INTERACTION_TYPE_LIKE)
		list := s.recommend(t, forUser("ann"))
		if list.GetStrategy() != vitrinev1.Strategy_STRATEGY_SIMILARITY || list.GetFallbackReason() != vitrinev1.FallbackReason_FALLBACK_REASON_NO_FACTOR_MODEL {
			t.Errorf("strategy %v because of %v", list.GetStrategy(), list.GetFallbackReason())
		}
		if slices.Contains(ids(list), "red-0") {
			t.Error("the liked item is recommended again")
		}
		first := list.GetRecommendations()[0]
		if diff := cmp.Diff([]string{"red-0"}, first.GetReasonItemIds()); diff != "" {
			t.Errorf("reasons of %s: %s", first.GetItemId(), diff)
		}
		seen := forUser("ann")
		seen.IncludeSeen = true
		if !slices.Contains(ids(s.recommend(t, seen)), "red-0") {
			t.Error("include_seen does not include it")
		}
	})
	t.Run("context items, exclusions, page size", func(t *testing.T) {
		list := s.recommend(t, &vitrinev1.RecommendRequest{ContextItemIds: []string{"blue-0", "no such item"}, ExcludeItemIds: []string{"blue-1"}, PageSize: 3})
		if list.GetStrategy() != vitrinev1.Strategy_STRATEGY_SIMILARITY || len(list.GetRecommendations()) != 3 {
			t.Errorf("%v with %d items", list.GetStrategy(), len(list.GetRecommendations()))
		}
		for _, id := range []string{"blue-0", "blue-1"} {
			if slices.Contains(ids(list), id) {
				t.Errorf("%s is in the list", id)
			}
		}
	})
	t.Run("validate_only answers nothing", func(t *testing.T) {
		if list := s.recommend(t, &vitrinev1.RecommendRequest{ValidateOnly: true}); len(list.GetRecommendations()) != 0 {
			t.Errorf("%v", list)
		}
	})
	t.Run("hidden for a user, for good", func(t *testing.T) {
		s.record(t, "bob", "blue-2", vitrinev1.InteractionType_INTERACTION_TYPE_HIDE)
		request := forUser("bob")
		request.IncludeSeen = true
		if slices.Contains(ids(s.recommend(t, request)), "blue-2") {
			t.Error("a hidden item is recommended")
		}
	})
}

// TestCatalogue runs on the other index engine, so that both serve the whole contract.
func TestCatalogue(t *testing.T) {
	t.Parallel()
	_, s := startServe(t, pgtest.New(t), "--index-engine", "coder")
	gallery(t, s)
	ctx := t.Context()

	got, err := s.catalog.GetItem(ctx, &vitrinev1.GetItemRequest{ItemId: "red-1"})
	if err != nil {
		t.Fatal(err)
	}
	if item := got.GetItem(); item.GetTitle() != "red stripes" || item.GetImage() != nil || !item.GetHasImage() || item.GetAttributes()["price"].GetNumber() != 200 {
		t.Errorf("red-1: %v", item)
	}
	_, err = s.catalog.GetItem(ctx, &vitrinev1.GetItemRequest{ItemId: "nothing"})
	if status.Code(err) != codes.NotFound {
		t.Errorf("unknown item: %v", err)
	}
	batch, err := s.catalog.BatchGetItems(ctx, &vitrinev1.BatchGetItemsRequest{ItemIds: []string{"sculpture", "nothing", "blue-0"}})
	if err != nil || len(batch.GetItems()) != 2 || batch.GetItems()[0].GetItemId() != "sculpture" || !slices.Equal(batch.GetMissingItemIds(), []string{"nothing"}) {
		t.Errorf("batch: %v, %v", batch, err)
	}

	var listed []string
	for token := ""; ; {
		page, err := s.catalog.ListItems(ctx, &vitrinev1.ListItemsRequest{PageSize: 3, PageToken: token})
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range page.GetItems() {
			listed = append(listed, item.GetItemId())
		}
		if token = page.GetNextPageToken(); token == "" {
			break
		}
	}
	if diff := cmp.Diff([]string{"blue-0", "blue-1", "blue-2", "red-0", "red-1", "red-2", "sculpture"}, listed); diff != "" {
		t.Error(diff)
	}

	updated, err := s.catalog.UpdateItem(ctx, &vitrinev1.UpdateItemRequest{
		Item:       &vitrinev1.Item{ItemId: "red-1", Hidden: true, Title: "not named in the mask"},
		UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"hidden"}}})
	if err != nil || !updated.GetItem().GetHidden() || updated.GetItem().GetTitle() != "red stripes" || !updated.GetItem().GetHasImage() {
		t.Errorf("update: %v, %v", updated, err)
	}
	if slices.Contains(ids(s.recommend(t, &vitrinev1.RecommendRequest{})), "red-1") {
		t.Error("a hidden item is recommended")
	}
	if _, err := s.catalog.DeleteItem(ctx, &vitrinev1.DeleteItemRequest{ItemId: "red-0"}); err != nil {
		t.Fatal(err)
	}
	if slices.Contains(ids(s.recommend(t, &vitrinev1.RecommendRequest{})), "red-0") {
		t.Error("a deleted item is recommended")
	}
	if _, err := s.catalog.DeleteItem(ctx, &vitrinev1.DeleteItemRequest{ItemId: "red-0"}); status.Code(err) != codes.NotFound {
		t.Errorf("second delete: %v", err)
	}
	if _, err := s.catalog.DeleteItem(ctx, &vitrinev1.DeleteItemRequest{ItemId: "red-0", AllowMissing: true}); err != nil {
		t.Errorf("second delete with allow_missing: %v", err)
	}
	expired := timestamppb.Now()
	s.register(t, &vitrinev1.Item{ItemId: "expired", ExpireTime: expired, AvailableTime: timestamppb.New(expired.AsTime().Add(-1e9))})
	if slices.Contains(ids(s.recommend(t, &vitrinev1.RecommendRequest{})), "expired") {
		t.Error("an expired item is recommended")
	}
}

func TestUsers(t *testing.T) {
	t.Parallel()
	_, s := startServe(t, pgtest.New(t))
	gallery(t, s)
	ctx := t.Context()
	visitor := func(item string) {
		_, err := s.recommender.RecordInteraction(ctx, &vitrinev1.RecordInteractionRequest{Interaction: &vitrinev1.Interaction{
			Actor: &vitrinev1.Interaction_VisitorId{VisitorId: "cookie"}, ItemId: item, Type: vitrinev1.InteractionType_INTERACTION_TYPE_LIKE}})
		if err != nil {
			t.Fatal(err)
		}
	}
	visitor("blue-0")
	visitor("blue-1")
	merged, err := s.catalog.MergeUsers(ctx, &vitrinev1.MergeUsersRequest{VisitorId: "cookie", UserId: "carol"})
	if err != nil || merged.GetMergedInteractions() != 2 {
		t.Fatalf("merge: %v, %v", merged, err)
	}
	if list := s.recommend(t, forUser("carol")); slices.Contains(ids(list), "blue-0") || list.GetStrategy() != vitrinev1.Strategy_STRATEGY_SIMILARITY {
		t.Errorf("after the merge carol gets %v", list)
	}
	page, err := s.catalog.ListInteractions(ctx, &vitrinev1.ListInteractionsRequest{Actor: &vitrinev1.ListInteractionsRequest_UserId{UserId: "carol"}})
	if err != nil || len(page.GetInteractions()) != 2 || page.GetInteractions()[0].GetItemId() != "blue-1" {
		t.Errorf("carol's interactions: %v, %v", page, err)
	}
	deleted, err := s.catalog.DeleteUser(ctx, &vitrinev1.DeleteUserRequest{Actor: &vitrinev1.DeleteUserRequest_UserId{UserId: "carol"}})
	if err != nil || deleted.GetDeletedInteractions() != 2 {
		t.Fatalf("delete user: %v, %v", deleted, err)
	}
	if list := s.recommend(t, forUser("carol")); list.GetFallbackReason() == vitrinev1.FallbackReason_FALLBACK_REASON_UNSPECIFIED || list.GetStrategy() != vitrinev1.Strategy_STRATEGY_POPULAR {
		t.Errorf("after the deletion carol gets %v", list)
	}
}

func TestImportStreams(t *testing.T) {
	t.Parallel()
	_, s := startServe(t, pgtest.New(t))
	items, err := s.recommender.ImportItems(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rows := []*vitrinev1.Item{
		{ItemId: "a", Picture: &vitrinev1.Item_Image{Image: stripes(red, 8)}},
		{ItemId: "broken", Picture: &vitrinev1.Item_Image{Image: []byte("no picture")}},
		{ItemId: strings.Repeat("x", 257)},
		{ItemId: "b", Attributes: map[string]*vitrinev1.AttributeValue{"artist": label("someone")}},
	}
	for _, row := range rows {
		if err := items.Send(&vitrinev1.ImportItemsRequest{Item: row}); err != nil {
			t.Fatal(err)
		}
	}
	if err := items.CloseSend(); err != nil {
		t.Fatal(err)
	}
	var got []codes.Code
	for {
		response, err := items.Recv()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if response.GetIndex() != int64(len(got)) {
			t.Errorf("answer %d carries index %d", len(got), response.GetIndex())
		}
		got = append(got, codes.Code(response.GetStatus().GetCode()))
	}
	if diff := cmp.Diff([]codes.Code{codes.OK, codes.InvalidArgument, codes.InvalidArgument, codes.OK}, got); diff != "" {
		t.Error(diff)
	}
	interactions, err := s.recommender.ImportInteractions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, item := range []string{"a", "not registered yet"} {
		if err := interactions.Send(&vitrinev1.ImportInteractionsRequest{Interaction: &vitrinev1.Interaction{
			Actor: &vitrinev1.Interaction_UserId{UserId: "dora"}, ItemId: item, Type: vitrinev1.InteractionType_INTERACTION_TYPE_PURCHASE}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := interactions.CloseSend(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if response, err := interactions.Recv(); err != nil || response.GetStatus().GetCode() != 0 {
			t.Errorf("interaction: %v, %v", response, err)
		}
	}
	if got := ids(s.recommend(t, forUser("dora"))); !slices.Equal(got, []string{"b"}) {
		t.Errorf("dora has seen a: got %v", got)
	}
}

func TestRetriesAreNotAppliedTwice(t *testing.T) {
	t.Parallel()
	_, s := startServe(t, pgtest.New(t))
	ctx := t.Context()
	const id = "0197c2a1-6a4c-7000-8000-000000000001"
	register := &vitrinev1.RegisterItemRequest{Item: &vitrinev1.Item{ItemId: "a", Title: "first"}, RequestId: id}
	first, err := s.recommender.RegisterItem(ctx, register)
	if err != nil || !first.GetCreated() {
		t.Fatalf("%v, %v", first, err)
	}
	again, err := s.recommender.RegisterItem(ctx, register)
	if err != nil || !again.GetCreated() || !again.GetItem().GetCreateTime().AsTime().Equal(first.GetItem().GetCreateTime().AsTime()) {
		t.Errorf("the retry answers %v, %v; want the first answer", again, err)
	}
	register.Item.Title = "second"
	if _, err := s.recommender.RegisterItem(ctx, register); status.Code(err) != codes.AlreadyExists {
		t.Errorf("another body under one request id: %v", err)
	}
	record := &vitrinev1.RecordInteractionRequest{RequestId: "0197c2a1-6a4c-7000-8000-000000000002", Interaction: &vitrinev1.Interaction{
		Actor: &vitrinev1.Interaction_UserId{UserId: "eve"}, ItemId: "a", Type: vitrinev1.InteractionType_INTERACTION_TYPE_VIEW}}
	for range 3 {
		if _, err := s.recommender.RecordInteraction(ctx, record); err != nil {
			t.Fatal(err)
		}
	}
	page, err := s.catalog.ListInteractions(ctx, &vitrinev1.ListInteractionsRequest{ItemId: "a"})
	if err != nil || len(page.GetInteractions()) != 1 {
		t.Errorf("three tries stored %d interactions, %v", len(page.GetInteractions()), err)
	}
}

// TestBadInput checks the exact field of every refusal, and that nothing was written.
func TestBadInput(t *testing.T) {
	t.Parallel()
	_, s := startServe(t, pgtest.New(t))
	many := map[string]*vitrinev1.AttributeValue{}
	for i := range 1000 {
		many[fmt.Sprint(i)] = number(1)
	}
	for name, test := range map[string]struct {
		item  *vitrinev1.Item
		field string
	}{
		"no id":            {&vitrinev1.Item{}, "item.item_id"},
		"long id":          {&vitrinev1.Item{ItemId: strings.Repeat("é", 129)}, "item.item_id"},
		"control in id":    {&vitrinev1.Item{ItemId: "a\nb"}, "item.item_id"},
		"NUL in title":     {&vitrinev1.Item{ItemId: "a", Title: "a\x00b"}, "item.title"},
		"NaN":              {&vitrinev1.Item{ItemId: "a", Attributes: map[string]*vitrinev1.AttributeValue{"price": number(math.NaN())}}, `item.attributes["price"].number`},
		"infinity":         {&vitrinev1.Item{ItemId: "a", Attributes: map[string]*vitrinev1.AttributeValue{"price": number(math.Inf(1))}}, `item.attributes["price"].number`},
		"many attributes":  {&vitrinev1.Item{ItemId: "a", Attributes: many}, "item.attributes"},
		"no picture":       {&vitrinev1.Item{ItemId: "a", Picture: &vitrinev1.Item_Image{Image: []byte("GIF89a but not really")}}, "item.image"},
		"truncated":        {&vitrinev1.Item{ItemId: "a", Picture: &vitrinev1.Item_Image{Image: stripes(red, 8)[:200]}}, "item.image"},
		"over 100 MiB":     {&vitrinev1.Item{ItemId: "a", Picture: &vitrinev1.Item_Image{Image: make([]byte, 100<<20)}}, "item.image"},
		"expired at birth": {&vitrinev1.Item{ItemId: "a", AvailableTime: timestamppb.New(timestamppb.Now().AsTime()), ExpireTime: &timestamppb.Timestamp{Seconds: 1}}, "item.expire_time"},
	} {
		_, err := s.recommender.RegisterItem(t.Context(), &vitrinev1.RegisterItemRequest{Item: test.item})
		checkField(t, name, err, codes.InvalidArgument, test.field)
	}
	_, err := s.recommender.RecordInteraction(t.Context(), &vitrinev1.RecordInteractionRequest{Interaction: &vitrinev1.Interaction{
		Actor: &vitrinev1.Interaction_UserId{UserId: "u"}, ItemId: "a", Type: vitrinev1.InteractionType_INTERACTION_TYPE_VIEW,
		EventTime: timestamppb.New(timestamppb.Now().AsTime().Add(1e12))}})
	checkField(t, "future", err, codes.InvalidArgument, "interaction.event_time")
	page, err := s.catalog.ListItems(t.Context(), &vitrinev1.ListItemsRequest{})
	if err != nil || len(page.GetItems()) != 0 {
		t.Errorf("refused items were written: %v, %v", page, err)
	}
}

func checkField(t *testing.T, name string, err error, code codes.Code, field string) {
	t.Helper()
	st := status.Convert(err)
	if st.Code() != code {
		t.Errorf("%s: %v, want %v", name, err, code)
		return
	}
	var fields []string
	info := false
	for _, detail := range st.Details() {
		switch d := detail.(type) {
		case *errdetails.BadRequest:
			for _, violation := range d.GetFieldViolations() {
				fields = append(fields, violation.GetField())
			}
		case *errdetails.ErrorInfo:
			info = d.GetDomain() == "vitrine" && d.GetReason() != ""
		}
	}
	if !info || !slices.Contains(fields, field) {
		t.Errorf("%s: fields %v (ErrorInfo %v), want %s: %v", name, fields, info, field, st.Message())
	}
}

// TestKill9 checks that what was acknowledged outlives the server, and that SIGTERM ends it in order.
func TestKill9(t *testing.T) {
	t.Parallel()
	dsn := pgtest.New(t)
	p, s := startServe(t, dsn)
	gallery(t, s)
	s.record(t, "ann", "red-0", vitrinev1.InteractionType_INTERACTION_TYPE_LIKE)
	p.signal(syscall.SIGKILL)
	p.wait()
	p, s = startServe(t, dsn)
	list := s.recommend(t, forUser("ann"))
	if len(list.GetRecommendations()) != 6 || slices.Contains(ids(list), "red-0") {
		t.Errorf("after the restart: %v", ids(list))
	}
	p.signal(syscall.SIGTERM)
	if status := p.wait(); status != 0 {
		t.Errorf("exit status %d after SIGTERM:\n%s", status, p.out)
	}
}
