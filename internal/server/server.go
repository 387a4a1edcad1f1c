package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
	pb "github.com/seed-473295a7/vitrine/proto/vitrine/v1"
)

// Engine is what answers: *engine.Engine.
type Engine interface {
	Finder
	ItemWriter
	InteractionWriter
}

var _ Engine = (*engine.Engine)(nil)

// Finder finds items to show.
type Finder interface {
	Recommend(ctx context.Context, q engine.RecommendQuery) (engine.Recommendations, error)
	FindSimilarItems(ctx context.Context, q engine.SimilarQuery) (engine.Similar, error)
}

// ItemWriter changes items.
type ItemWriter interface {
	RegisterItems(ctx context.Context, items []engine.Registration) []engine.Registered
	UpdateItem(ctx context.Context, u engine.ItemUpdate) (engine.Registered, error)
	DeleteItem(ctx context.Context, itemID string, allowMissing bool, request recsys.RequestID) error
}

// InteractionWriter changes interactions.
type InteractionWriter interface {
	RecordInteractions(ctx context.Context, writes []engine.InteractionWrite) []engine.InteractionResult
	DeleteUser(ctx context.Context, actor recsys.Actor, request recsys.RequestID) (int64, error)
	MergeUsers(ctx context.Context, visitorID, userID string, request recsys.RequestID) (int64, error)
}

// Catalog reads what is stored: *postgres.Store. Errors wrap the sentinels of recsys.
type Catalog interface {
	// Item returns one item, ErrNotFound if it is not registered.
	Item(ctx context.Context, itemID string) (engine.ItemRow, error)
	// Items returns those of the ids that exist, in no particular order.
	Items(ctx context.Context, itemIDs []string) ([]engine.ItemRow, error)
	// ListItems returns at most limit items whose id lies after the given one, ascending by id.
	ListItems(ctx context.Context, after string, limit int) ([]engine.ItemRow, error)
	// ListInteractions returns a page in the order of engine.InteractionQuery.
	ListInteractions(ctx context.Context, q engine.InteractionQuery) ([]engine.ListedInteraction, error)
	// Ping reports whether the store answers.
	Ping(ctx context.Context) error
}

// Deps are what the server works with; all are required.
type Deps struct {
	Engine   Engine
	Catalog  Catalog
	Features Features
	Models   Models
	Runs     Runs
	Registry *prometheus.Registry // takes the server's metrics and is served at /metrics
	Log      *slog.Logger
	Clock    func() time.Time
}

// Server is the gRPC server of one process. All methods are safe for concurrent use.
type Server struct {
	config  Config
	deps    Deps
	grpc    *grpc.Server
	health  *health.Server
	metrics *metrics
	rules   *rules
	faults  faultTable
	budget  *semaphore.Weighted // bytes in flight

	opened   atomic.Bool // was ready once: the engine can answer
	ready    atomic.Bool
	draining chan struct{} // closed by Shutdown
	drain    sync.Once
}

// New returns a server that answers nothing yet: health says NOT_SERVING, and calls are
// UNAVAILABLE until SetReady(true).
//
// Errors: recsys.ErrInvalid for every fault of config; rules that do not compile; metrics that
// the registry already holds.
func New(config Config, deps Deps) (*Server, error) {
	if err := config.Validate(); err != nil {
		return nil, fmt.Errorf("server settings: %w", err)
	}
	rules, err := newRules(deps.Clock)
	if err != nil {
		return nil, fmt.Errorf("compile the rules of the requests: %w", err)
	}
	metrics, err := newMetrics(deps.Registry)
	if err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	s := &Server{
		config: config, deps: deps, metrics: metrics, rules: rules,
		health:   health.NewServer(),
		budget:   semaphore.NewWeighted(config.MaxBytesInFlight),
		draining: make(chan struct{}),
	}
	s.grpc = grpc.NewServer(s.options()...)
	pb.RegisterRecommenderServiceServer(s.grpc, &recommender{s: s})
	pb.RegisterCatalogServiceServer(s.grpc, &catalog{s: s})
	pb.RegisterFeatureServiceServer(s.grpc, &features{s: s})
	pb.RegisterModelServiceServer(s.grpc, &model{s: s})
	healthpb.RegisterHealthServer(s.grpc, s.health)
	reflection.Register(s.grpc)
	s.SetReady(false)
	return s, nil
}

func (s *Server) options() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.ForceServerCodecV2(newCodec(s.rules.wire, &s.faults)),
		grpc.ChainUnaryInterceptor(s.observeUnary, recoverUnary, s.admitUnary),
		grpc.ChainStreamInterceptor(s.observeStream, recoverStream, s.admitStream),
		grpc.MaxRecvMsgSize(s.config.MaxMessageBytes),
		grpc.MaxConcurrentStreams(s.config.MaxConcurrentStreams),
		grpc.MaxHeaderListSize(16 << 10),
		grpc.ConnectionTimeout(20 * time.Second),
		// Finds dead peers behind NATs within a minute; clients may ping every 10 s, also when
		// idle, which load balancers in between often need. gRPC's default would cut them off
		// for pinging more than every five minutes.
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 40 * time.Second, Timeout: 20 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
		grpc.WaitForHandlers(true), // so that the store may be closed when Shutdown has returned
	}
}

// recommender answers RecommenderService, one file per call.
type recommender struct {
	pb.UnimplementedRecommenderServiceServer
	s *Server
}

// catalog answers CatalogService, one file per call.
type catalog struct {
	pb.UnimplementedCatalogServiceServer
	s *Server
}

// Serve answers calls on the listener until Shutdown; it closes the listener.
func (s *Server) Serve(listener net.Listener) error {
	if err := s.grpc.Serve(listener); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return fmt.Errorf("serve gRPC: %w", err)
	}
	return nil
}

// SetReady tells health checks whether calls should be sent here. The first SetReady(true) also
// lets calls in; later SetReady(false) still answers those that come.
func (s *Server) SetReady(ready bool) {
	s.ready.Store(ready)
	status := healthpb.HealthCheckResponse_NOT_SERVING
	if ready {
		s.opened.Store(true)
		status = healthpb.HealthCheckResponse_SERVING
	}
	for _, service := range []string{"", pb.RecommenderService_ServiceDesc.ServiceName, pb.CatalogService_ServiceDesc.ServiceName,
		pb.ModelService_ServiceDesc.ServiceName, pb.FeatureService_ServiceDesc.ServiceName} {
		s.health.SetServingStatus(service, status)
	}
}

// Shutdown says NOT_SERVING, lets running calls finish, ends imports after the rows they have
// received, and returns when no handler runs any more. When ctx ends first, what still runs is
// cancelled, and its error is returned.
func (s *Server) Shutdown(ctx context.Context) error {
	s.ready.Store(false)
	s.health.Shutdown()
	s.drain.Do(func() { close(s.draining) })
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		s.grpc.GracefulStop()
	}()
	select {
	case <-finished:
		return nil
	case <-ctx.Done():
		s.grpc.Stop()
		<-finished
		return fmt.Errorf("finish running calls: %w", ctx.Err())
	}
}
