package engine_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/pgtest"
	"github.com/seed-473295a7/vitrine/internal/postgres"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// otherEncoder sees a picture's values in reverse order, twice as long. It fails from the call on
// that fails at, if that is above 0.
type otherEncoder struct {
	toyEncoder
	done, failAt atomic.Int64
}

func (*otherEncoder) Name() string { return "other@1" }
func (*otherEncoder) Dims() int    { return 2 * toyDims }

var errEncoder = errors.New("the encoder gave up")

func (e *otherEncoder) Encode(_ context.Context, tensor []float32) ([]float32, error) {
	n := e.done.Add(1)
	if at := e.failAt.Load(); at > 0 && n >= at {
		return nil, errEncoder
	}
	out := slices.Repeat(tensor, 2)
	slices.Reverse(out)
	return out, nil
}

func (e *otherEncoder) OpenEncoder(_ context.Context, name string) (engine.Encoder, error) {
	if name == "other" || name == "other@1" {
		return e, nil
	}
	return nil, fmt.Errorf("encoder %s: %w", name, recsys.ErrNotFound)
}

func (e *otherEncoder) ListEncoders() ([]engine.EncoderInfo, error) {
	return []engine.EncoderInfo{{Name: e.Name(), Dims: e.Dims()}}, nil
}

// replica is an engine that knows another encoder besides.
func replica(t *testing.T, dsn string) (bundle, *otherEncoder) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	config := postgres.DefaultConfig()
	config.URL, config.Log = dsn, log
	store, err := postgres.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	other, toy := new(otherEncoder), new(toyEncoder)
	settings := engine.DefaultConfig()
	settings.Recipe.ALS.Factors = 16
	e, err := engine.New(settings, engine.Deps{Store: store, Encoder: toy, Encoders: other, Log: log, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return bundle{e, store, toy, dsn}, other
}

// pictured is an item with a picture of its own, in one of three groups.
func pictured(n int) engine.Registration {
	values := make([]float32, toyDims)
	values[n%3], values[3+n%5] = 4, float32(n%97)/97
	values[7] = float32(n) / 1000
	return engine.Registration{Item: recsys.Item{ItemID: fmt.Sprintf("item-%03d", n)}, Image: picture(values...)}
}

func picturedItems(from, to int) (out []engine.Registration) {
	for n := from; n < to; n++ {
		out = append(out, pictured(n))
	}
	return out
}

// Another encoder goes live while two replicas register items and answer: nothing registered
// is lost or left in the old space, and every answer is of one space.
func TestAnotherEncoderGoesLiveWhileItemsArrive(t *testing.T) {
	t.Parallel()
	dsn := pgtest.New(t)
	a, _ := replica(t, dsn)
	b, _ := replica(t, dsn)
	a.register(t, picturedItems(0, 60)...)
	if _, err := a.FitSpace(t.Context(), engine.FitOrder{}, silent); err != nil {
		t.Fatal(err)
	}
	if err := b.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	stop := make(chan struct{})
	var registered [2]int
	for w, e := range []bundle{a, b} {
		wg.Go(func() {
			for n := 100 + 500*w; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				item := pictured(n)
				if got := e.RegisterItems(t.Context(), []engine.Registration{item}); got[0].Err != nil {
					t.Errorf("register: %v", got[0].Err)
					return
				}
				registered[w]++
				if _, err := e.FindSimilarItems(t.Context(), engine.SimilarQuery{ItemID: item.Item.ItemID, PageSize: 5, MinSimilarity: -1}); err != nil {
					t.Errorf("%s cannot be found when it is registered: %v", item.Item.ItemID, err)
					return
				}
			}
		})
	}
	made, err := b.FitSpace(t.Context(), engine.FitOrder{Encoder: "other", Reason: "test"}, silent)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	close(stop)
	wg.Wait()
	if err := b.EncodePictures(t.Context(), "", 0, silent); err != nil {
		t.Fatal(err)
	}
	want := 60 + registered[0] + registered[1]
	for _, e := range []bundle{a, b} {
		if err := e.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s := e.Stats(); s.Items != want || s.Vectors != want || e.Encoder().Name() != "other@1" {
			t.Errorf("%+v with encoder %s, want %d of each with other@1", s, e.Encoder().Name(), want)
		}
	}
	if lacking, all, err := a.store.CountImages(t.Context(), "other@1"); lacking != 0 || all != want || err != nil {
		t.Errorf("%d of %d pictures have no output (%v)", lacking, all, err)
	}
	spaces, err := a.Spaces(t.Context())
	if err != nil || len(spaces) != 3 || !spaces[0].Live || spaces[0].ID != made.ID || spaces[0].Lineage.Parent != spaces[1].ID.String() || spaces[0].Lineage.Reason != "test" {
		t.Errorf("spaces: %+v, %v", spaces, err)
	}
	known, err := a.Encoders()
	if want := []engine.EncoderInfo{{Name: "other@1", Dims: 2 * toyDims, Live: true}, {Name: "toy@1", Dims: toyDims}}; err != nil || !slices.Equal(known, want) {
		t.Errorf("encoders: %+v, %v", known, err)
	}
	near, err := a.FindSimilarItems(t.Context(), engine.SimilarQuery{ItemID: "item-000", PageSize: 5, MinSimilarity: -1})
	if err != nil || near.Space != made.ID {
		t.Errorf("answered by %v, %v", near.Space, err)
	}
}

// What was interrupted goes on where it stopped, and the live space does not notice.
func TestEncodingGoesOnWhereItStopped(t *testing.T) {
	t.Parallel()
	b, other := replica(t, pgtest.New(t))
	b.register(t, picturedItems(0, 120)...)
	before, err := b.FitSpace(t.Context(), engine.FitOrder{}, silent)
	if err != nil {
		t.Fatal(err)
	}
	other.failAt.Store(60)
	if _, err := b.FitSpace(t.Context(), engine.FitOrder{Encoder: "other"}, silent); !errors.Is(err, errEncoder) {
		t.Fatalf("an encoder that gives up: %v", err)
	}
	lacking, _, err := b.store.CountImages(t.Context(), "other@1")
	if err != nil || lacking == 0 || lacking == 120 {
		t.Fatalf("%d pictures are left of 120 (%v)", lacking, err)
	}
	if near, err := b.FindSimilarItems(t.Context(), engine.SimilarQuery{ItemID: "item-000", PageSize: 5}); err != nil || near.Space != before.ID {
		t.Errorf("meanwhile answered by %v, %v", near.Space, err)
	}
	other.failAt.Store(0)
	other.done.Store(0)
	made, err := b.FitSpace(t.Context(), engine.FitOrder{Encoder: "other@1"}, silent)
	if err != nil {
		t.Fatal(err)
	}
	if n := other.done.Load(); int(n) != lacking {
		t.Errorf("%d pictures were encoded, %d were left", n, lacking)
	}
	if err := b.ActivateSpace(t.Context(), before.ID, silent); err != nil {
		t.Fatal(err)
	}
	near, err := b.FindSimilarItems(t.Context(), engine.SimilarQuery{ItemID: "item-000", PageSize: 5})
	if err != nil || near.Space != before.ID || b.Encoder().Name() != "toy@1" {
		t.Errorf("rolled back: answered by %v, %v", near.Space, err)
	}
	if id, err := b.PreviousSpace(t.Context()); id != made.ID || err != nil {
		t.Errorf("the space before is %v, %v; want %v", id, err, made.ID)
	}
}

// Two processes share the pictures: each is encoded once.
func TestReplicasShareEncoding(t *testing.T) {
	t.Parallel()
	dsn := pgtest.New(t)
	a, inA := replica(t, dsn)
	b, inB := replica(t, dsn)
	a.register(t, picturedItems(0, 200)...)
	var wg sync.WaitGroup
	for _, e := range []bundle{a, b} {
		wg.Go(func() {
			if err := e.EncodePictures(t.Context(), "other", 2000, silent); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n, m := inA.done.Load(), inB.done.Load(); n+m != 200 {
		t.Errorf("%d and %d pictures were encoded, want 200 together", n, m)
	}
}

// A space that is judged worse is stored and does not go live.
func TestASpaceThatIsWorseDoesNotGoLive(t *testing.T) {
	t.Parallel()
	b, _ := replica(t, pgtest.New(t))
	b.register(t, picturedItems(0, 40)...)
	before, err := b.FitSpace(t.Context(), engine.FitOrder{}, silent)
	if err != nil {
		t.Fatal(err)
	}
	made, err := b.FitSpace(t.Context(), engine.FitOrder{Encoder: "other", Judge: func(_ context.Context, c engine.SpaceCandidate) (engine.SpaceVerdict, error) {
		if len(c.LiveInputs) != 40 || len(c.NewInputs[7].Image) != 2*toyDims || len(c.LiveInputs[7].Image) != toyDims {
			t.Errorf("the judge sees %d and %d items", len(c.LiveInputs), len(c.NewInputs))
		}
		return engine.SpaceVerdict{Reason: "worse"}, nil
	}}, silent)
	if err != nil || made.Live || made.ID == before.ID {
		t.Fatalf("%+v, %v", made, err)
	}
	if near, err := b.FindSimilarItems(t.Context(), engine.SimilarQuery{ItemID: "item-000", PageSize: 5}); err != nil || near.Space != before.ID {
		t.Errorf("answered by %v, %v", near.Space, err)
	}
	spaces, err := b.Spaces(t.Context())
	if err != nil || spaces[0].ID != made.ID || spaces[0].Live || spaces[0].Lineage.Verdict.Reason != "worse" || spaces[0].Vectors != 0 {
		t.Errorf("stored: %+v, %v", spaces, err)
	}
}

// A shop whose encoder is gone is not served by another.
func TestUnknownEncoder(t *testing.T) {
	t.Parallel()
	b, _ := replica(t, pgtest.New(t))
	b.register(t, picturedItems(0, 30)...)
	if _, err := b.FitSpace(t.Context(), engine.FitOrder{Encoder: "missing"}, silent); !errors.Is(err, recsys.ErrNotFound) {
		t.Errorf("an encoder that is not there: %v", err)
	}
	if _, err := b.FitSpace(t.Context(), engine.FitOrder{Encoder: "other"}, silent); err != nil {
		t.Fatal(err)
	}
	e, err := engine.New(engine.DefaultConfig(), engine.Deps{Store: b.store, Encoder: new(toyEncoder), Log: slog.New(slog.DiscardHandler), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Load(t.Context()); !errors.Is(err, recsys.ErrIncompatible) {
		t.Errorf("loaded without its encoder: %v", err)
	}
}
