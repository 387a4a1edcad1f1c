package server

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/seed-473295a7/vitrine/internal/recsys"
	pb "github.com/seed-473295a7/vitrine/proto/vitrine/v1"
)

// rules are the compiled rules of the .proto files. Safe for concurrent use.
type rules struct {
	validator protovalidate.Validator
	wire      map[protoreflect.FullName]*wireMessage
}

func newRules(clock func() time.Time) (*rules, error) {
	requests := requestTypes()
	validator, err := protovalidate.New(
		protovalidate.WithMessageDescriptors(requests...),
		protovalidate.WithDisableLazy(),
		protovalidate.WithNowFunc(func() *timestamppb.Timestamp { return timestamppb.New(clock()) }))
	if err != nil {
		return nil, err
	}
	wire, err := newWireTable(requests)
	if err != nil {
		return nil, err
	}
	return &rules{validator: validator, wire: wire}, nil
}

// requestTypes are the messages that calls of this package's services receive.
func requestTypes() []protoreflect.MessageDescriptor {
	var out []protoreflect.MessageDescriptor
	for _, file := range []protoreflect.FileDescriptor{pb.File_vitrine_v1_recommender_proto, pb.File_vitrine_v1_catalog_proto,
		pb.File_vitrine_v1_model_proto, pb.File_vitrine_v1_feature_proto} {
		for i := range file.Services().Len() {
			methods := file.Services().Get(i).Methods()
			for j := range methods.Len() {
				out = append(out, methods.Get(j).Input())
			}
		}
	}
	return out
}

// listable is how many elements of lists and maps a message may have for all its faults to be
// told. A fault costs about 5 µs and every element may have one: refusing 256 attributes of 256
// labels took .3 s, of which a client reads the first twenty.
const listable = 2000

// check reports every rule a request breaks, ascending by field; of a message with more than
// listable elements the first found. Messages of other services have no rules.
func (r *rules) check(m proto.Message) error {
	if r.wire[m.ProtoReflect().Descriptor().FullName()] == nil {
		return nil
	}
	found := badTimestamps(m)
	err := r.validator.Validate(m, protovalidate.WithFailFast())
	few := err != nil && elements(m.ProtoReflect()) <= listable
	if few {
		err = r.validator.Validate(m)
	}
	broken, ok := errors.AsType[*protovalidate.ValidationError](err)
	switch {
	case ok:
		for _, v := range broken.Violations {
			found = append(found, violation(v))
		}
		if !few {
			found[len(found)-1].Reason += "; there may be more, the message is too large to list all"
		}
	case err != nil && len(found) == 0: // a rule stumbles over a timestamp that is none
		return fmt.Errorf("check the rules of %s: %w", m.ProtoReflect().Descriptor().FullName(), err)
	}
	found.sort()
	return found.err()
}

// elements counts the elements of all lists and maps in a message.
func elements(m protoreflect.Message) int {
	n := 0
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		switch {
		case field.IsMap():
			n += value.Map().Len()
			if field.MapValue().Message() != nil {
				value.Map().Range(func(_ protoreflect.MapKey, value protoreflect.Value) bool {
					n += elements(value.Message())
					return true
				})
			}
		case field.IsList():
			n += value.List().Len()
			for i := 0; field.Message() != nil && i < value.List().Len(); i++ {
				n += elements(value.List().Get(i).Message())
			}
		case field.Message() != nil:
			n += elements(value.Message())
		}
		return true
	})
	return n
}

// badTimestamps finds timestamps outside the years 1 to 9999 or with nanoseconds outside a
// second, which no rule can express and conversions would take for another time.
func badTimestamps(m proto.Message) faults {
	type named struct {
		field string
		value *timestamppb.Timestamp
	}
	var stamps []named
	if m, ok := m.(interface{ GetItem() *pb.Item }); ok {
		stamps = append(stamps, named{"item.available_time", m.GetItem().GetAvailableTime()}, named{"item.expire_time", m.GetItem().GetExpireTime()})
	}
	if m, ok := m.(interface{ GetInteraction() *pb.Interaction }); ok {
		stamps = append(stamps, named{"interaction.event_time", m.GetInteraction().GetEventTime()})
	}
	if m, ok := m.(interface{ GetAsOfTime() *timestamppb.Timestamp }); ok {
		stamps = append(stamps, named{"as_of_time", m.GetAsOfTime()})
	}
	var found faults
	for _, s := range stamps {
		if s.value != nil && s.value.CheckValid() != nil {
			found = append(found, recsys.Invalid(s.field,
				"must lie between 0001-01-01T00:00:00Z and 9999-12-31T23:59:59.999999999Z, has %d s and %d ns", s.value.Seconds, s.value.Nanos))
		}
	}
	return found
}

// ruleFields names the field that a rule over a whole message is about.
var ruleFields = map[string]string{
	"item.expire_after_available": "expire_time",
	"interaction.value":           "value",
	"find_similar_items.query":    "item_id",
	"list_interactions.of":        "item_id",
	"get_user_features.actors":    "user_ids",
}

// patternWords says a pattern in words.
var patternWords = map[string]string{
	`^\P{Cc}*$`:     "must not contain control characters",
	`^[^\x00]*$`:    "must not contain the character NUL",
	`^[a-z0-9_-]*$`: "may contain a-z, 0-9, _ and - only",

	`^(space-[1-9][0-9]{0,17})?$`: "must read like space-7",
	`^(model-[1-9][0-9]{0,17})?$`: "must read like model-7",
	`^[^\p{Cc}/\\]*$`:             "must not contain slashes and control characters",
	`^run-[1-9][0-9]{0,17}$`:      "must be the name of a run, such as run-7",
	`^space-[1-9][0-9]{0,17}$`:    "must be the name of an embedding space, such as space-7",
	`^model-[1-9][0-9]{0,17}$`:    "must be the name of a factor model, such as model-7",
}

func violation(v *protovalidate.Violation) *recsys.FieldError {
	field := protovalidate.FieldPathString(v.Proto.GetField())
	if name, ok := ruleFields[v.Proto.GetRuleId()]; ok {
		field = strings.TrimPrefix(field+"."+name, ".")
	}
	reason := v.Proto.GetMessage()
	if v.Proto.GetRuleId() == "string.pattern" && v.RuleValue.IsValid() {
		if words, ok := patternWords[v.RuleValue.String()]; ok {
			reason = words
		}
	}
	return &recsys.FieldError{Field: field, Reason: reason + got(v)}
}

// got adds the value where it is short and says what the rule cannot: numbers and lengths.
func got(v *protovalidate.Violation) string {
	if !v.FieldValue.IsValid() || v.Proto.GetRuleId() == "required" {
		return ""
	}
	switch value := v.FieldValue.Interface().(type) {
	case int32, int64, float64, protoreflect.EnumNumber:
		return fmt.Sprintf(", got %v", value)
	case string:
		if strings.HasSuffix(v.Proto.GetRuleId(), "_bytes") {
			return fmt.Sprintf(", has %d", len(value))
		}
	case []byte:
		return fmt.Sprintf(", has %d", len(value))
	case protoreflect.Map:
		return fmt.Sprintf(", has %d", value.Len())
	case protoreflect.List:
		if !strings.HasSuffix(v.Proto.GetRuleId(), "unique") {
			return fmt.Sprintf(", has %d", value.Len())
		}
	}
	return ""
}
