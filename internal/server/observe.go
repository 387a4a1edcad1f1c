package server

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// metrics are what the server counts, by method without the leading slash.
type metrics struct {
	requests *prometheus.CounterVec   // by method and code
	seconds  *prometheus.HistogramVec // by method; of an import the whole stream
	rows     *prometheus.CounterVec   // of imports, by method and code
}

func newMetrics(registry prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vitrine_requests_total", Help: "Calls that have ended, by gRPC method and status code."}, []string{"method", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "vitrine_request_seconds", Help: "Duration of calls by gRPC method; of streams the whole stream.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 16)}, []string{"method"}),
		rows: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vitrine_import_rows_total", Help: "Rows of import streams that were answered, by gRPC method and status code."}, []string{"method", "code"}),
	}
	return m, errors.Join(registry.Register(m.requests), registry.Register(m.seconds), registry.Register(m.rows))
}

// call is one call under way.
type call struct {
	id     string // names the call in the log and to a client that got an unknown error
	method string
	start  time.Time
}

type callKey struct{}

func (s *Server) begin(ctx context.Context, method string) (context.Context, *call) {
	c := &call{id: rand.Text(), method: strings.TrimPrefix(method, "/"), start: s.deps.Clock()}
	return context.WithValue(ctx, callKey{}, c), c
}

// callOf is the call that a handler answers.
func callOf(ctx context.Context) *call {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		return c
	}
	return &call{}
}

// end turns the handler's error into the status that the client gets, counts the call and logs
// what went wrong on this side.
func (s *Server) end(ctx context.Context, c *call, err error) error {
	st := s.settle(ctx, c, err)
	elapsed := s.deps.Clock().Sub(c.start)
	s.metrics.requests.WithLabelValues(c.method, st.Code().String()).Inc()
	s.metrics.seconds.WithLabelValues(c.method).Observe(elapsed.Seconds())
	if s.deps.Log.Enabled(ctx, slog.LevelDebug) {
		s.deps.Log.DebugContext(ctx, "call answered", "call", c.id, "method", c.method, "code", st.Code().String(), "seconds", elapsed.Seconds())
	}
	return st.Err()
}

// settle is statusOf with the cause logged where the client is not told it. What fails because
// the call has ended is told as the end of the call, whatever the store made of it.
func (s *Server) settle(ctx context.Context, c *call, err error) *status.Status {
	st := statusOf(err, c.id)
	if ended := ctx.Err(); ended != nil && (st.Code() == codes.Unavailable || st.Code() == codes.Internal) && !isPanic(err) {
		st = statusOf(ended, c.id)
	}
	switch st.Code() {
	case codes.Internal, codes.Unknown, codes.DataLoss:
		args := []any{"call", c.id, "method", c.method, "error", err}
		if p, ok := errors.AsType[*panicError](err); ok {
			args = append(args, "stack", p.stack)
		}
		s.deps.Log.ErrorContext(ctx, "call failed", args...)
	case codes.Unavailable, codes.ResourceExhausted:
		s.deps.Log.WarnContext(ctx, "call refused", "call", c.id, "method", c.method, "error", err)
	}
	return st
}

func (s *Server) observeUnary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	ctx, c := s.begin(ctx, info.FullMethod)
	if _, limited := ctx.Deadline(); !limited {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.config.Timeout)
		defer cancel()
	}
	resp, err := handler(ctx, req)
	return resp, s.end(ctx, c, err)
}

func (s *Server) observeStream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	ctx, c := s.begin(stream.Context(), info.FullMethod)
	return s.end(ctx, c, handler(srv, streamWith{stream, ctx}))
}

// streamWith is a stream with another context.
type streamWith struct {
	grpc.ServerStream
	ctx context.Context
}

// Context of the call.
func (s streamWith) Context() context.Context { return s.ctx }
