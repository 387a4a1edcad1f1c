package server

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
	pb "github.com/seed-473295a7/vitrine/proto/vitrine/v1"
)

func shelf(ids ...string) []engine.ItemRow {
	rows := make([]engine.ItemRow, len(ids))
	for i, id := range ids {
		rows[i].Item = recsys.Item{ItemID: id, Title: "T" + id, CreateTime: testTime, UpdateTime: testTime}
	}
	return rows
}

func TestGetItem(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.catalog.items = shelf("a")
	b.catalog.items[0].Item.ImageDigest = []byte{1}
	got, err := b.shelf.GetItem(t.Context(), &pb.GetItemRequest{ItemId: "a"})
	if err != nil {
		t.Fatal(err)
	}
	now := timestamppb.New(testTime)
	wantMessage(t, &pb.GetItemResponse{Item: &pb.Item{ItemId: "a", Title: "Ta", HasImage: true, CreateTime: now, UpdateTime: now}}, got)
	_, err = b.shelf.GetItem(t.Context(), &pb.GetItemRequest{ItemId: "b"})
	wantFault(t, err, codes.NotFound, "item_id")
	b.catalog.fail(fmt.Errorf("connection refused: %w", recsys.ErrUnavailable))
	_, err = b.shelf.GetItem(t.Context(), &pb.GetItemRequest{ItemId: "a"})
	wantFault(t, err, codes.Unavailable)
}

func TestBatchGetItems(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.catalog.items = shelf("a", "b", "c")
	got, err := b.shelf.BatchGetItems(t.Context(), &pb.BatchGetItemsRequest{ItemIds: []string{"c", "z", "a", "c", "y"}})
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, item := range got.Items {
		ids = append(ids, item.ItemId)
	}
	wantValue(t, []string{"c", "a"}, ids)
	wantValue(t, []string{"z", "y"}, got.MissingItemIds)
}

func TestListItems(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.catalog.items = shelf("a", "b", "c", "d", "e")
	for size, want := range map[int32][]string{1: {"a", "b", "c", "d", "e"}, 2: {"ab", "cd", "e"}, 5: {"abcde"}, 0: {"abcde"}} {
		var pages []string
		request := &pb.ListItemsRequest{PageSize: size}
		for {
			got, err := b.shelf.ListItems(t.Context(), request)
			if err != nil {
				t.Fatal(err)
			}
			page := ""
			for _, item := range got.Items {
				page += item.ItemId
			}
			pages = append(pages, page)
			if got.NextPageToken == "" {
				break
			}
			request.PageToken = got.NextPageToken
		}
		wantValue(t, want, pages)
	}
}

// A page must fit what clients receive by default, and every item must come.
func TestListItemsEndsALargePageEarly(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.catalog.items = shelf("a", "b", "c", "d", "e", "f")
	for i := range b.catalog.items {
		b.catalog.items[i].Item.Description = strings.Repeat("x", 1_200_000)
	}
	var ids []string
	request := &pb.ListItemsRequest{}
	for {
		got, err := b.shelf.ListItems(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range got.Items {
			ids = append(ids, item.ItemId)
		}
		if request.PageToken = got.NextPageToken; request.PageToken == "" {
			break
		}
		if len(got.Items) != 2 {
			t.Errorf("a page of %d items of 1.2 MB", len(got.Items))
		}
	}
	wantValue(t, []string{"a", "b", "c", "d", "e", "f"}, ids)
}

func TestListInteractions(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for i := range 7 {
		b.catalog.interactions = append(b.catalog.interactions, engine.ListedInteraction{ID: int64(7 - i), Interaction: recsys.Interaction{
			Actor: recsys.User("ann"), ItemID: fmt.Sprint("i", i), Type: recsys.Rating, Value: 3, EventTime: testTime.Add(-time.Duration(i/3) * time.Minute)}})
	}
	b.catalog.interactions = append(b.catalog.interactions, engine.ListedInteraction{ID: 99, Interaction: recsys.Interaction{Actor: recsys.Visitor("ann"), ItemID: "v", Type: recsys.View, EventTime: testTime}})
	var ids []string
	request := &pb.ListInteractionsRequest{Actor: &pb.ListInteractionsRequest_UserId{UserId: "ann"}, PageSize: 2}
	for {
		got, err := b.shelf.ListInteractions(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		for _, in := range got.Interactions {
			ids = append(ids, in.ItemId)
			if in.GetUserId() != "ann" || in.GetValue() != 3 || in.Value == nil {
				t.Errorf("interaction %v", in)
			}
		}
		if got.NextPageToken == "" {
			break
		}
		request.PageToken = got.NextPageToken
		other := &pb.ListInteractionsRequest{Actor: &pb.ListInteractionsRequest_VisitorId{VisitorId: "ann"}, PageToken: got.NextPageToken}
		_, err = b.shelf.ListInteractions(t.Context(), other)
		wantFault(t, err, codes.InvalidArgument, "page_token")
	}
	wantValue(t, []string{"i0", "i1", "i2", "i3", "i4", "i5", "i6"}, ids)
	got, err := b.shelf.ListInteractions(t.Context(), &pb.ListInteractionsRequest{ItemId: "v"})
	if err != nil || len(got.Interactions) != 1 || got.Interactions[0].GetVisitorId() != "ann" || got.Interactions[0].Value != nil {
		t.Errorf("interactions of an item: %v, %v", got, err)
	}
}

func TestDeleteItem(t *testing.T) {
	t.Parallel()
	b := setup(t)
	request := &pb.DeleteItemRequest{ItemId: "a", AllowMissing: true, RequestId: someID}
	b.engine.deleteItem = func(itemID string, allowMissing bool, id recsys.RequestID) error {
		if itemID != "a" || !allowMissing || id != requestOf(t, pb.CatalogService_DeleteItem_FullMethodName, request) {
			return errors.New("another request")
		}
		return nil
	}
	if _, err := b.shelf.DeleteItem(t.Context(), request); err != nil {
		t.Error(err)
	}
	b.engine.deleteItem = func(string, bool, recsys.RequestID) error { return recsys.ErrNotFound }
	_, err := b.shelf.DeleteItem(t.Context(), &pb.DeleteItemRequest{ItemId: "a"})
	wantFault(t, err, codes.NotFound, "item_id")
}

func TestDeleteUser(t *testing.T) {
	t.Parallel()
	b := setup(t)
	request := &pb.DeleteUserRequest{Actor: &pb.DeleteUserRequest_VisitorId{VisitorId: "v"}, RequestId: someID}
	b.engine.deleteUser = func(actor recsys.Actor, id recsys.RequestID) (int64, error) {
		if actor != recsys.Visitor("v") || id != requestOf(t, pb.CatalogService_DeleteUser_FullMethodName, request) {
			return 0, errors.New("another request")
		}
		return 12, nil
	}
	got, err := b.shelf.DeleteUser(t.Context(), request)
	if err != nil || got.DeletedInteractions != 12 {
		t.Errorf("%v, %v", got, err)
	}
}

func TestMergeUsers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	request := &pb.MergeUsersRequest{VisitorId: "v", UserId: "u", RequestId: someID}
	b.engine.mergeUsers = func(visitorID, userID string, id recsys.RequestID) (int64, error) {
		if visitorID != "v" || userID != "u" || id != requestOf(t, pb.CatalogService_MergeUsers_FullMethodName, request) {
			return 0, errors.New("another request")
		}
		return 3, nil
	}
	got, err := b.shelf.MergeUsers(t.Context(), request)
	if err != nil || got.MergedInteractions != 3 {
		t.Errorf("%v, %v", got, err)
	}
}
