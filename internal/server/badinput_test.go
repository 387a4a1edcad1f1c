package server

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/seed-473295a7/vitrine/proto/vitrine/v1"
)

const (
	registerItem      = pb.RecommenderService_RegisterItem_FullMethodName
	recordInteraction = pb.RecommenderService_RecordInteraction_FullMethodName
)

func number(v float64) *pb.AttributeValue {
	return &pb.AttributeValue{Kind: &pb.AttributeValue_Number{Number: v}}
}

func text(v string) *pb.AttributeValue {
	return &pb.AttributeValue{Kind: &pb.AttributeValue_Text{Text: v}}
}

func labels(values ...string) *pb.AttributeValue {
	return &pb.AttributeValue{Kind: &pb.AttributeValue_Labels{Labels: &pb.Labels{Values: values}}}
}

// item is a valid item, changed.
func item(change func(*pb.Item)) *pb.Item {
	it := &pb.Item{ItemId: "lamp-1", Title: "Lamp", Attributes: map[string]*pb.AttributeValue{"price": number(12.5)}}
	if change != nil {
		change(it)
	}
	return it
}

// interaction is a valid interaction, changed.
func interaction(change func(*pb.Interaction)) *pb.Interaction {
	in := &pb.Interaction{Actor: &pb.Interaction_UserId{UserId: "ann"}, ItemId: "lamp-1", Type: pb.InteractionType_INTERACTION_TYPE_VIEW}
	if change != nil {
		change(in)
	}
	return in
}

var long = strings.Repeat("x", 300)

// badItems are items with the paths of their faults.
var badItems = []struct {
	name   string
	change func(*pb.Item)
	fields []string
}{
	{"no id", func(it *pb.Item) { it.ItemId = "" }, []string{"item.item_id"}},
	{"long id", func(it *pb.Item) { it.ItemId = long }, []string{"item.item_id"}},
	{"very long id", func(it *pb.Item) { it.ItemId = strings.Repeat("x", 1<<20) }, []string{"item.item_id"}},
	{"NUL in id", func(it *pb.Item) { it.ItemId = "a\x00b" }, []string{"item.item_id"}},
	{"control character in id", func(it *pb.Item) { it.ItemId = "a\u0085b" }, []string{"item.item_id"}},
	{"NUL in title", func(it *pb.Item) { it.Title = "a\x00b" }, []string{"item.title"}},
	{"long title", func(it *pb.Item) { it.Title = strings.Repeat("x", 1025) }, []string{"item.title"}},
	{"NUL in description", func(it *pb.Item) { it.Description = "a\x00b" }, []string{"item.description"}},
	{"long description", func(it *pb.Item) { it.Description = strings.Repeat("x", 65537) }, []string{"item.description"}},
	{"NaN", func(it *pb.Item) { it.Attributes["price"] = number(math.NaN()) }, []string{`item.attributes["price"].number`}},
	{"infinity", func(it *pb.Item) { it.Attributes["price"] = number(math.Inf(-1)) }, []string{`item.attributes["price"].number`}},
	{"no kind", func(it *pb.Item) { it.Attributes["price"] = &pb.AttributeValue{} }, []string{`item.attributes["price"].kind`}},
	{"no labels", func(it *pb.Item) { it.Attributes["by"] = labels() }, []string{`item.attributes["by"].labels.values`}},
	{"empty label", func(it *pb.Item) { it.Attributes["by"] = labels("a", "") }, []string{`item.attributes["by"].labels.values[1]`}},
	{"control character in label", func(it *pb.Item) { it.Attributes["by"] = labels("\x1b") }, []string{`item.attributes["by"].labels.values[0]`}},
	{"same label twice", func(it *pb.Item) { it.Attributes["by"] = labels("a", "a") }, []string{`item.attributes["by"].labels.values`}},
	{"NUL in text", func(it *pb.Item) { it.Attributes["t"] = text("\x00") }, []string{`item.attributes["t"].text`}},
	{"empty name", func(it *pb.Item) { it.Attributes[""] = text("") }, []string{`item.attributes[""]`}},
	{"control character in name", func(it *pb.Item) { it.Attributes["a\n"] = text("") }, []string{`item.attributes["a\n"]`}},
	{"long name", func(it *pb.Item) { it.Attributes[strings.Repeat("x", 129)] = text("") }, []string{`item.attributes["` + strings.Repeat("x", 129) + `"]`}},
	{"a few attributes too many", func(it *pb.Item) { it.Attributes = manyAttributes(257) }, []string{"item.attributes"}},
	{"far too many attributes", func(it *pb.Item) { it.Attributes = manyAttributes(5000) }, []string{"item.attributes"}},
	{"far too many labels", func(it *pb.Item) { it.Attributes["by"] = labels(make([]string, 5000)...) }, []string{`item.attributes["by"].labels.values`}},
	{"empty picture", func(it *pb.Item) { it.Picture = &pb.Item_Image{} }, []string{"item.image"}},
	{"large picture", func(it *pb.Item) { it.Picture = &pb.Item_Image{Image: make([]byte, 20<<20+1)} }, []string{"item.image"}},
	{"year 10000", func(it *pb.Item) { it.ExpireTime = &timestamppb.Timestamp{Seconds: 253402300800} }, []string{"item.expire_time"}},
	{"year 0", func(it *pb.Item) { it.AvailableTime = &timestamppb.Timestamp{Seconds: -62135596801} }, []string{"item.available_time"}},
	{"monstrous time", func(it *pb.Item) { it.ExpireTime = &timestamppb.Timestamp{Seconds: math.MaxInt64} }, []string{"item.expire_time"}},
	{"too many nanoseconds", func(it *pb.Item) { it.AvailableTime = &timestamppb.Timestamp{Nanos: 1e9} }, []string{"item.available_time"}},
	{"negative nanoseconds", func(it *pb.Item) { it.AvailableTime = &timestamppb.Timestamp{Nanos: -1} }, []string{"item.available_time"}},
	{"expires before it is available", func(it *pb.Item) {
		it.AvailableTime, it.ExpireTime = timestamppb.New(testTime), timestamppb.New(testTime)
	}, []string{"item.expire_time"}},
	{"several", func(it *pb.Item) {
		it.ItemId, it.Title = "", "\x00"
		it.Attributes = map[string]*pb.AttributeValue{"b": number(math.NaN()), "a": {}}
		it.ExpireTime = &timestamppb.Timestamp{Nanos: -1}
	}, []string{`item.attributes["a"].kind`, `item.attributes["b"].number`, "item.expire_time", "item.item_id", "item.title"}},
}

func manyAttributes(n int) map[string]*pb.AttributeValue {
	out := make(map[string]*pb.AttributeValue, n)
	for i := range n {
		out[fmt.Sprintf("a%d", i)] = number(float64(i))
	}
	return out
}

func TestBadItemIsRefusedByField(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, test := range badItems {
		t.Run(test.name, func(t *testing.T) {
			_, err := b.shop.RegisterItem(t.Context(), &pb.RegisterItemRequest{Item: item(test.change)})
			wantFault(t, err, codes.InvalidArgument, test.fields...)
			_, err = b.shelf.UpdateItem(t.Context(), &pb.UpdateItemRequest{Item: item(test.change)})
			wantFault(t, err, codes.InvalidArgument, test.fields...)
		})
	}
	if calls := b.engine.callNames(); len(calls) > 0 {
		t.Errorf("the engine was asked: %v", calls)
	}
}

// badInteractions are interactions with the paths of their faults.
var badInteractions = []struct {
	name   string
	change func(*pb.Interaction)
	fields []string
}{
	{"nobody", func(in *pb.Interaction) { in.Actor = nil }, []string{"interaction.actor"}},
	{"empty user", func(in *pb.Interaction) { in.Actor = &pb.Interaction_UserId{} }, []string{"interaction.user_id"}},
	{"long visitor", func(in *pb.Interaction) { in.Actor = &pb.Interaction_VisitorId{VisitorId: long} }, []string{"interaction.visitor_id"}},
	{"NUL in user", func(in *pb.Interaction) { in.Actor = &pb.Interaction_UserId{UserId: "\x00"} }, []string{"interaction.user_id"}},
	{"no item", func(in *pb.Interaction) { in.ItemId = "" }, []string{"interaction.item_id"}},
	{"no type", func(in *pb.Interaction) { in.Type = 0 }, []string{"interaction.type"}},
	{"unknown type", func(in *pb.Interaction) { in.Type = 99 }, []string{"interaction.type"}},
	{"rating without value", func(in *pb.Interaction) { in.Type = pb.InteractionType_INTERACTION_TYPE_RATING }, []string{"interaction.value"}},
	{"value without rating", func(in *pb.Interaction) { in.Value = proto.Float64(3) }, []string{"interaction.value"}},
	{"large value", func(in *pb.Interaction) {
		in.Type, in.Value = pb.InteractionType_INTERACTION_TYPE_RATING, proto.Float64(5.1)
	}, []string{"interaction.value"}},
	{"infinite value", func(in *pb.Interaction) {
		in.Type, in.Value = pb.InteractionType_INTERACTION_TYPE_RATING, proto.Float64(math.Inf(1))
	}, []string{"interaction.value", "interaction.value"}},
	{"future", func(in *pb.Interaction) { in.EventTime = timestamppb.New(testTime.Add(5*time.Minute + time.Second)) }, []string{"interaction.event_time"}},
	{"before 1970", func(in *pb.Interaction) { in.EventTime = &timestamppb.Timestamp{Seconds: -1} }, []string{"interaction.event_time"}},
	{"too many nanoseconds", func(in *pb.Interaction) { in.EventTime = &timestamppb.Timestamp{Seconds: 1, Nanos: 2e9} }, []string{"interaction.event_time"}},
	{"long recommendation", func(in *pb.Interaction) { in.RecommendationId = long }, []string{"interaction.recommendation_id"}},
}

func TestBadInteractionIsRefusedByField(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, test := range badInteractions {
		t.Run(test.name, func(t *testing.T) {
			_, err := b.shop.RecordInteraction(t.Context(), &pb.RecordInteractionRequest{Interaction: interaction(test.change)})
			wantFault(t, err, codes.InvalidArgument, test.fields...)
		})
	}
	if calls := b.engine.callNames(); len(calls) > 0 {
		t.Errorf("the engine was asked: %v", calls)
	}
	_, err := b.shop.RecordInteraction(t.Context(), &pb.RecordInteractionRequest{Interaction: interaction(func(in *pb.Interaction) {
		in.EventTime = timestamppb.New(testTime.Add(5 * time.Minute))
	})})
	if err != nil {
		t.Errorf("five minutes ahead: %v", err)
	}
}

func TestBadRequestIsRefusedByField(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := func(n int) []string {
		out := make([]string, n)
		for i := range out {
			out[i] = fmt.Sprint("i", i)
		}
		return out
	}
	for _, test := range []struct {
		name   string
		method string
		body   proto.Message
		code   codes.Code
		fields []string
	}{
		{"empty user", pb.RecommenderService_Recommend_FullMethodName, &pb.RecommendRequest{Actor: &pb.RecommendRequest_UserId{}}, codes.InvalidArgument, []string{"user_id"}},
		{"negative page", pb.RecommenderService_Recommend_FullMethodName, &pb.RecommendRequest{PageSize: -1}, codes.InvalidArgument, []string{"page_size"}},
		{"context", pb.RecommenderService_Recommend_FullMethodName, &pb.RecommendRequest{ContextItemIds: []string{"a", "\x00"}}, codes.InvalidArgument, []string{"context_item_ids[1]"}},
		{"much context", pb.RecommenderService_Recommend_FullMethodName, &pb.RecommendRequest{ContextItemIds: ids(101)}, codes.InvalidArgument, []string{"context_item_ids"}},
		{"very much context", pb.RecommenderService_Recommend_FullMethodName, &pb.RecommendRequest{ContextItemIds: ids(100_000)}, codes.InvalidArgument, []string{"context_item_ids"}},
		{"many exclusions", pb.RecommenderService_Recommend_FullMethodName, &pb.RecommendRequest{ExcludeItemIds: ids(1001)}, codes.InvalidArgument, []string{"exclude_item_ids"}},
		{"NaN diversity", pb.RecommenderService_Recommend_FullMethodName, &pb.RecommendRequest{Diversity: math.NaN()}, codes.InvalidArgument, []string{"diversity", "diversity"}},
		{"large diversity", pb.RecommenderService_Recommend_FullMethodName, &pb.RecommendRequest{Diversity: 1.01}, codes.InvalidArgument, []string{"diversity"}},
		{"placement", pb.RecommenderService_Recommend_FullMethodName, &pb.RecommendRequest{Placement: "Home page"}, codes.InvalidArgument, []string{"placement"}},
		{"long filter", pb.RecommenderService_Recommend_FullMethodName, &pb.RecommendRequest{Filter: strings.Repeat("a", 4097)}, codes.InvalidArgument, []string{"filter"}},
		{"nothing to compare", pb.RecommenderService_FindSimilarItems_FullMethodName, &pb.FindSimilarItemsRequest{}, codes.InvalidArgument, []string{"item_id"}},
		{"similarity", pb.RecommenderService_FindSimilarItems_FullMethodName, &pb.FindSimilarItemsRequest{ItemId: "a", MinSimilarity: proto.Float64(-2)}, codes.InvalidArgument, []string{"min_similarity"}},
		{"NUL in a filter", pb.RecommenderService_FindSimilarItems_FullMethodName, &pb.FindSimilarItemsRequest{ItemId: "a", Filter: "\x00"}, codes.InvalidArgument, []string{"filter"}},
		{"no item", registerItem, &pb.RegisterItemRequest{}, codes.InvalidArgument, []string{"item"}},
		{"request id", registerItem, &pb.RegisterItemRequest{Item: item(nil), RequestId: "1234"}, codes.InvalidArgument, []string{"request_id"}},
		{"nil request id", registerItem, &pb.RegisterItemRequest{Item: item(nil), RequestId: "00000000-0000-0000-0000-000000000000"}, codes.InvalidArgument, []string{"request_id"}},
		{"image uri", registerItem, &pb.RegisterItemRequest{Item: item(func(it *pb.Item) { it.Picture = &pb.Item_ImageUri{ImageUri: "https://example.org/a.png"} })}, codes.Unimplemented, []string{"item.image_uri"}},
		{"image uri in an update", pb.CatalogService_UpdateItem_FullMethodName, &pb.UpdateItemRequest{Item: item(func(it *pb.Item) { it.Picture = &pb.Item_ImageUri{ImageUri: "x"} })}, codes.Unimplemented, []string{"item.image_uri"}},
		{"no interaction", recordInteraction, &pb.RecordInteractionRequest{}, codes.InvalidArgument, []string{"interaction"}},
		{"no id", pb.CatalogService_GetItem_FullMethodName, &pb.GetItemRequest{}, codes.InvalidArgument, []string{"item_id"}},
		{"no ids", pb.CatalogService_BatchGetItems_FullMethodName, &pb.BatchGetItemsRequest{}, codes.InvalidArgument, []string{"item_ids"}},
		{"many ids", pb.CatalogService_BatchGetItems_FullMethodName, &pb.BatchGetItemsRequest{ItemIds: ids(1001)}, codes.InvalidArgument, []string{"item_ids"}},
		{"bad id", pb.CatalogService_BatchGetItems_FullMethodName, &pb.BatchGetItemsRequest{ItemIds: []string{""}}, codes.InvalidArgument, []string{"item_ids[0]"}},
		{"page token", pb.CatalogService_ListItems_FullMethodName, &pb.ListItemsRequest{PageToken: "tomorrow"}, codes.InvalidArgument, []string{"page_token"}},
		{"long page token", pb.CatalogService_ListItems_FullMethodName, &pb.ListItemsRequest{PageToken: strings.Repeat("A", 1025)}, codes.InvalidArgument, []string{"page_token"}},
		{"mask", pb.CatalogService_UpdateItem_FullMethodName, &pb.UpdateItemRequest{Item: item(nil), UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"title", "colour", "attributes."}}}, codes.InvalidArgument, []string{"update_mask", "update_mask"}},
		{"large mask", pb.CatalogService_UpdateItem_FullMethodName, &pb.UpdateItemRequest{Item: item(nil), UpdateMask: &fieldmaskpb.FieldMask{Paths: ids(1001)}}, codes.InvalidArgument, []string{"update_mask"}},
		{"nobody to delete", pb.CatalogService_DeleteUser_FullMethodName, &pb.DeleteUserRequest{}, codes.InvalidArgument, []string{"actor"}},
		{"nobody to merge", pb.CatalogService_MergeUsers_FullMethodName, &pb.MergeUsersRequest{UserId: "ann"}, codes.InvalidArgument, []string{"visitor_id"}},
		{"interactions of what", pb.CatalogService_ListInteractions_FullMethodName, &pb.ListInteractionsRequest{}, codes.InvalidArgument, []string{"item_id"}},
		{"run name", pb.ModelService_GetRun_FullMethodName, &pb.GetRunRequest{Run: "run-0"}, codes.InvalidArgument, []string{"run"}},
		{"no run", pb.ModelService_CancelRun_FullMethodName, &pb.CancelRunRequest{Run: "run-99"}, codes.NotFound, []string{"run"}},
		{"runs token", pb.ModelService_ListRuns_FullMethodName, &pb.ListRunsRequest{PageToken: "AAAA"}, codes.InvalidArgument, []string{"page_token"}},
		{"model name", pb.ModelService_ActivateFactorModel_FullMethodName, &pb.ActivateFactorModelRequest{FactorModel: "space-1"}, codes.InvalidArgument, []string{"factor_model"}},
		{"no model", pb.ModelService_ActivateFactorModel_FullMethodName, &pb.ActivateFactorModelRequest{FactorModel: "model-9"}, codes.NotFound, []string{"factor_model"}},
		{"no space", pb.ModelService_ActivateEmbeddingSpace_FullMethodName, &pb.ActivateEmbeddingSpaceRequest{EmbeddingSpace: "space-9"}, codes.NotFound, []string{"embedding_space"}},
		{"no encoder", pb.ModelService_ReembedItems_FullMethodName, &pb.ReembedItemsRequest{Encoder: "toy"}, codes.NotFound, []string{"encoder"}},
		{"encoder path", pb.ModelService_ReembedItems_FullMethodName, &pb.ReembedItemsRequest{Encoder: "../toy"}, codes.InvalidArgument, []string{"encoder"}},
		{"rate", pb.ModelService_ReembedItems_FullMethodName, &pb.ReembedItemsRequest{MaxPicturesPerSecond: -1}, codes.InvalidArgument, []string{"max_pictures_per_second"}},
		{"interactions token", pb.CatalogService_ListInteractions_FullMethodName, &pb.ListInteractionsRequest{ItemId: "a", PageToken: "AAAA"}, codes.InvalidArgument, []string{"page_token"}},
		{"features of nothing", pb.FeatureService_GetItemFeatures_FullMethodName, &pb.GetItemFeaturesRequest{}, codes.InvalidArgument, []string{"item_ids"}},
		{"features of many", pb.FeatureService_GetItemFeatures_FullMethodName, &pb.GetItemFeaturesRequest{ItemIds: ids(101)}, codes.InvalidArgument, []string{"item_ids"}},
		{"space name", pb.FeatureService_GetItemFeatures_FullMethodName, &pb.GetItemFeaturesRequest{ItemIds: ids(1), EmbeddingSpace: "space-0"}, codes.InvalidArgument, []string{"embedding_space"}},
		{"model name", pb.FeatureService_GetUserFeatures_FullMethodName, &pb.GetUserFeaturesRequest{UserIds: ids(1), FactorModel: "space-1"}, codes.InvalidArgument, []string{"factor_model"}},
		{"features of nobody", pb.FeatureService_GetUserFeatures_FullMethodName, &pb.GetUserFeaturesRequest{}, codes.InvalidArgument, []string{"user_ids"}},
		{"as of no time", pb.FeatureService_GetUserFeatures_FullMethodName, &pb.GetUserFeaturesRequest{UserIds: ids(1), AsOfTime: &timestamppb.Timestamp{Nanos: -1}}, codes.InvalidArgument, []string{"as_of_time"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			wantFault(t, b.sendRaw(t, test.method, encode(t, test.body)), test.code, test.fields...)
		})
	}
	if calls := b.engine.callNames(); len(calls) > 0 {
		t.Errorf("the engine was asked: %v", calls)
	}
}

func TestWrongUTF8IsRefusedByField(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, test := range []struct {
		method string
		body   proto.Message
		field  string
	}{
		{registerItem, &pb.RegisterItemRequest{Item: item(func(it *pb.Item) { it.ItemId = "@@@@" })}, "item.item_id"},
		{registerItem, &pb.RegisterItemRequest{Item: item(func(it *pb.Item) { it.Description = "x@@@@" })}, "item.description"},
		{registerItem, &pb.RegisterItemRequest{Item: item(func(it *pb.Item) { it.Attributes = map[string]*pb.AttributeValue{"@@@@": number(1)} })}, `item.attributes["ab\xff\xfe"]`},
		{registerItem, &pb.RegisterItemRequest{Item: item(func(it *pb.Item) { it.Attributes["by"] = text("@@@@") })}, `item.attributes["by"].text`},
		{registerItem, &pb.RegisterItemRequest{Item: item(func(it *pb.Item) { it.Attributes["by"] = labels("a", "@@@@") })}, `item.attributes["by"].labels.values[1]`},
		{registerItem, &pb.RegisterItemRequest{Item: item(nil), RequestId: "@@@@"}, "request_id"},
		{recordInteraction, &pb.RecordInteractionRequest{Interaction: interaction(func(in *pb.Interaction) { in.Actor = &pb.Interaction_VisitorId{VisitorId: "@@@@"} })}, "interaction.visitor_id"},
		{pb.RecommenderService_Recommend_FullMethodName, &pb.RecommendRequest{ExcludeItemIds: []string{"a", "b", "@@@@"}}, "exclude_item_ids[2]"},
		{pb.CatalogService_UpdateItem_FullMethodName, &pb.UpdateItemRequest{Item: item(nil), UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"@@@@"}}}, "update_mask.paths[0]"},
		{pb.CatalogService_GetItem_FullMethodName, &pb.GetItemRequest{ItemId: "@@@@"}, "item_id"},
	} {
		t.Run(test.field, func(t *testing.T) {
			wantFault(t, b.sendRaw(t, test.method, broken(t, test.body)), codes.InvalidArgument, test.field)
		})
	}
	if calls := b.engine.callNames(); len(calls) > 0 {
		t.Errorf("the engine was asked: %v", calls)
	}
}

func TestMalformedMessageIsRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, body := range []string{"\xff", "\x0a\x05ab", "\x0a", "\x07", "\x0b", "\x00", "\x0a\x03\x0a\x05a"} {
		wantFault(t, b.sendRaw(t, registerItem, []byte(body)), codes.InvalidArgument)
	}
	// The services of gRPC itself go through the same codec.
	wantFault(t, b.sendRaw(t, "/grpc.health.v1.Health/Check", []byte("\x0a\x02\xff\xff")), codes.InvalidArgument)
}

func TestHugeMessageIsRefusedByField(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const size = 100 << 20
	head := encode(t, &pb.Item{ItemId: "lamp-1"})
	for _, test := range []struct {
		field string
		tag   byte
	}{{"item.image", 4<<3 | 2}, {"item.description", 3<<3 | 2}} {
		value := appendLength([]byte{test.tag}, size)
		body := appendLength([]byte{0x0a}, len(head)+len(value)+size)
		body = append(append(body, head...), value...)
		err := b.sendRaw(t, registerItem, append(body, make([]byte, size)...))
		wantFault(t, err, codes.InvalidArgument, test.field)
		if message := status.Convert(err).Message(); !strings.Contains(message, "104857600") {
			t.Errorf("message %q does not tell the size", message)
		}
	}
}

// withAttributes encodes a request with n attributes of a few names.
func withAttributes(t testing.TB, n int) []byte {
	t.Helper()
	const names = 1000
	some := encode(t, &pb.Item{Attributes: manyAttributes(names)})
	body := append(encode(t, &pb.Item{ItemId: "x"}), bytes.Repeat(some, n/names)...)
	return append(appendLength([]byte{0x0a}, len(body)), body...)
}

func TestMillionAttributesAreRefusedWithTheirNumber(t *testing.T) {
	t.Parallel()
	b := setup(t)
	err := b.sendRaw(t, registerItem, withAttributes(t, 1_000_000))
	wantFault(t, err, codes.InvalidArgument, "item.attributes")
	if message := status.Convert(err).Message(); !strings.Contains(message, "at most 256 entries, has 1000000") {
		t.Errorf("message %q does not tell the number", message)
	}
}

// Decoding 200,000 attributes takes a million allocations.
func TestManyAttributesAreCountedNotDecoded(t *testing.T) {
	table, err := newWireTable(requestTypes())
	if err != nil {
		t.Fatal(err)
	}
	body := withAttributes(t, 200_000)
	if n := testing.AllocsPerRun(1, func() {
		if table["vitrine.v1.RegisterItemRequest"].scan(body) == nil {
			t.Error("the scan found nothing")
		}
	}); n > 10_000 {
		t.Errorf("the scan took %v allocations", n)
	}
}

func appendLength(b []byte, n int) []byte {
	for ; n >= 0x80; n >>= 7 {
		b = append(b, byte(n)|0x80)
	}
	return append(b, byte(n))
}

func TestLargeMessageIsRefusedForItsFirstFault(t *testing.T) {
	t.Parallel()
	b := setup(t)
	bad := item(func(it *pb.Item) {
		for i := range 200 {
			it.Attributes[fmt.Sprintf("a%03d", i)] = labels(make([]string, 200)...)
		}
	})
	_, err := b.shop.RegisterItem(t.Context(), &pb.RegisterItemRequest{Item: bad})
	st := status.Convert(err)
	if fields := fieldsOf(st); len(fields) != 1 || !strings.HasPrefix(fields[0], `item.attributes["a`) || !strings.Contains(st.Message(), "there may be more") {
		t.Errorf("fields %q, message %q, want one fault of many", fields, st.Message())
	}
}

func TestManyFaultsAreToldInBrief(t *testing.T) {
	t.Parallel()
	b := setup(t)
	bad := item(func(it *pb.Item) {
		it.Attributes = make(map[string]*pb.AttributeValue)
		for i := range 250 {
			it.Attributes[strings.Repeat("\u0001", 100)+fmt.Sprintf("%03d", i)] = labels(make([]string, 5)...)
		}
	})
	_, err := b.shop.RegisterItem(t.Context(), &pb.RegisterItemRequest{Item: bad})
	st := status.Convert(err)
	if st.Code() != codes.InvalidArgument {
		t.Fatal(err)
	}
	if n := len(fieldsOf(st)); n == 0 || n > maxViolations {
		t.Errorf("%d violations are listed", n)
	}
	if size := proto.Size(st.Proto()) * 4 / 3; size > 8<<10 {
		t.Errorf("the status takes %d bytes of the trailer; clients of the C core accept 8 KiB", size)
	}
	// One for each name, one for each of its 5 empty labels, one for their being equal.
	if want := fmt.Sprintf("(and %d more; the first ", 250*7-1); !strings.Contains(st.Message(), want) {
		t.Errorf("message %q, want %q in it", st.Message(), want)
	}
}
