package server

import (
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/seed-473295a7/vitrine/internal/recsys"
	pb "github.com/seed-473295a7/vitrine/proto/vitrine/v1"
)

// Pages of Recommend and FindSimilarItems, and of the lists of the catalogue.
const (
	defaultPage, maxPage         = 20, 200
	defaultListPage, maxListPage = 50, 1000
)

// pageSize applies the default and the maximum; the rules have refused negative sizes.
func pageSize(wanted int32, byDefault, most int) int {
	if wanted == 0 {
		return byDefault
	}
	return min(int(wanted), most)
}

// actorOf reads the actor oneof that several messages have; zero if it is not set.
func actorOf(m interface {
	GetUserId() string
	GetVisitorId() string
}) recsys.Actor {
	if id := m.GetVisitorId(); id != "" {
		return recsys.Visitor(id)
	}
	return recsys.User(m.GetUserId())
}

// itemOf converts an item without its picture. Slices are shared with the message.
func itemOf(item *pb.Item) recsys.Item {
	return recsys.Item{
		ItemID:        item.GetItemId(),
		Title:         item.GetTitle(),
		Description:   item.GetDescription(),
		Attributes:    attributesOf(item.GetAttributes()),
		AvailableTime: timeOf(item.GetAvailableTime()),
		ExpireTime:    timeOf(item.GetExpireTime()),
		Hidden:        item.GetHidden(),
	}
}

// pictureOf returns the picture's bytes, nil if there is none.
func pictureOf(item *pb.Item) ([]byte, error) {
	if _, remote := item.GetPicture().(*pb.Item_ImageUri); remote {
		return nil, &recsys.FieldError{Field: "item.image_uri", Reason: "pictures are not fetched yet; send the bytes as image", Err: recsys.ErrUnimplemented}
	}
	if image := item.GetImage(); len(image) > 0 {
		return image, nil
	}
	return nil, nil
}

func attributesOf(attributes map[string]*pb.AttributeValue) map[string]recsys.Attribute {
	if len(attributes) == 0 {
		return nil
	}
	out := make(map[string]recsys.Attribute, len(attributes))
	for name, value := range attributes {
		out[name] = attributeOf(value)
	}
	return out
}

// attributeOf converts a value whose kind is set, as the rules require.
func attributeOf(value *pb.AttributeValue) recsys.Attribute {
	switch kind := value.GetKind().(type) {
	case *pb.AttributeValue_Number:
		return recsys.Number(kind.Number)
	case *pb.AttributeValue_Text:
		return recsys.Text(kind.Text)
	}
	return recsys.Labels(value.GetLabels().GetValues()...)
}

// timeOf converts a timestamp, zero if it is absent. The first instant of year 1 is Go's zero
// time, which would read as absent; it becomes the next microsecond, the store's resolution.
func timeOf(ts *timestamppb.Timestamp) time.Time {
	if ts == nil {
		return time.Time{}
	}
	t := ts.AsTime()
	if t.IsZero() {
		return t.Add(time.Microsecond)
	}
	return t
}

func timestampOf(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

// itemMessage converts a stored item; pictures are never returned.
func itemMessage(item *recsys.Item) *pb.Item {
	out := &pb.Item{
		ItemId:        item.ItemID,
		Title:         item.Title,
		Description:   item.Description,
		AvailableTime: timestampOf(item.AvailableTime),
		ExpireTime:    timestampOf(item.ExpireTime),
		Hidden:        item.Hidden,
		CreateTime:    timestampOf(item.CreateTime),
		UpdateTime:    timestampOf(item.UpdateTime),
		HasImage:      len(item.ImageDigest) > 0,
	}
	out.Attributes = attributesMessage(item.Attributes)
	return out
}

func attributesMessage(attributes map[string]recsys.Attribute) map[string]*pb.AttributeValue {
	if len(attributes) == 0 {
		return nil
	}
	out := make(map[string]*pb.AttributeValue, len(attributes))
	for name, value := range attributes {
		out[name] = attributeMessage(value)
	}
	return out
}

func attributeMessage(value recsys.Attribute) *pb.AttributeValue {
	switch value.Kind {
	case recsys.KindNumber:
		return &pb.AttributeValue{Kind: &pb.AttributeValue_Number{Number: value.Number}}
	case recsys.KindText:
		return &pb.AttributeValue{Kind: &pb.AttributeValue_Text{Text: value.Text}}
	}
	return &pb.AttributeValue{Kind: &pb.AttributeValue_Labels{Labels: &pb.Labels{Values: value.Labels}}}
}

func interactionOf(in *pb.Interaction) recsys.Interaction {
	return recsys.Interaction{
		Actor:            actorOf(in),
		ItemID:           in.GetItemId(),
		Type:             recsys.InteractionType(in.GetType()),
		Value:            in.GetValue(),
		EventTime:        timeOf(in.GetEventTime()),
		RecommendationID: in.GetRecommendationId(),
	}
}

func interactionMessage(in *recsys.Interaction) *pb.Interaction {
	out := &pb.Interaction{
		ItemId:           in.ItemID,
		Type:             pb.InteractionType(in.Type),
		EventTime:        timestampOf(in.EventTime),
		RecommendationId: in.RecommendationID,
	}
	if in.Type == recsys.Rating {
		out.Value = &in.Value
	}
	if in.Actor.Visitor {
		out.Actor = &pb.Interaction_VisitorId{VisitorId: in.Actor.ID}
	} else {
		out.Actor = &pb.Interaction_UserId{UserId: in.Actor.ID}
	}
	return out
}
