package server

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
	pb "github.com/seed-473295a7/vitrine/proto/vitrine/v1"
)

const (
	maxAttributes     = 256 // as the rule of Item.attributes; an update may add to what is stored
	maxAttributeName  = 128
	maxMaskPaths      = 1000
	attributePathRoot = "attributes."
)

// UpdateItem changes the named fields of an item.
func (c *catalog) UpdateItem(ctx context.Context, req *pb.UpdateItemRequest) (*pb.UpdateItemResponse, error) {
	update, err := updateOf(req)
	if err != nil {
		return nil, err
	}
	if update.Request, err = requestID(pb.CatalogService_UpdateItem_FullMethodName, req); err != nil {
		return nil, err
	}
	done, err := c.s.deps.Engine.UpdateItem(ctx, update)
	if err != nil {
		if errors.Is(err, recsys.ErrConflict) && len(faultsOf(err)) == 0 {
			return nil, errLostRace // not the request id: others wrote the item each time
		}
		return nil, unregistered(err, "item.item_id")
	}
	return &pb.UpdateItemResponse{Item: itemMessage(&done.Item)}, nil
}

// edit changes one field of a copy of the stored item.
type edit func(*recsys.Item)

// updateOf reads item and mask. Every path that names nothing changeable is a fault.
func updateOf(req *pb.UpdateItemRequest) (engine.ItemUpdate, error) {
	paths, err := maskPaths(req.GetItem(), req.GetUpdateMask())
	if err != nil {
		return engine.ItemUpdate{}, err
	}
	update := engine.ItemUpdate{ItemID: req.GetItem().GetItemId()}
	values := itemOf(req.GetItem())
	var edits []edit
	var unknown faults
	for _, path := range paths {
		if path == "image" || path == "image_uri" {
			if update.Image, err = pictureOf(req.GetItem()); err != nil {
				return engine.ItemUpdate{}, err
			}
			update.ImageSet = true
			continue
		}
		change := editOf(path, &values)
		if change == nil {
			unknown = append(unknown, recsys.Invalid("update_mask",
				"names %q; can be changed: title, description, image, attributes, attributes.NAME, available_time, expire_time, hidden", clip(path, 80)))
			continue
		}
		edits = append(edits, change)
	}
	update.Change = func(item *recsys.Item) error { return applyEdits(item, edits) }
	return update, unknown.err()
}

// maskPaths are the paths of the mask, or every field that is set in item if there are none.
func maskPaths(item *pb.Item, mask *fieldmaskpb.FieldMask) ([]string, error) {
	if paths := mask.GetPaths(); len(paths) > maxMaskPaths {
		return nil, recsys.Invalid("update_mask", "must name at most %d fields, has %d", maxMaskPaths, len(paths))
	} else if len(paths) > 0 {
		return paths, nil
	}
	var paths []string
	for _, field := range []struct {
		path string
		set  bool
	}{
		{"title", item.GetTitle() != ""},
		{"description", item.GetDescription() != ""},
		{"image", item.GetPicture() != nil},
		{"attributes", len(item.GetAttributes()) > 0},
		{"available_time", item.GetAvailableTime() != nil},
		{"expire_time", item.GetExpireTime() != nil},
		{"hidden", item.GetHidden()},
	} {
		if field.set {
			paths = append(paths, field.path)
		}
	}
	return paths, nil
}

// editOf returns the change that a path other than the picture's asks for, nil if it names
// nothing that can be changed. What is named and absent in values is cleared.
func editOf(path string, values *recsys.Item) edit {
	switch path {
	case "title":
		return func(item *recsys.Item) { item.Title = values.Title }
	case "description":
		return func(item *recsys.Item) { item.Description = values.Description }
	case "attributes":
		return func(item *recsys.Item) { item.Attributes = values.Attributes }
	case "available_time":
		return func(item *recsys.Item) { item.AvailableTime = values.AvailableTime }
	case "expire_time":
		return func(item *recsys.Item) { item.ExpireTime = values.ExpireTime }
	case "hidden":
		return func(item *recsys.Item) { item.Hidden = values.Hidden }
	}
	name, ok := strings.CutPrefix(path, attributePathRoot)
	if !ok || name == "" || len(name) > maxAttributeName {
		return nil
	}
	value, set := values.Attributes[name]
	return func(item *recsys.Item) {
		attributes := maps.Clone(item.Attributes) // stored items share theirs
		switch {
		case !set:
			delete(attributes, name)
		case attributes == nil:
			attributes = map[string]recsys.Attribute{name: value}
		default:
			attributes[name] = value
		}
		item.Attributes = attributes
	}
}

// applyEdits changes an item and checks what the rules could not see: the item as a whole.
func applyEdits(item *recsys.Item, edits []edit) error {
	for _, change := range edits {
		change(item)
	}
	var broken faults
	if !item.AvailableTime.IsZero() && !item.ExpireTime.IsZero() && !item.ExpireTime.After(item.AvailableTime) {
		broken = append(broken, recsys.Invalid("item.expire_time", "must lie after available_time; the item would be available from %s and expire at %s",
			item.AvailableTime.Format(timeLayout), item.ExpireTime.Format(timeLayout)))
	}
	if n := len(item.Attributes); n > maxAttributes {
		broken = append(broken, recsys.Invalid("item.attributes", "must have at most %d entries; the item would have %d", maxAttributes, n))
	}
	if err := broken.err(); err != nil {
		return fmt.Errorf("update item %q: %w", item.ItemID, err)
	}
	return nil
}

// timeLayout is how a time is told: RFC 3339 in UTC, as JSON has timestamps.
const timeLayout = "2006-01-02T15:04:05.999999999Z"
