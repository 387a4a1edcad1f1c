package server

import (
	"context"
	"slices"

	pb "github.com/seed-473295a7/vitrine/proto/vitrine/v1"
)

// BatchGetItems answers several items in the order asked for. An id asked for twice is answered
// once, at its first place.
func (c *catalog) BatchGetItems(ctx context.Context, req *pb.BatchGetItemsRequest) (*pb.BatchGetItemsResponse, error) {
	wanted := make([]string, 0, len(req.GetItemIds()))
	place := make(map[string]int, len(req.GetItemIds()))
	for _, id := range req.GetItemIds() {
		if _, twice := place[id]; !twice {
			place[id] = len(wanted)
			wanted = append(wanted, id)
		}
	}
	rows, err := c.s.deps.Catalog.Items(ctx, wanted)
	if err != nil {
		return nil, err
	}
	found := make([]*pb.Item, len(wanted))
	for i := range rows {
		if at, ok := place[rows[i].Item.ItemID]; ok {
			found[at] = itemMessage(&rows[i].Item)
		}
	}
	out := &pb.BatchGetItemsResponse{}
	for i, item := range found {
		if item == nil {
			out.MissingItemIds = append(out.MissingItemIds, wanted[i])
		}
	}
	out.Items = slices.DeleteFunc(found, func(item *pb.Item) bool { return item == nil })
	return out, nil
}
