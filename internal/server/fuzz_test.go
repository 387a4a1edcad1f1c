package server

import (
	"errors"
	"log/slog"
	"math"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/seed-473295a7/vitrine/internal/recsys"
	pb "github.com/seed-473295a7/vitrine/proto/vitrine/v1"
)

// offline is a server that serves nobody, for what needs no connection.
func offline(t testing.TB) *Server {
	t.Helper()
	s, err := New(DefaultConfig(), Deps{Engine: &fakeEngine{}, Catalog: &fakeCatalog{}, Registry: prometheus.NewRegistry(),
		Log: slog.New(slog.DiscardHandler), Clock: func() time.Time { return testTime }})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// FuzzRegisterItem takes bytes the way of a request: whatever they are, they are refused as
// invalid or become an item that keeps every limit.
func FuzzRegisterItem(f *testing.F) {
	f.Add(encode(f, namedRequest()))
	f.Add(encode(f, &pb.RegisterItemRequest{Item: &pb.Item{ItemId: "x", Picture: &pb.Item_ImageUri{ImageUri: "y"}}}))
	for _, bad := range badItems[:25] {
		if body := encode(f, &pb.RegisterItemRequest{Item: item(bad.change)}); len(body) < 10_000 {
			f.Add(body)
		}
	}
	f.Add([]byte("\x0a\x04\x0a\x02\xff\xff"))
	s := offline(f)
	c := newCodec(s.rules.wire, &s.faults)
	f.Fuzz(func(t *testing.T, body []byte) {
		request := new(pb.RegisterItemRequest)
		if err := c.Unmarshal(mem.BufferSlice{mem.SliceBuffer(body)}, request); err != nil {
			t.Fatal(err)
		}
		if err := s.inspect(request); err != nil {
			if !errors.Is(err, recsys.ErrInvalid) || statusOf(err, "").Err() == nil {
				t.Fatalf("refused with %v", err)
			}
			return
		}
		got, err := registrationOf(registerItem, request)
		if err != nil {
			if len(faultsOf(err)) == 0 {
				t.Fatalf("refused with %v", err)
			}
			return
		}
		checkItem(t, got.Item)
		message := itemMessage(&got.Item)
		again := itemOf(message)
		checkItem(t, again)
	})
}

func checkItem(t *testing.T, it recsys.Item) {
	t.Helper()
	if n := len(it.ItemID); n == 0 || n > maxItemIDBytes || !utf8.ValidString(it.ItemID+it.Title+it.Description) || len(it.Attributes) > maxAttributes {
		t.Fatalf("item %+v", it)
	}
	for name, attribute := range it.Attributes {
		if math.IsNaN(attribute.Number) || math.IsInf(attribute.Number, 0) || !utf8.ValidString(name+attribute.Text) || attribute.Kind == 0 {
			t.Fatalf("attribute %q: %+v", name, attribute)
		}
	}
	if !it.AvailableTime.IsZero() && !it.ExpireTime.IsZero() && it.ExpireTime.Before(it.AvailableTime) {
		t.Fatalf("available from %v to %v", it.AvailableTime, it.ExpireTime)
	}
}

// FuzzRecordInteraction does the same for interactions.
func FuzzRecordInteraction(f *testing.F) {
	f.Add(encode(f, &pb.RecordInteractionRequest{Interaction: interaction(func(in *pb.Interaction) { in.EventTime = timestamppb.New(testTime) }), RequestId: someID}))
	for _, bad := range badInteractions {
		f.Add(encode(f, &pb.RecordInteractionRequest{Interaction: interaction(bad.change)}))
	}
	s := offline(f)
	c := newCodec(s.rules.wire, &s.faults)
	f.Fuzz(func(t *testing.T, body []byte) {
		request := new(pb.RecordInteractionRequest)
		if err := c.Unmarshal(mem.BufferSlice{mem.SliceBuffer(body)}, request); err != nil {
			t.Fatal(err)
		}
		if err := s.inspect(request); err != nil {
			if !errors.Is(err, recsys.ErrInvalid) {
				t.Fatalf("refused with %v", err)
			}
			return
		}
		write, err := interactionWriteOf(recordInteraction, request)
		if err != nil {
			return
		}
		in := write.Interaction
		if in.Actor.IsZero() || in.ItemID == "" || in.Type < recsys.View || in.Type > recsys.Hide || !(in.Value >= 0 && in.Value <= 5) ||
			in.Value != 0 && in.Type != recsys.Rating || in.EventTime.After(testTime.Add(5*time.Minute)) {
			t.Fatalf("interaction %+v", in)
		}
	})
}
