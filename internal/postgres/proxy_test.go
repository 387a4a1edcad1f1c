package postgres_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// proxy stands between a store and the server. Once armed it cuts one connection: after the
// bytes of mark were seen on it, and then those of trigger, it waits for the server's answer,
// which is lost together with the connection. So the server has carried out what the store
// will never hear of.
type proxy struct {
	server, network string
	armed           atomic.Pointer[cut]
	cuts            atomic.Int64
	down            atomic.Bool // accepts nobody
	mu              sync.Mutex
	open            []net.Conn
}

// lose makes the server unreachable.
func (p *proxy) lose() {
	p.down.Store(true)
	p.hangUp()
}

func (p *proxy) hangUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range p.open {
		conn.Close()
	}
}

type cut struct{ mark, trigger []byte }

// commit is how the protocol spells it.
const commit = "Q\x00\x00\x00\x0bcommit\x00"

// arm cuts at the commit of the transaction that mentions mark, or, with no trigger, at the
// statement that does.
func (p *proxy) arm(mark, trigger string) {
	p.armed.Store(&cut{[]byte(mark), []byte(trigger)})
}

// newProxy returns a proxy and the connection string that leads through it.
func newProxy(t *testing.T, dsn string) (*proxy, string) {
	t.Helper()
	target, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{}
	p.network, p.server = pgNetwork(target)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var done sync.WaitGroup
	t.Cleanup(func() {
		listener.Close()
		p.lose()
		done.Wait()
	})
	done.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			done.Go(func() { p.serve(client) })
		}
	})
	through := url.URL{Scheme: "postgres", User: url.UserPassword(target.User, target.Password), Host: listener.Addr().String(),
		Path: "/" + target.Database, RawQuery: "sslmode=disable"}
	return p, through.String()
}

func pgNetwork(c *pgx.ConnConfig) (network, address string) {
	port := strconv.Itoa(int(c.Port))
	if filepath.IsAbs(c.Host) {
		return "unix", filepath.Join(c.Host, ".s.PGSQL."+port)
	}
	return "tcp", net.JoinHostPort(c.Host, port)
}

func (p *proxy) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial(p.network, p.server)
	if err != nil {
		return
	}
	defer server.Close()
	p.mu.Lock()
	p.open = append(p.open, client, server)
	p.mu.Unlock()
	if p.down.Load() {
		return
	}
	var lose atomic.Bool // drop the server's next answer and hang up
	go func() {
		buffer := make([]byte, 1<<16)
		for {
			n, err := server.Read(buffer)
			if lose.Load() {
				p.cuts.Add(1)
				err = errors.New("cut")
			} else if n > 0 {
				_, err = client.Write(buffer[:n])
			}
			if err != nil {
				client.Close()
				server.Close()
				return
			}
		}
	}()
	buffer := make([]byte, 1<<16)
	marked := false
	for {
		n, err := client.Read(buffer)
		if err != nil {
			return
		}
		if c := p.armed.Load(); c != nil {
			marked = marked || bytes.Contains(buffer[:n], c.mark)
			if marked && bytes.Contains(buffer[:n], c.trigger) && p.armed.CompareAndSwap(c, nil) {
				lose.Store(true)
			}
		}
		if _, err := server.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func TestLostAcknowledgementOfInteractions(t *testing.T) {
	t.Parallel()
	b := setup(t)
	p, dsn := newProxy(t, b.url)
	store := openStore(t, dsn)
	var ids requests
	record(t, store, view(recsys.User("u"), "warm up", 0)) // prepares the statement, which names no value
	named := engine.InteractionWrite{Interaction: view(recsys.User("u"), "named", 1), Request: ids.next("named")}
	unnamed := engine.InteractionWrite{Interaction: view(recsys.User("u"), "unnamed", 2)}
	p.arm("unnamed", "")
	results, err := store.PutInteractions(t.Context(), []engine.InteractionWrite{named, unnamed})
	if err != nil {
		t.Fatal(err)
	}
	if r := results[0]; r.Err != nil || !r.Replayed || r.Seq != 2 || r.Interaction != named.Interaction {
		t.Errorf("with a request id: %+v", r)
	}
	if r := results[1]; !errors.Is(r.Err, recsys.ErrUnavailable) {
		t.Errorf("without: %+v", r)
	}
	p.arm("alone", "")
	if _, err := store.PutInteractions(t.Context(), []engine.InteractionWrite{{Interaction: view(recsys.User("u"), "alone", 3)}}); !errors.Is(err, recsys.ErrUnavailable) {
		t.Errorf("a call of nothing else: %v", err)
	}
	for _, item := range []string{"named", "unnamed", "alone"} {
		if n := b.number(t, `SELECT count(*) FROM interaction WHERE item_id = $1`, item); n != 1 {
			t.Errorf("%s is stored %d times", item, n)
		}
	}
	if p.cuts.Load() != 2 {
		t.Errorf("%d connections were cut", p.cuts.Load())
	}
}

func TestLostAcknowledgementOfOtherWrites(t *testing.T) {
	t.Parallel()
	b := setup(t)
	p, dsn := newProxy(t, b.url)
	store := openStore(t, dsn)
	var ids requests
	base := put(t, store, itemNamed("base"))
	record(t, store, view(recsys.User("user-one"), "a", 1))
	record(t, store, view(recsys.User("user-two"), "a", 1))
	record(t, store, view(recsys.Visitor("visitor-three"), "a", 1))

	p.arm("plain-item", commit)
	if results, err := store.PutItems(t.Context(), writesNamed("plain-item")); err != nil || results[0].Err != nil || results[0].Seq != base.Seq+2 {
		t.Errorf("an item, written again: %+v, %v", results, err)
	}
	named := itemNamed("named-item")
	named.Request = ids.next("named-item")
	p.arm("named-item", commit)
	if results, err := store.PutItems(t.Context(), []engine.ItemWrite{named}); err != nil || !results[0].Replayed || !results[0].Created || results[0].Seq != base.Seq+3 {
		t.Errorf("an item with a request id, replayed: %+v, %v", results, err)
	}
	guarded := itemNamed("base")
	guarded.IfSeq, guarded.Item.Title = base.Seq, "guarded-title"
	p.arm("guarded-title", commit)
	if _, err := store.PutItems(t.Context(), []engine.ItemWrite{guarded}); !errors.Is(err, recsys.ErrUnavailable) {
		t.Errorf("an item with IfSeq: %v", err)
	}
	p.arm("plain-item", commit)
	if seq, err := store.DeleteItem(t.Context(), "plain-item", recsys.RequestID{}); err != nil || seq != base.Seq+5 {
		t.Errorf("a deletion: change %d, %v", seq, err)
	}
	p.arm("user-one", commit)
	if n, err := store.DeleteUser(t.Context(), recsys.User("user-one"), recsys.RequestID{}); !errors.Is(err, recsys.ErrUnavailable) {
		t.Errorf("a user without a request id: %d, %v", n, err)
	}
	p.arm("user-two", commit)
	if n, err := store.DeleteUser(t.Context(), recsys.User("user-two"), ids.next("user-two")); err != nil || n != 1 {
		t.Errorf("a user with one: %d, %v", n, err)
	}
	p.arm("visitor-three", commit)
	if n, err := store.MergeUsers(t.Context(), "visitor-three", "user-three", ids.next("visitor-three")); err != nil || n != 1 {
		t.Errorf("a merge: %d, %v", n, err)
	}
	p.arm("some-encoder", commit)
	if _, err := store.CreateSpace(t.Context(), recsys.SpaceRecord{Encoder: "some-encoder", Dims: 1}); !errors.Is(err, recsys.ErrUnavailable) {
		t.Errorf("a space: %v", err)
	}
	if p.cuts.Load() != 8 {
		t.Errorf("%d connections were cut", p.cuts.Load())
	}
	if seq, _, _ := b.Heads(t.Context()); seq != base.Seq+5 {
		t.Errorf("change number %d", seq)
	}
}

// A read that breaks before it has handed out a row is repeated, one that breaks later is not:
// nobody is given a row twice.
func TestLostRead(t *testing.T) {
	t.Parallel()
	b := setup(t)
	p, dsn := newProxy(t, b.url)
	store := openStore(t, dsn)
	putAll(t, store, itemNamed("a"), itemNamed("b"))
	p.arm("repeatable read", "")
	var got []string
	each := func(row engine.ItemRow) error {
		got = append(got, row.Item.ItemID)
		return nil
	}
	if _, err := store.Load(t.Context(), 0, nil, each); err != nil || len(got) != 2 {
		t.Errorf("loaded %v, %v", got, err)
	}
	if p.cuts.Load() != 1 {
		t.Errorf("%d connections were cut", p.cuts.Load())
	}
	// Far more than fits between server and client, so that the stream breaks in the middle.
	if _, err := b.raw.Exec(t.Context(), `INSERT INTO item (item_id, title, description, attributes, hidden, create_time, update_time, seq)
		SELECT 'c' || n, '', repeat(md5(n::text), 200), '{}', false, now(), now(), 2 FROM generate_series(1, 3000) AS n`); err != nil {
		t.Fatal(err)
	}
	got = nil
	_, err := store.Load(t.Context(), 0, nil, func(row engine.ItemRow) error {
		if len(got) == 0 {
			b.terminate(t, `state = 'active'`)
		}
		return each(row)
	})
	if !errors.Is(err, recsys.ErrUnavailable) || len(got) == 0 || len(got) == 3002 {
		t.Errorf("%d rows and %v of a broken stream", len(got), err)
	}
	slices.Sort(got)
	if len(slices.Compact(got)) != len(got) {
		t.Error("rows were handed out twice")
	}
}

// A caller that cannot wait for the server leaves; the attempt to bring it back goes on for the
// others.
func TestEnsureOutlivesItsCaller(t *testing.T) {
	t.Parallel()
	b := setup(t)
	p, dsn := newProxy(t, b.url)
	c := config(t, dsn)
	began, proceed := make(chan struct{}), make(chan struct{})
	var calls atomic.Int64
	c.Ensure = func(ctx context.Context) error {
		if calls.Add(1) == 1 {
			close(began)
		}
		select {
		case <-proceed:
		case <-ctx.Done():
			return ctx.Err()
		}
		p.down.Store(false)
		return nil
	}
	store := openConfig(t, c)
	p.lose()
	hasty, leave := context.WithCancel(t.Context())
	answers := make(chan error, 2)
	go func() { answers <- store.Ping(hasty) }()
	<-began
	leave()
	if err := <-answers; !errors.Is(err, context.Canceled) {
		t.Errorf("hasty caller: %v", err)
	}
	for range 2 {
		go func() { answers <- store.Ping(t.Context()) }()
	}
	close(proceed)
	for range 2 {
		if err := <-answers; err != nil {
			t.Errorf("patient caller: %v", err)
		}
	}
	if calls.Load() != 1 {
		t.Errorf("Ensure was called %d times", calls.Load())
	}
}

// terminate ends the other sessions on the database for which a condition holds and returns
// when they are gone.
func (b *bundle) terminate(t *testing.T, condition string) {
	t.Helper()
	rows, err := b.raw.Query(t.Context(), `WITH victim AS MATERIALIZED (SELECT pid FROM pg_stat_activity
		WHERE datname = current_database() AND pid <> pg_backend_pid() AND `+condition+`)
		SELECT pid FROM victim WHERE pg_terminate_backend(pid)`)
	if err != nil {
		t.Fatal(err)
	}
	pids, err := pgx.CollectRows(rows, pgx.RowTo[int32])
	if err != nil || len(pids) == 0 {
		t.Fatalf("terminated %v, %v", pids, err)
	}
	for b.number(t, `SELECT count(*) FROM pg_stat_activity WHERE pid = ANY ($1)`, pids) > 0 {
		if t.Context().Err() != nil {
			return
		}
	}
}
