package server

import (
	"slices"
	"testing"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"buf.build/go/protovalidate"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
	pb "github.com/seed-473295a7/vitrine/proto/vitrine/v1"
)

// eachField calls f for every field of the requests, with its path.
func eachField(visit func(path string, field protoreflect.FieldDescriptor)) {
	var walk func(prefix string, message protoreflect.MessageDescriptor)
	walk = func(prefix string, message protoreflect.MessageDescriptor) {
		for i := range message.Fields().Len() {
			field := message.Fields().Get(i)
			path := prefix + string(field.Name())
			visit(path, field)
			if inner := field.Message(); inner != nil && inner.ParentFile().Package() == "vitrine.v1" {
				walk(path+".", inner)
			}
		}
	}
	for _, request := range requestTypes() {
		walk("", request)
	}
}

func isOutputOnly(field protoreflect.FieldDescriptor) bool {
	behaviours, _ := proto.GetExtension(field.Options(), annotations.E_FieldBehavior).([]annotations.FieldBehavior)
	return slices.Contains(behaviours, annotations.FieldBehavior_OUTPUT_ONLY)
}

// badTimestamps names fields one by one; this test finds one that a new request brings.
func TestEveryTimestampIsChecked(t *testing.T) {
	t.Parallel()
	known := []string{"item.available_time", "item.expire_time", "interaction.event_time", "as_of_time"}
	met := make(map[string]bool)
	eachField(func(path string, field protoreflect.FieldDescriptor) {
		if field.Message() == nil || field.Message().FullName() != "google.protobuf.Timestamp" || isOutputOnly(field) {
			return
		}
		met[path] = true
		if !slices.Contains(known, path) {
			t.Errorf("%s is not checked by badTimestamps", path)
		}
	})
	if len(met) != len(known) {
		t.Errorf("met %v, want %v", met, known)
	}
}

// The tables that put rules into words must know every rule there is, and no other.
func TestRulesAreInWords(t *testing.T) {
	t.Parallel()
	patterns, messageRules := make(map[string]bool), make(map[string]bool)
	eachField(func(path string, field protoreflect.FieldDescriptor) {
		rules, err := protovalidate.ResolveFieldRules(field)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range []*validate.FieldRules{rules, rules.GetRepeated().GetItems(), rules.GetMap().GetKeys()} {
			if pattern := r.GetString().GetPattern(); pattern != "" {
				patterns[pattern] = true
				if patternWords[pattern] == "" {
					t.Errorf("%s: pattern %s has no words", path, pattern)
				}
			}
		}
		if message := field.ContainingMessage(); message != nil {
			own, err := protovalidate.ResolveMessageRules(message)
			if err != nil {
				t.Fatal(err)
			}
			for _, rule := range own.GetCel() {
				messageRules[rule.GetId()] = true
				name := protoreflect.Name(ruleFields[rule.GetId()])
				if message.Fields().ByName(name) == nil {
					t.Errorf("%s: rule %s is about no field", message.FullName(), rule.GetId())
				}
			}
		}
	})
	if len(patterns) != len(patternWords) || len(messageRules) != len(ruleFields) {
		t.Errorf("met patterns %v and rules %v, want as many as have words", patterns, messageRules)
	}
}

// What an update must check by itself is what the rules of Item say.
func TestLimitsEqualTheRules(t *testing.T) {
	t.Parallel()
	fields := (&pb.Item{}).ProtoReflect().Descriptor().Fields()
	attributes, err := protovalidate.ResolveFieldRules(fields.ByName("attributes"))
	if err != nil {
		t.Fatal(err)
	}
	id, err := protovalidate.ResolveFieldRules(fields.ByName("item_id"))
	if err != nil {
		t.Fatal(err)
	}
	if got := attributes.GetMap().GetMaxPairs(); got != maxAttributes {
		t.Errorf("max_pairs %d, want %d", got, maxAttributes)
	}
	if got := attributes.GetMap().GetKeys().GetString().GetMaxBytes(); got != maxAttributeName {
		t.Errorf("max_bytes of a name %d, want %d", got, maxAttributeName)
	}
	if got := id.GetString().GetMaxBytes(); got != maxItemIDBytes {
		t.Errorf("max_bytes of item_id %d, want %d", got, maxItemIDBytes)
	}
}

// Enumerations are converted by number.
func TestEnumerationsAgree(t *testing.T) {
	t.Parallel()
	for value, name := range pb.InteractionType_name {
		if value > 0 && "INTERACTION_TYPE_"+recsys.InteractionType(value).String() != name {
			t.Errorf("%s is %v", name, recsys.InteractionType(value))
		}
	}
	for strategy, want := range map[engine.Strategy]pb.Strategy{
		engine.StrategyBlend:      pb.Strategy_STRATEGY_BLEND,
		engine.StrategySimilarity: pb.Strategy_STRATEGY_SIMILARITY,
		engine.StrategyPopular:    pb.Strategy_STRATEGY_POPULAR,
	} {
		if pb.Strategy(strategy) != want {
			t.Errorf("strategy %d is %v, want %v", strategy, pb.Strategy(strategy), want)
		}
	}
	for reason, want := range map[engine.FallbackReason]pb.FallbackReason{
		engine.FallbackNone:             pb.FallbackReason_FALLBACK_REASON_UNSPECIFIED,
		engine.FallbackNoUser:           pb.FallbackReason_FALLBACK_REASON_NO_USER,
		engine.FallbackUnknownUser:      pb.FallbackReason_FALLBACK_REASON_UNKNOWN_USER,
		engine.FallbackNoFactorModel:    pb.FallbackReason_FALLBACK_REASON_NO_FACTOR_MODEL,
		engine.FallbackStoreUnavailable: pb.FallbackReason_FALLBACK_REASON_STORE_UNAVAILABLE,
		engine.FallbackEmptyCatalog:     pb.FallbackReason_FALLBACK_REASON_EMPTY_CATALOG,
		engine.FallbackExhausted:        pb.FallbackReason_FALLBACK_REASON_EXHAUSTED,
	} {
		if pb.FallbackReason(reason) != want {
			t.Errorf("fallback reason %d is %v, want %v", reason, pb.FallbackReason(reason), want)
		}
	}
}
