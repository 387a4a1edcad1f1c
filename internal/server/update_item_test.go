package server

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
	pb "github.com/seed-473295a7/vitrine/proto/vitrine/v1"
)

// storedLamp is what updates start from.
func storedLamp() recsys.Item {
	return recsys.Item{ItemID: "lamp-1", Title: "Old", Description: "Old text", Hidden: true,
		Attributes:    map[string]recsys.Attribute{"price": recsys.Number(1), "a.b": recsys.Text("x")},
		AvailableTime: testTime, ExpireTime: testTime.Add(time.Hour)}
}

func TestUpdateItem(t *testing.T) {
	t.Parallel()
	full := func() *pb.Item {
		return &pb.Item{ItemId: "lamp-1", Title: "New", Attributes: map[string]*pb.AttributeValue{"price": number(2), "by": labels("ann")},
			Picture: &pb.Item_Image{Image: []byte{7}}, AvailableTime: timestamppb.New(testTime.Add(-time.Hour))}
	}
	for _, test := range []struct {
		name   string
		item   *pb.Item
		mask   []string
		want   func(*recsys.Item)
		image  []byte
		setsIt bool
	}{
		{"title alone", full(), []string{"title"}, func(it *recsys.Item) { it.Title = "New" }, nil, false},
		{"cleared", full(), []string{"description", "expire_time", "hidden"}, func(it *recsys.Item) {
			it.Description, it.ExpireTime, it.Hidden = "", time.Time{}, false
		}, nil, false},
		{"all attributes", full(), []string{"attributes"}, func(it *recsys.Item) {
			it.Attributes = map[string]recsys.Attribute{"price": recsys.Number(2), "by": recsys.Labels("ann")}
		}, nil, false},
		{"one attribute", full(), []string{"attributes.by"}, func(it *recsys.Item) { it.Attributes["by"] = recsys.Labels("ann") }, nil, false},
		{"an attribute with a dot removed", full(), []string{"attributes.a.b"}, func(it *recsys.Item) { delete(it.Attributes, "a.b") }, nil, false},
		{"an attribute that is nowhere", full(), []string{"attributes.none"}, func(*recsys.Item) {}, nil, false},
		{"all attributes removed", &pb.Item{ItemId: "lamp-1"}, []string{"attributes"}, func(it *recsys.Item) { it.Attributes = nil }, nil, false},
		{"picture", full(), []string{"image"}, func(*recsys.Item) {}, []byte{7}, true},
		{"picture removed", &pb.Item{ItemId: "lamp-1"}, []string{"image"}, func(*recsys.Item) {}, nil, true},
		{"no mask", full(), nil, func(it *recsys.Item) {
			it.Title, it.AvailableTime = "New", testTime.Add(-time.Hour)
			it.Attributes = map[string]recsys.Attribute{"price": recsys.Number(2), "by": recsys.Labels("ann")}
		}, []byte{7}, true},
		{"no mask and nothing set", &pb.Item{ItemId: "lamp-1"}, nil, func(*recsys.Item) {}, nil, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			want, base := storedLamp(), storedLamp()
			test.want(&want)
			b.engine.update = func(u engine.ItemUpdate) (engine.Registered, error) {
				if u.ItemID != "lamp-1" || !slices.Equal(u.Image, test.image) || u.ImageSet != test.setsIt || (u.Image == nil) != (test.image == nil) {
					t.Errorf("update of %q, picture %v (set %v)", u.ItemID, u.Image, u.ImageSet)
				}
				var last recsys.Item
				for range 2 { // the engine may have to start over
					last = base
					if err := u.Change(&last); err != nil {
						return engine.Registered{}, err
					}
				}
				return engine.Registered{Item: last}, nil
			}
			request := &pb.UpdateItemRequest{Item: test.item}
			if test.mask != nil {
				request.UpdateMask = &fieldmaskpb.FieldMask{Paths: test.mask}
			}
			got, err := b.shelf.UpdateItem(t.Context(), request)
			if err != nil {
				t.Fatal(err)
			}
			wantMessage(t, itemMessage(&want), got.Item)
			wantValue(t, storedLamp(), base) // Attributes are shared with the State
		})
	}
}

func TestUpdateItemChecksTheWholeItem(t *testing.T) {
	t.Parallel()
	b := setup(t)
	stored := storedLamp()
	b.engine.update = func(u engine.ItemUpdate) (engine.Registered, error) {
		it := stored
		return engine.Registered{Item: it}, u.Change(&it)
	}
	_, err := b.shelf.UpdateItem(t.Context(), &pb.UpdateItemRequest{Item: &pb.Item{ItemId: "lamp-1", AvailableTime: timestamppb.New(testTime.Add(time.Hour))}})
	wantFault(t, err, codes.InvalidArgument, "item.expire_time")

	stored.Attributes = make(map[string]recsys.Attribute)
	for i := range maxAttributes {
		stored.Attributes[fmt.Sprint(i)] = recsys.Number(0)
	}
	before := maps.Clone(stored.Attributes)
	one := &pb.UpdateItemRequest{Item: &pb.Item{ItemId: "lamp-1", Attributes: map[string]*pb.AttributeValue{"one": number(1)}},
		UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"attributes.one"}}}
	_, err = b.shelf.UpdateItem(t.Context(), one)
	wantFault(t, err, codes.InvalidArgument, "item.attributes")
	one.UpdateMask.Paths = append(one.UpdateMask.Paths, "attributes.0") // one goes, one comes
	if _, err = b.shelf.UpdateItem(t.Context(), one); err != nil {
		t.Error(err)
	}
	wantValue(t, before, stored.Attributes)
}

func TestUpdateItemErrors(t *testing.T) {
	t.Parallel()
	b := setup(t)
	request := &pb.UpdateItemRequest{Item: item(nil), RequestId: someID}
	for _, test := range []struct {
		err    error
		code   codes.Code
		fields []string
	}{
		{&recsys.FieldError{Field: "item_id", Reason: "is not registered", Err: recsys.ErrNotFound}, codes.NotFound, []string{"item.item_id"}},
		{fmt.Errorf("item was written meanwhile: %w", recsys.ErrConflict), codes.Aborted, nil},
		{&recsys.FieldError{Field: "request_id", Reason: "was used", Err: recsys.ErrConflict}, codes.AlreadyExists, []string{"request_id"}},
		{recsys.Invalid("item.image", "is no picture"), codes.InvalidArgument, []string{"item.image"}},
	} {
		b.engine.update = func(u engine.ItemUpdate) (engine.Registered, error) {
			if u.Request != requestOf(t, pb.CatalogService_UpdateItem_FullMethodName, request) {
				t.Error("another request id")
			}
			return engine.Registered{}, test.err
		}
		_, err := b.shelf.UpdateItem(t.Context(), request)
		wantFault(t, err, test.code, test.fields...)
	}
}
