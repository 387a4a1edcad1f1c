package server

import (
	"context"
	"fmt"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// smallMessage is the size up to which messages are not counted as bytes in flight, so that
// pictures in a queue never keep a Recommend out.
const smallMessage = 64 << 10

// errDraining ends what cannot be finished before the process stops.
var errDraining = fmt.Errorf("the server is shutting down: %w", recsys.ErrUnavailable)

// isOurs tells our services from health and reflection.
func isOurs(method string) bool { return strings.HasPrefix(method, "/vitrine.v1.") }

// enter refuses calls until the engine can answer.
func (s *Server) enter(method string) error {
	if isOurs(method) && !s.opened.Load() {
		return fmt.Errorf("the server is starting: %w", recsys.ErrUnavailable)
	}
	return nil
}

// inspect tells what is wrong with a received message: on the wire, else by the rules. Every
// received message must pass here, or its wire fault would stay in the table.
func (s *Server) inspect(m proto.Message) error {
	if fault := s.faults.take(m); fault != nil {
		return fault
	}
	return s.rules.check(m)
}

// weight is what a message counts as bytes in flight.
func (s *Server) weight(m proto.Message) int64 {
	size := int64(proto.Size(m))
	if size <= smallMessage {
		return 0
	}
	return min(size, s.config.MaxBytesInFlight)
}

func (s *Server) admitUnary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	m, ok := req.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("request of type %T, want a proto.Message", req)
	}
	fault := s.inspect(m)
	if err := s.enter(info.FullMethod); err != nil {
		return nil, err
	}
	if fault != nil {
		return nil, fault
	}
	weight := s.weight(m)
	if !s.budget.TryAcquire(weight) {
		// A shopper is not kept waiting; imports wait instead, see importRun.
		return nil, fmt.Errorf("%d bytes in flight: %w", s.config.MaxBytesInFlight, recsys.ErrExhausted)
	}
	defer s.budget.Release(weight)
	return handler(ctx, req)
}

func (s *Server) admitStream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	if err := s.enter(info.FullMethod); err != nil {
		return err
	}
	ctx := stream.Context()
	if !isOurs(info.FullMethod) {
		// A health watch never ends by itself and would hold up every graceful stop.
		cancellable, cancel := context.WithCancel(ctx)
		defer cancel()
		go func() {
			select {
			case <-s.draining:
				cancel()
			case <-cancellable.Done():
			}
		}()
		ctx = cancellable
	}
	return handler(srv, inspectedStream{streamWith{stream, ctx}, s})
}

// inspectedStream inspects every message it receives.
type inspectedStream struct {
	streamWith
	s *Server
}

// rowError is a fault of one received message; the stream is sound and goes on.
type rowError struct{ error }

func (e rowError) Unwrap() error { return e.error }

// RecvMsg receives into m. A rowError concerns that message alone.
func (s inspectedStream) RecvMsg(m any) error {
	if err := s.streamWith.RecvMsg(m); err != nil {
		return err
	}
	message, ok := m.(proto.Message)
	if !ok {
		return fmt.Errorf("message of type %T, want a proto.Message", m)
	}
	if err := s.s.inspect(message); err != nil {
		return rowError{err}
	}
	return nil
}
