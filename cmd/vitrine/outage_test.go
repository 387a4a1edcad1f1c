package main

import (
	"context"
	"errors"
	"slices"
	"syscall"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/seed-473295a7/vitrine/internal/pgtest"
	vitrinev1 "github.com/seed-473295a7/vitrine/proto/vitrine/v1"
)

// While PostgreSQL is away, reading goes on from memory and says so, and writing is refused with
// a time to retry; when it is back, so is everything that was acknowledged.
func TestPostgresAway(t *testing.T) {
	t.Parallel()
	server := pgtest.NewServer(t)
	_, s := startServe(t, server.DSN())
	gallery(t, s)
	s.record(t, "ann", "red-0", vitrinev1.InteractionType_INTERACTION_TYPE_LIKE)
	known := ids(s.recommend(t, forUser("ann"))) // her history is in memory from here on

	gone := server.Done()
	if err := syscall.Kill(server.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-gone
	// Sessions may outlive their postmaster for a moment, and what they acknowledge counts.
	refused := error(nil)
	eventually(t, "writes are refused", func(ctx context.Context) error {
		_, refused = s.recommender.RecordInteraction(ctx, &vitrinev1.RecordInteractionRequest{Interaction: &vitrinev1.Interaction{
			Actor: &vitrinev1.Interaction_UserId{UserId: "dave"}, ItemId: "blue-0", Type: vitrinev1.InteractionType_INTERACTION_TYPE_LIKE}})
		if refused == nil {
			return errors.New("a write was accepted")
		}
		return nil
	})
	if status.Code(refused) != codes.Unavailable || !hasRetryInfo(refused) {
		t.Errorf("a write without the store: %v", refused)
	}
	if got := ids(s.recommend(t, forUser("ann"))); !slices.Equal(got, known) {
		t.Errorf("without the store ann gets %v, before %v", got, known)
	}
	list := s.recommend(t, forUser("bob"))
	if list.GetFallbackReason() != vitrinev1.FallbackReason_FALLBACK_REASON_STORE_UNAVAILABLE || len(list.GetRecommendations()) != 7 {
		t.Errorf("without the store bob gets %v", list)
	}

	if err := server.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "writes succeed again", func(ctx context.Context) error {
		_, err := s.recommender.RegisterItem(ctx, &vitrinev1.RegisterItemRequest{Item: &vitrinev1.Item{ItemId: "after"}})
		return err
	})
	page, err := s.catalog.ListItems(t.Context(), &vitrinev1.ListItemsRequest{})
	if err != nil || len(page.GetItems()) != 8 {
		t.Errorf("after the outage: %d items, %v", len(page.GetItems()), err)
	}
}

func hasRetryInfo(err error) bool {
	return slices.ContainsFunc(status.Convert(err).Details(), func(detail any) bool {
		_, ok := detail.(*errdetails.RetryInfo)
		return ok
	})
}
