package server

import (
	"context"

	"github.com/seed-473295a7/vitrine/internal/engine"
	pb "github.com/seed-473295a7/vitrine/proto/vitrine/v1"
)

// ListInteractions pages through interactions, newest first.
func (c *catalog) ListInteractions(ctx context.Context, req *pb.ListInteractionsRequest) (*pb.ListInteractionsResponse, error) {
	list := listName(pb.CatalogService_ListInteractions_FullMethodName, req.GetUserId(), req.GetVisitorId(), req.GetItemId())
	after, err := interactionsAfter(list, req.GetPageToken())
	if err != nil {
		return nil, err
	}
	size := pageSize(req.GetPageSize(), defaultListPage, maxListPage)
	listed, err := c.s.deps.Catalog.ListInteractions(ctx, engine.InteractionQuery{
		Actor:  actorOf(req),
		ItemID: req.GetItemId(),
		After:  after,
		Limit:  size + 1, // one more tells whether there is a next page
	})
	if err != nil {
		return nil, err
	}
	out := &pb.ListInteractionsResponse{}
	for i := range listed {
		if i == size {
			out.NextPageToken = interactionToken(list, listed[i-1])
			break
		}
		out.Interactions = append(out.Interactions, interactionMessage(&listed[i].Interaction))
	}
	return out, nil
}
