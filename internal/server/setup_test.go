package server

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
	pb "github.com/seed-473295a7/vitrine/proto/vitrine/v1"
)

// testTime is what the server takes for now.
var testTime = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// fakeEngine answers with its functions, or plainly, and remembers the names of the calls.
type fakeEngine struct {
	mu    sync.Mutex
	calls []string

	recommend  func(context.Context, engine.RecommendQuery) (engine.Recommendations, error)
	similar    func(engine.SimilarQuery) (engine.Similar, error)
	register   func(context.Context, []engine.Registration) []engine.Registered
	update     func(engine.ItemUpdate) (engine.Registered, error)
	deleteItem func(itemID string, allowMissing bool, request recsys.RequestID) error
	record     func(context.Context, []engine.InteractionWrite) []engine.InteractionResult
	deleteUser func(recsys.Actor, recsys.RequestID) (int64, error)
	mergeUsers func(visitorID, userID string, request recsys.RequestID) (int64, error)
}

func (f *fakeEngine) called(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, name)
}

func (f *fakeEngine) callNames() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

func (f *fakeEngine) Recommend(ctx context.Context, q engine.RecommendQuery) (engine.Recommendations, error) {
	f.called("Recommend")
	if f.recommend == nil {
		return engine.Recommendations{}, nil
	}
	return f.recommend(ctx, q)
}

func (f *fakeEngine) FindSimilarItems(_ context.Context, q engine.SimilarQuery) (engine.Similar, error) {
	f.called("FindSimilarItems")
	if f.similar == nil {
		return engine.Similar{}, nil
	}
	return f.similar(q)
}

func (f *fakeEngine) RegisterItems(ctx context.Context, items []engine.Registration) []engine.Registered {
	f.called("RegisterItems")
	if f.register != nil {
		return f.register(ctx, items)
	}
	out := make([]engine.Registered, len(items))
	for i, item := range items {
		out[i] = engine.Registered{Item: item.Item, Space: 1, Created: true}
	}
	return out
}

func (f *fakeEngine) UpdateItem(_ context.Context, u engine.ItemUpdate) (engine.Registered, error) {
	f.called("UpdateItem")
	return f.update(u)
}

func (f *fakeEngine) DeleteItem(_ context.Context, itemID string, allowMissing bool, request recsys.RequestID) error {
	f.called("DeleteItem")
	return f.deleteItem(itemID, allowMissing, request)
}

func (f *fakeEngine) RecordInteractions(ctx context.Context, writes []engine.InteractionWrite) []engine.InteractionResult {
	f.called("RecordInteractions")
	if f.record != nil {
		return f.record(ctx, writes)
	}
	out := make([]engine.InteractionResult, len(writes))
	for i, w := range writes {
		out[i].Interaction = w.Interaction
		if out[i].Interaction.EventTime.IsZero() {
			out[i].Interaction.EventTime = testTime
		}
	}
	return out
}

func (f *fakeEngine) DeleteUser(_ context.Context, actor recsys.Actor, request recsys.RequestID) (int64, error) {
	f.called("DeleteUser")
	return f.deleteUser(actor, request)
}

func (f *fakeEngine) MergeUsers(_ context.Context, visitorID, userID string, request recsys.RequestID) (int64, error) {
	f.called("MergeUsers")
	return f.mergeUsers(visitorID, userID, request)
}

// fakeCatalog holds items and interactions, both in the order of the lists.
type fakeCatalog struct {
	mu           sync.Mutex
	items        []engine.ItemRow
	interactions []engine.ListedInteraction
	err          error // what every call answers if set
}

func (f *fakeCatalog) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

func (f *fakeCatalog) Ping(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

func (f *fakeCatalog) Item(ctx context.Context, itemID string) (engine.ItemRow, error) {
	rows, err := f.Items(ctx, []string{itemID})
	if err != nil {
		return engine.ItemRow{}, err
	}
	if len(rows) == 0 {
		return engine.ItemRow{}, fmt.Errorf("read item: %w: no rows in result set", recsys.ErrNotFound)
	}
	return rows[0], nil
}

func (f *fakeCatalog) Items(_ context.Context, itemIDs []string) ([]engine.ItemRow, error) {
	var out []engine.ItemRow
	for _, row := range f.items {
		if slices.Contains(itemIDs, row.Item.ItemID) {
			out = append(out, row)
		}
	}
	return out, f.Ping(context.Background())
}

func (f *fakeCatalog) ListItems(_ context.Context, after string, limit int) ([]engine.ItemRow, error) {
	var out []engine.ItemRow
	for _, row := range f.items {
		if row.Item.ItemID > after && len(out) < limit {
			out = append(out, row)
		}
	}
	return out, f.Ping(context.Background())
}

func (f *fakeCatalog) ListInteractions(_ context.Context, q engine.InteractionQuery) ([]engine.ListedInteraction, error) {
	var out []engine.ListedInteraction
	for _, in := range f.interactions {
		behind := q.After.IsZero() || in.EventTime.Before(q.After.EventTime) ||
			in.EventTime.Equal(q.After.EventTime) && in.ID < q.After.ID
		if behind && (q.Actor.IsZero() || q.Actor == in.Actor) && (q.ItemID == "" || q.ItemID == in.ItemID) && len(out) < q.Limit {
			out = append(out, in)
		}
	}
	return out, f.Ping(context.Background())
}

// logBuffer is a log that tests read.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// bundle is a running server with clients of it.
type bundle struct {
	server   *Server
	engine   *fakeEngine
	catalog  *fakeCatalog
	registry *prometheus.Registry
	log      *logBuffer
	conn     *grpc.ClientConn
	shop     pb.RecommenderServiceClient
	shelf    pb.CatalogServiceClient
	features *fakeFeatures
	store    pb.FeatureServiceClient
	bench    pb.ModelServiceClient
	models   fakeModels
	runs     fakeRuns
}

func setup(t testing.TB) *bundle { return setupWith(t, DefaultConfig()) }

func setupWith(t testing.TB, config Config) *bundle {
	t.Helper()
	b := &bundle{engine: &fakeEngine{}, catalog: &fakeCatalog{}, features: &fakeFeatures{}, registry: prometheus.NewRegistry(), log: &logBuffer{}}
	server, err := New(config, Deps{
		Engine: b.engine, Catalog: b.catalog, Models: &b.models, Runs: &b.runs, Features: b.features, Registry: b.registry,
		Log:   slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Clock: func() time.Time { return testTime },
	})
	if err != nil {
		t.Fatal(err)
	}
	b.server = server
	server.SetReady(true)
	listener := bufconn.Listen(1 << 20)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	b.conn, err = grpc.NewClient("passthrough:///memory",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	b.shop, b.shelf, b.store = pb.NewRecommenderServiceClient(b.conn), pb.NewCatalogServiceClient(b.conn), pb.NewFeatureServiceClient(b.conn)
	b.bench = pb.NewModelServiceClient(b.conn)
	t.Cleanup(func() {
		b.conn.Close()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
		server.faults.byMessage.Range(func(message, _ any) bool {
			t.Errorf("the fault of %T was never taken", message)
			return true
		})
		if !server.budget.TryAcquire(config.MaxBytesInFlight) {
			t.Error("bytes in flight were not given back")
		}
	})
	return b
}

// rawCodec sends bytes as they are, so that tests can send what no client library would.
type rawCodec struct{}

func (rawCodec) Name() string { return "proto" }

func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(v.([]byte))}, nil
}

func (rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	return proto.Unmarshal(data.Materialize(), v.(proto.Message))
}

// sendRaw calls a method with bytes and ignores the answer.
func (b *bundle) sendRaw(t testing.TB, method string, body []byte) error {
	t.Helper()
	return b.conn.Invoke(t.Context(), method, body, &pb.DeleteItemResponse{}, grpc.ForceCodecV2(rawCodec{}))
}

func encode(t testing.TB, m proto.Message) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// broken encodes a message and makes the place-holder "@@@@" four bytes that are not UTF-8.
func broken(t testing.TB, m proto.Message) []byte {
	t.Helper()
	body := encode(t, m)
	if !bytes.Contains(body, []byte("@@@@")) {
		t.Fatal("the message has no place-holder")
	}
	return bytes.ReplaceAll(body, []byte("@@@@"), []byte("ab\xff\xfe"))
}

func detailOf[T any](st *status.Status) (found T, ok bool) {
	for _, detail := range st.Details() {
		if d, is := detail.(T); is {
			return d, true
		}
	}
	return found, false
}

// fieldsOf are the paths of the violations of an error.
func fieldsOf(st *status.Status) []string {
	bad, _ := detailOf[*errdetails.BadRequest](st)
	var out []string
	for _, v := range bad.GetFieldViolations() {
		out = append(out, v.Field)
	}
	return out
}

// wantFault checks code, ErrorInfo and fields of an error.
func wantFault(t *testing.T, err error, code codes.Code, fields ...string) {
	t.Helper()
	wantStatus(t, status.Convert(err), code, fields...)
}

func wantStatus(t *testing.T, st *status.Status, code codes.Code, fields ...string) {
	t.Helper()
	if st.Code() != code {
		t.Errorf("code %v, want %v: %s", st.Code(), code, st.Message())
	}
	if got := fieldsOf(st); !slices.Equal(got, fields) {
		t.Errorf("fields %q, want %q: %s", got, fields, st.Message())
	}
	info, ok := detailOf[*errdetails.ErrorInfo](st)
	if !ok || info.Domain != "vitrine" || info.Reason == "" {
		t.Errorf("ErrorInfo %v, want one of domain vitrine", info)
	}
	if len(fields) > 0 && !strings.HasPrefix(st.Message(), fields[0]+": ") {
		t.Errorf("message %q does not begin with %s", st.Message(), fields[0])
	}
}
