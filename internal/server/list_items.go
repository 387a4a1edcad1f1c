package server

import (
	"context"

	"google.golang.org/protobuf/proto"

	pb "github.com/seed-473295a7/vitrine/proto/vitrine/v1"
)

// pageBytes ends a page of items early: gRPC clients accept 4 MiB unless told otherwise, and an
// item may hold several megabytes of text. A page has at least one item.
const pageBytes = 3 << 20

// ListItems pages through all items by item_id.
func (c *catalog) ListItems(ctx context.Context, req *pb.ListItemsRequest) (*pb.ListItemsResponse, error) {
	list := listName(pb.CatalogService_ListItems_FullMethodName)
	after, err := itemsAfter(list, req.GetPageToken())
	if err != nil {
		return nil, err
	}
	size := pageSize(req.GetPageSize(), defaultListPage, maxListPage)
	rows, err := c.s.deps.Catalog.ListItems(ctx, after, size+1) // one more tells whether there is a next page
	if err != nil {
		return nil, err
	}
	out := &pb.ListItemsResponse{}
	bytes := 0
	for i := range rows {
		item := itemMessage(&rows[i].Item)
		bytes += proto.Size(item)
		if i == size || bytes > pageBytes && i > 0 {
			out.NextPageToken = writeToken(list, []byte(rows[i-1].Item.ItemID))
			break
		}
		out.Items = append(out.Items, item)
	}
	return out, nil
}
