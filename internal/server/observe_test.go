package server

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
	pb "github.com/seed-473295a7/vitrine/proto/vitrine/v1"
)

func TestPanicIsInternalAndLogged(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.engine.recommend = func(context.Context, engine.RecommendQuery) (engine.Recommendations, error) { panic("at the disco") }
	_, err := b.shop.Recommend(t.Context(), &pb.RecommendRequest{})
	wantFault(t, err, codes.Internal)
	st := status.Convert(err)
	info, _ := detailOf[*errdetails.ErrorInfo](st)
	log := b.log.String()
	if strings.Contains(st.Proto().String(), "disco") || !strings.Contains(log, "at the disco") || !strings.Contains(log, "observe_test.go") {
		t.Errorf("status %v, log\n%s", st, log)
	}
	if call := info.Metadata["call"]; call == "" || !strings.Contains(log, call) {
		t.Errorf("the log does not have call %q", call)
	}
	b.engine.recommend = nil
	if _, err := b.shop.Recommend(t.Context(), &pb.RecommendRequest{}); err != nil {
		t.Errorf("after the panic: %v", err)
	}
}

func TestUnknownErrorIsLoggedNotTold(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.catalog.fail(errors.New("SQLSTATE 42P01"))
	_, err := b.shelf.ListItems(t.Context(), &pb.ListItemsRequest{})
	wantFault(t, err, codes.Internal)
	if strings.Contains(err.Error(), "SQLSTATE") || strings.Count(b.log.String(), "SQLSTATE 42P01") != 1 {
		t.Errorf("error %v, log\n%s", err, b.log)
	}
}

func TestCallsAreCounted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, size := range []int32{1, 2, -1} {
		_, _ = b.shop.Recommend(t.Context(), &pb.RecommendRequest{PageSize: size})
	}
	const method = "vitrine.v1.RecommenderService/Recommend"
	for code, want := range map[string]float64{"OK": 2, "InvalidArgument": 1} {
		if got := testutil.ToFloat64(b.server.metrics.requests.WithLabelValues(method, code)); got != want {
			t.Errorf("%s: %v calls, want %v", code, got, want)
		}
	}
	if n, err := testutil.GatherAndCount(b.registry, "vitrine_request_seconds"); err != nil || n != 1 {
		t.Errorf("%d histograms, %v", n, err)
	}
}

func TestDeadlines(t *testing.T) {
	t.Parallel()
	config := DefaultConfig()
	config.Timeout = time.Hour
	b := setupWith(t, config)
	var deadline time.Time
	b.engine.recommend = func(ctx context.Context, _ engine.RecommendQuery) (engine.Recommendations, error) {
		deadline, _ = ctx.Deadline()
		return engine.Recommendations{}, ctx.Err()
	}
	if _, err := b.shop.Recommend(t.Context(), &pb.RecommendRequest{}); err != nil {
		t.Fatal(err)
	}
	if deadline.IsZero() {
		t.Error("a call without deadline got none")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	if _, err := b.shop.Recommend(ctx, &pb.RecommendRequest{}); err != nil {
		t.Fatal(err)
	}
	if until, _ := ctx.Deadline(); deadline.After(until.Add(time.Minute)) {
		t.Error("the client's deadline was replaced")
	}
}

// What fails because the call has ended is told as that, whatever the store makes of it.
func TestEndOfTheCallComesFirst(t *testing.T) {
	t.Parallel()
	config := DefaultConfig()
	config.Timeout = time.Nanosecond
	b := setupWith(t, config)
	b.engine.recommend = func(ctx context.Context, _ engine.RecommendQuery) (engine.Recommendations, error) {
		<-ctx.Done()
		return engine.Recommendations{}, fmt.Errorf("no connection: %w", recsys.ErrUnavailable)
	}
	_, err := b.shop.Recommend(t.Context(), &pb.RecommendRequest{})
	wantFault(t, err, codes.DeadlineExceeded)
}

func TestBytesInFlightAreBounded(t *testing.T) {
	t.Parallel()
	config := DefaultConfig()
	config.MaxBytesInFlight = importWindow
	b := setupWith(t, config)
	entered, proceed := make(chan struct{}), make(chan struct{})
	b.engine.register = func(_ context.Context, items []engine.Registration) []engine.Registered {
		entered <- struct{}{}
		<-proceed
		return []engine.Registered{{Item: items[0].Item}}
	}
	large := &pb.RegisterItemRequest{Item: item(func(it *pb.Item) { it.Picture = &pb.Item_Image{Image: make([]byte, 12<<20)} })}
	done := make(chan error)
	for range 2 {
		go func() {
			_, err := b.shop.RegisterItem(t.Context(), large)
			done <- err
		}()
		<-entered
	}
	_, err := b.shop.RegisterItem(t.Context(), large)
	wantFault(t, err, codes.ResourceExhausted)
	if _, ok := detailOf[*errdetails.RetryInfo](status.Convert(err)); !ok {
		t.Error("no RetryInfo")
	}
	if _, err := b.shop.Recommend(t.Context(), &pb.RecommendRequest{}); err != nil {
		t.Errorf("a small message was refused: %v", err)
	}
	close(proceed)
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
