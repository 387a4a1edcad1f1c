package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
	pb "github.com/seed-473295a7/vitrine/proto/vitrine/v1"
)

type itemStream = grpc.BidiStreamingClient[pb.ImportItemsRequest, pb.ImportItemsResponse]

// importItems opens a stream that ends with the test.
func (b *bundle) importItems(t *testing.T, opts ...grpc.CallOption) itemStream {
	t.Helper()
	stream, err := b.shop.ImportItems(t.Context(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

func row(id string) *pb.ImportItemsRequest { return &pb.ImportItemsRequest{Item: &pb.Item{ItemId: id}} }

// receiveAll reads answers until the stream ends, in good order.
func receiveAll(t *testing.T, stream itemStream) []*pb.ImportItemsResponse {
	t.Helper()
	var out []*pb.ImportItemsResponse
	for {
		answer, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatalf("after %d answers: %v", len(out), err)
		}
		if answer.Index != int64(len(out)) || answer.Status == nil {
			t.Fatalf("answer %d is %v", len(out), answer)
		}
		out = append(out, answer)
	}
}

func TestImportAnswersEveryRow(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.engine.register = func(_ context.Context, items []engine.Registration) []engine.Registered {
		out := make([]engine.Registered, len(items))
		for i, r := range items {
			out[i] = engine.Registered{Item: r.Item, Created: r.Item.ItemID != "old"}
			if r.Item.ItemID == "broken" {
				out[i].Err = recsys.Invalid("item.image", "is cut short")
			}
		}
		return out
	}
	type answer struct {
		row    []byte
		code   codes.Code
		id     string
		fields []string
	}
	rows := []answer{
		{encode(t, row("new")), codes.OK, "new", nil},
		{broken(t, &pb.ImportItemsRequest{Item: &pb.Item{ItemId: "tongue", Title: "@@@@"}}), codes.InvalidArgument, "tongue", []string{"item.title"}},
		{encode(t, row("old")), codes.OK, "old", nil},
		{[]byte("\x0a\xff"), codes.InvalidArgument, "", nil},
		{encode(t, row("broken")), codes.InvalidArgument, "broken", []string{"item.image"}},
		{encode(t, &pb.ImportItemsRequest{}), codes.InvalidArgument, "", []string{"item"}},
		{encode(t, &pb.ImportItemsRequest{Item: &pb.Item{ItemId: "far", Picture: &pb.Item_ImageUri{ImageUri: "x"}}}), codes.Unimplemented, "far", []string{"item.image_uri"}},
		{encode(t, &pb.ImportItemsRequest{Item: &pb.Item{ItemId: "heavy", Picture: &pb.Item_Image{Image: make([]byte, 45<<20)}}}), codes.InvalidArgument, "heavy", []string{"item.image"}},
	}
	for _, bad := range badItems {
		if strings.HasPrefix(bad.name, "very") || strings.HasPrefix(bad.name, "large") {
			continue
		}
		it := item(bad.change)
		rows = append(rows, answer{encode(t, &pb.ImportItemsRequest{Item: it}), codes.InvalidArgument, it.ItemId, bad.fields})
	}
	rows = append(rows, answer{encode(t, row("last")), codes.OK, "last", nil})

	stream := b.importItems(t, grpc.ForceCodecV2(rawCodec{}))
	go func() {
		for _, row := range rows {
			if err := stream.(*grpc.GenericClientStream[pb.ImportItemsRequest, pb.ImportItemsResponse]).ClientStream.SendMsg(row.row); err != nil {
				t.Error(err)
			}
		}
		if err := stream.CloseSend(); err != nil {
			t.Error(err)
		}
	}()
	got := receiveAll(t, stream)
	if len(got) != len(rows) {
		t.Fatalf("%d answers to %d rows", len(got), len(rows))
	}
	for i, want := range rows {
		st := status.FromProto(got[i].Status)
		if want.code != codes.OK {
			wantStatus(t, st, want.code, want.fields...)
		} else if st.Code() != codes.OK {
			t.Errorf("row %d: %v", i, st)
		}
		if got[i].ItemId != want.id || got[i].Created != (want.id == "new" || want.id == "last") {
			t.Errorf("row %d: %v, want item %q", i, got[i], want.id)
		}
	}
	if ok := testutil.ToFloat64(b.server.metrics.rows.WithLabelValues("vitrine.v1.RecommenderService/ImportItems", "OK")); ok != 3 {
		t.Errorf("%v rows counted as OK, want 3", ok)
	}
}

// While a batch is being committed the next one gathers: all that has arrived, no more than the limit.
func TestImportGathersWhatHasArrived(t *testing.T) {
	t.Parallel()
	b := setup(t)
	entered, proceed := make(chan int), make(chan struct{})
	b.engine.register = func(_ context.Context, items []engine.Registration) []engine.Registered {
		entered <- len(items)
		<-proceed
		return make([]engine.Registered, len(items))
	}
	stream := b.importItems(t)
	if err := stream.Send(row("first")); err != nil {
		t.Fatal(err)
	}
	if n := <-entered; n != 1 { // a lone row is not kept waiting
		t.Errorf("first batch of %d", n)
	}
	const more = 600
	for i := range more {
		if err := stream.Send(row(fmt.Sprint("i", i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	answers := make(chan []*pb.ImportItemsResponse)
	go func() { answers <- receiveAll(t, stream) }()
	close(proceed)
	total, largest := 0, 0
	for total < more {
		n := <-entered
		total, largest = total+n, max(largest, n)
	}
	if largest > 256 {
		t.Errorf("a batch of %d rows", largest)
	}
	if got := <-answers; len(got) != more+1 {
		t.Errorf("%d answers", len(got))
	}
}

// Large rows make small batches, and rows are not received without bound.
func TestImportBoundsItsBytes(t *testing.T) {
	t.Parallel()
	config := DefaultConfig()
	config.MaxBytesInFlight = importWindow
	b := setupWith(t, config)
	const rows, size = 40, 4 << 20
	var mu sync.Mutex
	var batches []int
	b.engine.register = func(_ context.Context, items []engine.Registration) []engine.Registered {
		mu.Lock()
		defer mu.Unlock()
		batches = append(batches, len(items))
		return make([]engine.Registered, len(items))
	}
	stream := b.importItems(t)
	go func() {
		request := &pb.ImportItemsRequest{Item: &pb.Item{ItemId: "a", Picture: &pb.Item_Image{Image: make([]byte, size)}}}
		for range rows {
			if err := stream.Send(request); err != nil {
				t.Error(err)
			}
		}
		if err := stream.CloseSend(); err != nil {
			t.Error(err)
		}
	}()
	if got := receiveAll(t, stream); len(got) != rows {
		t.Errorf("%d answers", len(got))
	}
	for _, n := range batches {
		if n > batchBytes/size+1 {
			t.Errorf("a batch of %d rows of 4 MiB", n)
		}
	}
}

func TestImportStopsWhenCancelled(t *testing.T) {
	t.Parallel()
	b := setup(t)
	entered, left := make(chan struct{}), make(chan error)
	b.engine.register = func(ctx context.Context, items []engine.Registration) []engine.Registered {
		close(entered)
		<-ctx.Done()
		left <- ctx.Err()
		out := make([]engine.Registered, len(items))
		for i := range out {
			out[i].Err = ctx.Err()
		}
		return out
	}
	ctx, cancel := context.WithCancel(t.Context())
	stream, err := b.shop.ImportItems(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if err := stream.Send(row("a")); err != nil {
			t.Fatal(err)
		}
	}
	<-entered
	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("the engine saw %v", err)
	}
	if _, err := stream.Recv(); status.Code(err) != codes.Canceled {
		t.Errorf("the client saw %v", err)
	}
	// setup's cleanup finds that everything was given back.
}

func TestImportTellsWhenTheStoreIsAway(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.engine.record = func(_ context.Context, writes []engine.InteractionWrite) []engine.InteractionResult {
		out := make([]engine.InteractionResult, len(writes))
		for i := range out {
			out[i].Err = fmt.Errorf("dial unix /run/secret: %w", recsys.ErrUnavailable)
		}
		return out
	}
	stream, err := b.shop.ImportInteractions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const rows = 50
	for range rows {
		if err := stream.Send(&pb.ImportInteractionsRequest{Interaction: interaction(nil)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	for i := range int64(rows) {
		answer, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		st := status.FromProto(answer.Status)
		wantStatus(t, st, codes.Unavailable)
		if _, ok := detailOf[*errdetails.RetryInfo](st); !ok || answer.Index != i || strings.Contains(st.Message(), "secret") {
			t.Errorf("answer %v", answer)
		}
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("the stream ended with %v", err)
	}
	if log := b.log.String(); !strings.Contains(log, "/run/secret") || strings.Count(log, "/run/secret") > rows/2 {
		t.Errorf("the log should tell the cause, once a batch:\n%s", log)
	}
}

func TestImportInteractionsInLargeBatches(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var mu sync.Mutex
	var seen []string
	b.engine.record = func(_ context.Context, writes []engine.InteractionWrite) []engine.InteractionResult {
		mu.Lock()
		defer mu.Unlock()
		if len(writes) > 1000 {
			t.Errorf("a batch of %d", len(writes))
		}
		for _, w := range writes {
			seen = append(seen, w.Interaction.ItemID)
		}
		return make([]engine.InteractionResult, len(writes))
	}
	stream, err := b.shop.ImportInteractions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const rows = 5000
	go func() {
		for i := range rows {
			in := interaction(func(in *pb.Interaction) { in.ItemId = fmt.Sprint("i", i) })
			if i%100 == 99 {
				in.Type = 0
			}
			if err := stream.Send(&pb.ImportInteractionsRequest{Interaction: in}); err != nil {
				t.Error(err)
			}
		}
		if err := stream.CloseSend(); err != nil {
			t.Error(err)
		}
	}()
	for i := range int64(rows) {
		answer, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if answer.Index != i || (answer.Status.Code == 0) != (i%100 != 99) {
			t.Fatalf("answer %d is %v", i, answer)
		}
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("the stream ended with %v", err)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(seen) != rows*99/100 || seen[0] != "i0" || seen[len(seen)-1] != "i4998" {
		t.Errorf("the engine got %d rows", len(seen))
	}
}

func TestImportSurvivesAPanic(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.engine.register = func(context.Context, []engine.Registration) []engine.Registered { panic("of the engine") }
	stream := b.importItems(t)
	if err := stream.Send(row("a")); err != nil {
		t.Fatal(err)
	}
	_, err := stream.Recv()
	wantFault(t, err, codes.Internal)
	if log := b.log.String(); !strings.Contains(log, "of the engine") || !strings.Contains(log, "import_test.go") {
		t.Errorf("the log has no stack:\n%s", log)
	}
}

// A panic where rows are received is on a goroutine of its own.
func TestImportSurvivesAPanicWhileReceiving(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.server.rules = nil // every look at a rule panics
	stream, err := b.shop.ImportInteractions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&pb.ImportInteractionsRequest{Interaction: interaction(nil)}); err != nil {
		t.Fatal(err)
	}
	_, err = stream.Recv()
	wantFault(t, err, codes.Internal)
	if log := b.log.String(); !strings.Contains(log, "nil pointer") {
		t.Errorf("the log does not tell:\n%s", log)
	}
}
