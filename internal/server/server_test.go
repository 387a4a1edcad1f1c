package server

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
	pb "github.com/seed-473295a7/vitrine/proto/vitrine/v1"
)

func (b *bundle) healthOf(t *testing.T, service string) healthpb.HealthCheckResponse_ServingStatus {
	t.Helper()
	got, err := healthpb.NewHealthClient(b.conn).Check(t.Context(), &healthpb.HealthCheckRequest{Service: service})
	if err != nil {
		t.Fatal(err)
	}
	return got.Status
}

func TestHealthFollowsReadiness(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, ready := range []bool{true, false, true} {
		b.server.SetReady(ready)
		want := healthpb.HealthCheckResponse_NOT_SERVING
		if ready {
			want = healthpb.HealthCheckResponse_SERVING
		}
		for _, service := range []string{"", "vitrine.v1.RecommenderService", "vitrine.v1.CatalogService"} {
			if got := b.healthOf(t, service); got != want {
				t.Errorf("%q is %v, want %v", service, got, want)
			}
		}
		if _, err := b.shop.Recommend(t.Context(), &pb.RecommendRequest{}); err != nil {
			t.Errorf("ready %v: %v", ready, err)
		}
	}
	_, err := healthpb.NewHealthClient(b.conn).Check(t.Context(), &healthpb.HealthCheckRequest{Service: "none"})
	wantFault(t, err, codes.NotFound)
}

func TestCallsWaitForTheFirstReadiness(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.server.opened.Store(false) // as it is before the first SetReady(true)
	_, err := b.shop.Recommend(t.Context(), &pb.RecommendRequest{})
	wantFault(t, err, codes.Unavailable)
	if _, ok := detailOf[*errdetails.RetryInfo](status.Convert(err)); !ok {
		t.Error("no RetryInfo")
	}
	stream := b.importItems(t)
	_, err = stream.Recv()
	wantFault(t, err, codes.Unavailable)
	b.server.SetReady(false)
	if got := b.healthOf(t, ""); got != healthpb.HealthCheckResponse_NOT_SERVING {
		t.Errorf("health is %v", got)
	}
	if calls := b.engine.callNames(); len(calls) > 0 {
		t.Errorf("the engine was asked: %v", calls)
	}
}

func TestReflectionListsTheServices(t *testing.T) {
	t.Parallel()
	b := setup(t)
	stream, err := reflectionpb.NewServerReflectionClient(b.conn).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{}}); err != nil {
		t.Fatal(err)
	}
	got, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, service := range got.GetListServicesResponse().GetService() {
		names = append(names, service.Name)
	}
	for _, want := range []string{"vitrine.v1.RecommenderService", "vitrine.v1.CatalogService", "grpc.health.v1.Health"} {
		if !slices.Contains(names, want) {
			t.Errorf("%s is missing from %v", want, names)
		}
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("the stream ended with %v", err)
	}
}

// A call that runs is answered, an import ends after the rows it has received, a health watch
// does not hold anything up.
func TestShutdownDrains(t *testing.T) {
	t.Parallel()
	b := setup(t)
	entered, proceed := make(chan struct{}), make(chan struct{})
	b.engine.recommend = func(context.Context, engine.RecommendQuery) (engine.Recommendations, error) {
		entered <- struct{}{}
		<-proceed
		return engine.Recommendations{RecommendationID: "in time"}, nil
	}
	answered := make(chan error, 1)
	go func() {
		got, err := b.shop.Recommend(t.Context(), &pb.RecommendRequest{})
		if err == nil && got.RecommendationId != "in time" {
			err = errors.New("another answer")
		}
		answered <- err
	}()
	<-entered
	watch, err := healthpb.NewHealthClient(b.conn).Watch(t.Context(), &healthpb.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := watch.Recv(); err != nil {
		t.Fatal(err)
	}
	stream := b.importItems(t)
	if err := stream.Send(row("a")); err != nil {
		t.Fatal(err)
	}
	if answer, err := stream.Recv(); err != nil || answer.Status.Code != 0 {
		t.Fatal(answer, err)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- b.server.Shutdown(t.Context()) }()
	_, err = stream.Recv()
	wantFault(t, err, codes.Unavailable)
	for {
		if _, err = watch.Recv(); err != nil {
			break // perhaps after a last NOT_SERVING
		}
	}
	close(proceed)
	if err := <-answered; err != nil {
		t.Error(err)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if _, err := b.shop.Recommend(t.Context(), &pb.RecommendRequest{}); status.Code(err) != codes.Unavailable {
		t.Errorf("after the shutdown: %v", err)
	}
}

func TestShutdownIsBounded(t *testing.T) {
	t.Parallel()
	b := setup(t)
	entered := make(chan struct{})
	b.engine.recommend = func(ctx context.Context, _ engine.RecommendQuery) (engine.Recommendations, error) {
		close(entered)
		<-ctx.Done()
		return engine.Recommendations{}, ctx.Err()
	}
	answered := make(chan error, 1)
	go func() {
		_, err := b.shop.Recommend(t.Context(), &pb.RecommendRequest{})
		answered <- err
	}()
	<-entered
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.server.Shutdown(over); !errors.Is(err, context.Canceled) {
		t.Errorf("shutdown says %v", err)
	}
	if err := <-answered; err == nil {
		t.Error("the call was answered")
	}
}

func (b *bundle) get(t *testing.T, path string) (code int, body string) {
	t.Helper()
	recorder := httptest.NewRecorder()
	b.server.HTTPHandler().ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	return recorder.Code, recorder.Body.String()
}

func TestHTTP(t *testing.T) {
	t.Parallel()
	b := setup(t)
	if _, err := b.shop.Recommend(t.Context(), &pb.RecommendRequest{}); err != nil {
		t.Fatal(err)
	}
	if code, body := b.get(t, "/metrics"); code != http.StatusOK ||
		!strings.Contains(body, `vitrine_requests_total{code="OK",method="vitrine.v1.RecommenderService/Recommend"} 1`) ||
		!strings.Contains(body, "vitrine_request_seconds_bucket") {
		t.Errorf("metrics: %d %s", code, body)
	}
	wantHealth := func(path string, code int, status string) {
		t.Helper()
		got, body := b.get(t, path)
		var health healthBody
		if err := json.Unmarshal([]byte(body), &health); err != nil {
			t.Fatalf("%s: %v in %q", path, err, body)
		}
		if got != code || health.Status != status || (health.Reason == "") != (code == http.StatusOK) || strings.Contains(body, "secret") {
			t.Errorf("%s: %d %s", path, got, body)
		}
	}
	wantHealth("/healthz", http.StatusOK, "alive")
	wantHealth("/readyz", http.StatusOK, "ready")
	b.catalog.fail(errors.New("dial unix /run/secret"))
	wantHealth("/readyz", http.StatusServiceUnavailable, "not ready")
	wantHealth("/healthz", http.StatusOK, "alive")
	b.catalog.fail(nil)
	b.server.SetReady(false)
	wantHealth("/readyz", http.StatusServiceUnavailable, "not ready")
	if code, _ := b.get(t, "/"); code != http.StatusNotFound {
		t.Errorf("/: %d", code)
	}
	server := NewHTTPServer(b.server.HTTPHandler())
	if server.ReadHeaderTimeout <= 0 || server.ReadTimeout <= 0 || server.WriteTimeout <= 0 || server.IdleTimeout <= 0 || server.Handler == nil {
		t.Errorf("HTTP server without a timeout: %+v", server)
	}
}

func TestConfigIsValidated(t *testing.T) {
	t.Parallel()
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
	_, err := New(Config{}, Deps{})
	var fields []string
	for _, fault := range faultsOf(err) {
		fields = append(fields, fault.Field)
	}
	if want := []string{"max_message_bytes", "max_bytes_in_flight", "max_concurrent_streams", "timeout"}; !slices.Equal(fields, want) || !errors.Is(err, recsys.ErrInvalid) {
		t.Errorf("faults %v, want %v: %v", fields, want, err)
	}
}

func TestRegistryIsUsedOnce(t *testing.T) {
	t.Parallel()
	deps := Deps{Engine: &fakeEngine{}, Catalog: &fakeCatalog{}, Registry: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler), Clock: time.Now}
	if _, err := New(DefaultConfig(), deps); err != nil {
		t.Fatal(err)
	}
	if _, err := New(DefaultConfig(), deps); err == nil {
		t.Error("two servers share their metrics")
	}
}
