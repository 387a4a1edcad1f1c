package postgres_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/postgres"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

func TestLoadAndChangesOfAnEmptyStore(t *testing.T) {
	t.Parallel()
	b := setup(t)
	head, err := b.Load(t.Context(), 0, nil, func(engine.ItemRow) error { return errors.New("an item") })
	if diff := gocmp.Diff(engine.Head{}, head); diff != "" || err != nil {
		t.Errorf("head (want, got):\n%s%v", diff, err)
	}
	changes, err := b.Changes(t.Context(), 0, 0, 0, 0)
	if diff := gocmp.Diff(engine.Changes{}, changes); diff != "" || err != nil {
		t.Errorf("changes (want, got):\n%s%v", diff, err)
	}
}

func TestChanges(t *testing.T) {
	t.Parallel()
	b := setup(t)
	space := activeSpace(t, b.Store, 1) // catalogue change 1
	vectored := itemNamed("a")
	vectored.Space, vectored.Vector = space, []float32{7}
	a := put(t, b.Store, vectored)                                                // 2
	putAll(t, b.Store, itemNamed("b"), itemNamed("c"))                            // 3
	if _, err := b.DeleteItem(t.Context(), "b", recsys.RequestID{}); err != nil { // 4
		t.Fatal(err)
	}
	late := record(t, b.Store, view(recsys.User("u"), "x", 5))
	early := record(t, b.Store, view(recsys.Visitor("v"), "x", 1))
	c, err := b.Item(t.Context(), "c")
	if err != nil {
		t.Fatal(err)
	}
	rowA := engine.ItemRow{Item: a.Item, Vector: []float32{7}, Seq: 2}
	for _, tc := range []struct {
		name                 string
		catalog, interaction int64
		want                 engine.Changes
	}{
		{"all", 1, 0, engine.Changes{Items: []engine.ItemRow{rowA, c}, DeletedItemIDs: []string{"b"},
			Interactions: []recsys.Interaction{early.Interaction, late.Interaction}}},
		{"since the first item", 2, 1, engine.Changes{Items: []engine.ItemRow{c}, DeletedItemIDs: []string{"b"},
			Interactions: []recsys.Interaction{early.Interaction}}},
		{"since the deletion", 4, 2, engine.Changes{}},
		{"from the future", 5, 0, engine.Changes{Reload: true}},
		{"interactions from the future", 4, 3, engine.Changes{Reload: true}},
	} {
		got, err := b.Changes(t.Context(), space, 0, tc.catalog, tc.interaction)
		tc.want.CatalogSeq, tc.want.InteractionSeq = 4, 2
		if diff := gocmp.Diff(tc.want, got); diff != "" || err != nil {
			t.Errorf("%s (want, got):\n%s%v", tc.name, diff, err)
		}
	}
	for _, tc := range []struct {
		space recsys.SpaceID
		model recsys.ModelID
	}{{0, 0}, {space + 1, 0}, {space, 1}} {
		got, err := b.Changes(t.Context(), tc.space, tc.model, 4, 2)
		if err != nil || !got.Reload {
			t.Errorf("%+v: %+v, %v; want a reload", tc, got, err)
		}
	}
	if _, err := b.DeleteUser(t.Context(), recsys.User("u"), recsys.RequestID{}); err != nil {
		t.Fatal(err)
	}
	if got, err := b.Changes(t.Context(), space, 0, 4, 2); err != nil || !got.Reload {
		t.Errorf("after deleting a user: %+v, %v; want a reload", got, err)
	}
	if got, err := b.Changes(t.Context(), space, 0, 4, 3); err != nil || got.Reload {
		t.Errorf("after the reload: %+v, %v; want none", got, err)
	}
}

func TestChangesAskForALoadWhenThereAreMany(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, err := b.raw.Exec(t.Context(), `
		INSERT INTO item (item_id, title, description, attributes, hidden, create_time, update_time, seq)
			SELECT n, '', '', '{}', false, now(), now(), 2 FROM generate_series(1, 5001) AS n;
		INSERT INTO interaction (user_id, item_id, type, value, event_time, recommendation_id, seq)
			SELECT 'u', 'a', 1, 0, now(), '', 2 FROM generate_series(1, 50001) AS n;
		UPDATE change_counter SET seq = 2`)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		catalog, interaction int64
		reload               bool
	}{{2, 2, false}, {1, 2, true}, {2, 1, true}} {
		got, err := b.Changes(t.Context(), 0, 0, c.catalog, c.interaction)
		if err != nil || got.Reload != c.reload || len(got.Items)+len(got.Interactions) != 0 {
			t.Errorf("%+v: reload %v with %d items, %d interactions, %v", c, got.Reload, len(got.Items), len(got.Interactions), err)
		}
	}
	for _, remove := range []string{`DELETE FROM item WHERE item_id = '1'`, `DELETE FROM interaction WHERE interaction_id = (SELECT max(interaction_id) FROM interaction)`} {
		if _, err := b.raw.Exec(t.Context(), remove); err != nil {
			t.Fatal(err)
		}
	}
	got, err := b.Changes(t.Context(), 0, 0, 1, 1)
	if err != nil || got.Reload || len(got.Items) != 5000 || len(got.Interactions) != 50000 {
		t.Errorf("reload %v with %d items, %d interactions, %v", got.Reload, len(got.Items), len(got.Interactions), err)
	}
}

// replica is what a follower makes of the change log.
type replica struct {
	catalogSeq, interactionSeq int64
	items                      map[string]engine.ItemRow
	counts                     map[engine.TypeCount]int64 // key: item, type and value alone
	applied                    map[string]int             // arrivals by interaction
}

func countKey(in recsys.Interaction) engine.TypeCount {
	return engine.TypeCount{ItemID: in.ItemID, Type: in.Type, Value: in.Value}
}

// load starts a replica from a snapshot.
func load(t *testing.T, s *postgres.Store) *replica {
	t.Helper()
	r := &replica{items: make(map[string]engine.ItemRow), counts: make(map[engine.TypeCount]int64), applied: make(map[string]int)}
	last := ""
	head, err := s.Load(t.Context(), 0, nil, func(row engine.ItemRow) error {
		if row.Item.ItemID <= last {
			t.Errorf("item %q comes after %q", row.Item.ItemID, last)
		}
		last = row.Item.ItemID
		r.items[last] = row
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	r.catalogSeq, r.interactionSeq = head.CatalogSeq, head.InteractionSeq
	for _, c := range head.Counts {
		r.counts[engine.TypeCount{ItemID: c.ItemID, Type: c.Type, Value: c.Value}] += c.Count
	}
	return r
}

// follow applies what happened since.
func (r *replica) follow(t *testing.T, s *postgres.Store) {
	changes, err := s.Changes(t.Context(), 0, 0, r.catalogSeq, r.interactionSeq)
	if err != nil || changes.Reload {
		t.Errorf("follow: reload %v, %v", changes.Reload, err)
		return
	}
	for _, row := range changes.Items {
		if row.Seq <= r.catalogSeq || row.Seq > changes.CatalogSeq {
			t.Errorf("item of change %d came between %d and %d", row.Seq, r.catalogSeq, changes.CatalogSeq)
		}
		r.items[row.Item.ItemID] = row
	}
	for _, id := range changes.DeletedItemIDs {
		delete(r.items, id)
	}
	for _, in := range changes.Interactions {
		r.counts[countKey(in)]++
		r.applied[in.RecommendationID]++
	}
	r.catalogSeq, r.interactionSeq = changes.CatalogSeq, changes.InteractionSeq
}

// crowd writes items and interactions and keeps what was acknowledged.
type crowd struct {
	mu           sync.Mutex
	interactions map[string]int64 // change number by name
	catalog      []int64          // change numbers
}

// numbers returns the highest change numbers that were acknowledged, and the interactions.
func (c *crowd) numbers() (catalog, interaction int64, interactions map[string]int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, seq := range c.interactions {
		interaction = max(interaction, seq)
	}
	return slices.Max(append(c.catalog, 0)), interaction, maps.Clone(c.interactions)
}

// write does one thing at random: it puts two items, deletes one or records an interaction.
func (c *crowd) write(ctx context.Context, s *postgres.Store, random *rand.Rand, name string) error {
	itemID := fmt.Sprint("item", random.IntN(20))
	var catalogSeq, interactionSeq int64
	switch random.IntN(4) {
	case 0:
		results, err := s.PutItems(ctx, []engine.ItemWrite{itemNamed(itemID), itemNamed(name)})
		if err != nil {
			return err
		}
		catalogSeq = results[0].Seq
	case 1:
		seq, err := s.DeleteItem(ctx, itemID, recsys.RequestID{})
		if err != nil && !errors.Is(err, recsys.ErrNotFound) {
			return err
		}
		catalogSeq = seq
	default:
		in := view(recsys.User("u"), itemID, random.IntN(100))
		in.RecommendationID = name
		results, err := s.PutInteractions(ctx, []engine.InteractionWrite{{Interaction: in}})
		if err != nil {
			return err
		}
		interactionSeq = results[0].Seq
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if catalogSeq > 0 {
		c.catalog = append(c.catalog, catalogSeq)
	}
	if interactionSeq > 0 {
		c.interactions[name] = interactionSeq
	}
	return nil
}

// start lets eight writers work on two stores; the channel closes when they are done.
func (c *crowd) start(t *testing.T, stores ...*postgres.Store) <-chan struct{} {
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(uint64(worker), 1))
			for i := range 60 {
				if err := c.write(t.Context(), stores[worker%len(stores)], random, fmt.Sprint(worker, "/", i)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	return done
}

// The measured trap: a follower of numbers taken early loses what commits late. Eight writers
// write while a replica follows; whatever was acknowledged before a look must be in it after
// the look, once.
func TestFollowerMissesNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := &crowd{interactions: make(map[string]int64)}
	r := load(t, b.Store)
	done := c.start(t, b.Store, openStore(t, b.url))
	looks := 0
	for last := false; !last; looks++ {
		select {
		case <-done:
			last = true
		default:
		}
		catalog, interaction, before := c.numbers()
		r.follow(t, b.Store)
		if r.catalogSeq < catalog || r.interactionSeq < interaction {
			t.Errorf("after a look at %d, %d; acknowledged %d, %d", r.catalogSeq, r.interactionSeq, catalog, interaction)
		}
		for name, seq := range before {
			if r.applied[name] != 1 {
				t.Errorf("interaction %s of change %d was applied %d times", name, seq, r.applied[name])
			}
		}
	}
	fresh := load(t, b.Store)
	fresh.applied = r.applied
	if diff := gocmp.Diff(fresh, r, gocmp.AllowUnexported(replica{})); diff != "" {
		t.Errorf("load and %d looks differ (load, followed):\n%s", looks, diff)
	}
	slices.Sort(c.catalog)
	for i, seq := range c.catalog {
		if seq != int64(i+1) {
			t.Fatalf("catalogue change numbers have a gap or a repetition at %d: %v", i, c.catalog)
		}
	}
	_, highest, _ := c.numbers()
	if n := b.number(t, `SELECT count(DISTINCT seq) FROM interaction`); n != highest || n == 0 {
		t.Errorf("%d interaction changes, the highest is %d", n, highest)
	}
}

// Loads taken while writers run are consistent in themselves: every item of the change number,
// none beyond it.
func TestLoadIsOneSnapshot(t *testing.T) {
	t.Parallel()
	b := setup(t)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := b.PutItems(t.Context(), []engine.ItemWrite{itemNamed("left"), itemNamed("right")}); err != nil {
					t.Error(err)
					return
				}
				if _, err := b.PutInteractions(t.Context(), []engine.InteractionWrite{{Interaction: view(recsys.User("u"), "a", 1)}, {Interaction: view(recsys.User("u"), "b", 1)}}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 30 {
		seqs := make(map[string]int64)
		head, err := b.Load(t.Context(), 0, nil, func(row engine.ItemRow) error {
			seqs[row.Item.ItemID] = row.Seq
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if seqs["left"] != head.CatalogSeq || seqs["right"] != head.CatalogSeq {
			t.Errorf("items of changes %v in a load at %d", seqs, head.CatalogSeq)
		}
		slices.SortFunc(head.Counts, func(a, b engine.TypeCount) int { return cmp.Compare(a.ItemID, b.ItemID) })
		if len(head.Counts) == 2 && head.Counts[0].Count != head.Counts[1].Count {
			t.Errorf("half a transaction in %+v", head.Counts)
		}
	}
	close(stop)
	wg.Wait()
}

// Counts fade by their age beside the newest interaction, however long ago, and say when it began.
func TestLoadWeighsCountsByAge(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var writes []engine.InteractionWrite
	for _, minute := range []int{0, 60, 120, 1 << 24} { // the last is 32 years later
		writes = append(writes, engine.InteractionWrite{Interaction: view(recsys.User("u"), "a", minute)})
	}
	writes = append(writes, engine.InteractionWrite{Interaction: view(recsys.User("u"), "b", 1<<24)})
	load := func(halfLife time.Duration) (time.Time, map[string]engine.TypeCount) {
		head, err := b.Load(t.Context(), halfLife, nil, func(engine.ItemRow) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		byItem := make(map[string]engine.TypeCount)
		for _, c := range head.Counts {
			byItem[c.ItemID] = c
		}
		return head.Newest, byItem
	}
	if _, err := b.PutInteractions(t.Context(), writes[:3]); err != nil {
		t.Fatal(err)
	}
	newest, counts := load(time.Hour)
	if c := counts["a"]; !newest.Equal(noon.Add(2*time.Hour)) || c.Count != 3 || !c.First.Equal(noon) || math.Abs(c.Recent-1.75) > 1e-9 {
		t.Errorf("newest %v, %+v; want 1 + 1/2 + 1/4 at 14:00", newest, c)
	}
	if _, err := b.PutInteractions(t.Context(), writes[3:]); err != nil {
		t.Fatal(err)
	}
	if _, counts = load(time.Hour); math.Abs(counts["a"].Recent-1) > 1e-9 || math.Abs(counts["b"].Recent-1) > 1e-9 {
		t.Errorf("%+v, want what is 30 years old to have no weight", counts)
	}
	if _, counts = load(0); counts["a"].Recent != 4 {
		t.Errorf("%+v, want nothing to fade without a half-life", counts)
	}
}

func TestLoadReportsACorruptItem(t *testing.T) {
	t.Parallel()
	b := setup(t)
	space := activeSpace(t, b.Store, 2)
	w := itemNamed("a")
	w.Space, w.Vector = space, []float32{1, 2}
	for _, spoil := range []string{
		`UPDATE item SET attributes = '{"x": {"colour": 1}}'`,
		`UPDATE item SET attributes = '{"x": {"number": 1, "text": "a"}}'`,
		`UPDATE item_vector SET vector = '\x00000000'`,
		`UPDATE item_vector SET vector = '\x000000000000807f'`, // +Inf
	} {
		put(t, b.Store, w)
		if _, err := b.raw.Exec(t.Context(), spoil); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Load(t.Context(), 0, nil, func(engine.ItemRow) error { return nil }); !errors.Is(err, recsys.ErrCorrupt) {
			t.Errorf("after %s: %v", spoil, err)
		}
	}
	stop := errors.New("enough")
	put(t, b.Store, w)
	if _, err := b.Load(t.Context(), 0, nil, func(engine.ItemRow) error { return stop }); err != stop {
		t.Errorf("error of the callback: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := b.Load(ctx, 0, nil, func(engine.ItemRow) error { cancel(); return ctx.Err() }); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestWaitWakes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	other := openStore(t, b.url)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // not to hang when nothing wakes
	defer cancel()
	// The first returns once listening has begun, the next only for news.
	if err := other.Wait(ctx, time.Hour); err != nil {
		t.Fatal(err)
	}
	for _, write := range []func(){
		func() { put(t, b.Store, itemNamed("a")) },
		func() { record(t, b.Store, view(recsys.User("u"), "a", 1)) },
		func() {
			if _, err := b.DeleteUser(t.Context(), recsys.User("u"), recsys.RequestID{}); err != nil {
				t.Error(err)
			}
		},
	} {
		woken := make(chan error, 2)
		for range 2 {
			go func() { woken <- other.Wait(ctx, time.Hour) }()
		}
		write()
		if err := <-woken; err != nil {
			t.Error(err)
		}
		write()
		if err := <-woken; err != nil {
			t.Error(err)
		}
	}
}

func TestWaitEnds(t *testing.T) {
	t.Parallel()
	b := setup(t)
	if err := b.Wait(t.Context(), time.Nanosecond); err != nil {
		t.Errorf("timeout: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 3 { // one of them may see the beginning of listening first
		if err := b.Wait(ctx, time.Hour); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
	}
}
