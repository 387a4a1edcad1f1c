package trial

import (
	"context"
	"encoding/binary"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/pgtest"
	"github.com/seed-473295a7/vitrine/internal/postgres"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// byteEncoder takes the first eight bytes of a picture for its output.
type byteEncoder struct{}

func (byteEncoder) Name() string { return "none@1" }
func (byteEncoder) Dims() int    { return 8 }

func (byteEncoder) Tensor(image []byte) ([]float32, error) {
	out := make([]float32, 8)
	for i := range out {
		out[i] = float32(image[i]) - 100
	}
	return out, nil
}

func (byteEncoder) Encode(_ context.Context, tensor []float32) ([]float32, error) { return tensor, nil }

// lengths makes a vector of a text's length and its last byte.
type lengths struct{}

func (lengths) Name() string { return "lengths@1" }

func (lengths) Tokens(text string) []int64 {
	return []int64{int64(len(text)), int64(text[len(text)-1])}
}

func (lengths) Encode(_ context.Context, tokens []int64) ([]float32, error) {
	return []float32{float32(tokens[0]), float32(tokens[1]) - 50}, nil
}

// The store in memory must give the lists that PostgreSQL gives, trained, rolled back and after a
// fold-in; and a copy of PostgreSQL too.
func TestStoreAnswersAsPostgreSQL(t *testing.T) {
	t.Parallel()
	settings := postgres.DefaultConfig()
	settings.URL, settings.Log = pgtest.New(t), slog.New(slog.DiscardHandler)
	db, err := postgres.Open(t.Context(), settings)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	now := time.Now().Add(time.Hour)
	items, log := plantedShop(80, 60, .9, .4)
	for i := range items {
		items[i].CreateTime = time.Now() // PostgreSQL stamps them itself
	}
	var lists [][]recsys.Ranked
	for _, store := range []engine.Store{db, NewStore()} {
		lists = append(lists, play(t, store, items, log, now)...)
	}
	half := len(lists) / 2
	for k := range half {
		if diff := cmp.Diff(lists[k], lists[half+k], cmpopts.EquateApprox(0, 1e-5)); diff != "" {
			t.Errorf("list %d (-PostgreSQL +memory):\n%s", k, diff)
		}
	}
	copied, err := Copy(t.Context(), db, "none@1", lengths{}.Name())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(copied.ItemIDs()), len(items)+1; got != want || len(copied.outputs) != len(items)/2 || len(copied.texts) != len(items) || copied.space == 0 {
		t.Errorf("copied %d items with %d outputs and %d texts, want %d with %d and %d and a space", got, len(copied.outputs), len(copied.texts), want, len(items)/2, len(items))
	}
	read := 0
	for _, it := range (Catalog{Store: copied, EncoderName: "none@1", TextEncoder: lengths{}.Name()}).Items(1000, 1) {
		if it.Input.Text != nil && it.Input.TextEncoder == (lengths{}).Name() {
			read++
		}
	}
	if read != len(items) {
		t.Errorf("%d items are looked at with their texts, want %d", read, len(items))
	}
}

// play runs a shop on a store and returns lists from its stages.
func play(t *testing.T, store engine.Store, items []recsys.Item, log []recsys.Interaction, now time.Time) (lists [][]recsys.Ranked) {
	t.Helper()
	config := testConfig()
	config.ExploreHalfLife, config.NewnessHalfLife = 1e6*time.Hour, 1e6*time.Hour // the two stamps differ by seconds
	e, err := engine.New(config, engine.Deps{Store: store, Encoder: byteEncoder{}, TextEncoder: lengths{}, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(e.Load(t.Context()))
	var registrations []engine.Registration
	for i, it := range items {
		r := engine.Registration{Item: it}
		if i%2 == 0 {
			r.Image = binary.LittleEndian.AppendUint64(nil, 0x9E3779B97F4A7C15*uint64(i+1))
		}
		registrations = append(registrations, r)
	}
	for _, r := range e.RegisterItems(t.Context(), registrations) {
		must(r.Err)
	}
	record := func(rows []recsys.Interaction) {
		writes := make([]engine.InteractionWrite, len(rows))
		for i, in := range rows {
			writes[i].Interaction = in
		}
		for _, r := range e.RecordInteractions(t.Context(), writes) {
			must(r.Err)
		}
		must(e.Sync(t.Context()))
		for e.Pending() > 0 {
			_, err := e.FoldIn(t.Context())
			must(err)
		}
	}
	note := func() {
		for _, history := range [][]recsys.Interaction{nil, log[:6], log[40:60]} {
			list, err := e.Rank(t.Context(), recsys.RankQuery{History: history, K: 30})
			must(err)
			lists = append(lists, list)
		}
	}
	record(log[:len(log)/2])
	note() // by similarity: no model yet
	_, err = e.FitSpace(t.Context(), engine.FitOrder{}, silent)
	must(err)
	first, _, err := e.Train(t.Context(), silent)
	must(err)
	note()
	for _, r := range e.RegisterItems(t.Context(), []engine.Registration{{Item: recsys.Item{ItemID: "late", Attributes: items[1].Attributes, CreateTime: items[1].CreateTime}}}) {
		must(r.Err)
	}
	record(log[len(log)/2:])
	record([]recsys.Interaction{{Actor: recsys.User("1"), ItemID: "late", Type: recsys.Like, EventTime: now}})
	note() // folded in
	_, _, err = e.Train(t.Context(), silent)
	must(err)
	note()
	back, err := e.RollBack(t.Context())
	must(err)
	if back != first {
		t.Errorf("rolled back to %v, want %v", back, first)
	}
	note()
	return lists
}
