package engine_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/pgtest"
	"github.com/seed-473295a7/vitrine/internal/postgres"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// toyEncoder reads a picture as eight little-endian float32: tests plant what a picture shows.
// The real encoder has its own tests and those of the command.
type toyEncoder struct {
	mu    sync.Mutex
	calls int
}

const toyDims = 8

func (*toyEncoder) Name() string { return "toy@1" }
func (*toyEncoder) Dims() int    { return toyDims }

func (*toyEncoder) Tensor(image []byte) ([]float32, error) {
	tensor := make([]float32, toyDims)
	if len(image) != 4*toyDims {
		return nil, recsys.Invalid("", "is no picture")
	}
	return tensor, binary.Read(bytes.NewReader(image), binary.LittleEndian, tensor)
}

func (e *toyEncoder) Encode(_ context.Context, tensor []float32) ([]float32, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calls++
	return tensor, nil
}

func picture(values ...float32) []byte {
	var b bytes.Buffer
	full := make([]float32, toyDims)
	copy(full, values)
	_ = binary.Write(&b, binary.LittleEndian, full)
	return b.Bytes()
}

type bundle struct {
	*engine.Engine
	store   *postgres.Store
	encoder *toyEncoder
	dsn     string
}

func silent(string, int, int) {}

func open(t *testing.T, dsn string) bundle {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	config := postgres.DefaultConfig()
	config.URL, config.Log = dsn, log
	store, err := postgres.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	encoder := new(toyEncoder)
	settings := engine.DefaultConfig()
	settings.Recipe.ALS.Factors = 16
	e, err := engine.New(settings, engine.Deps{Store: store, Encoder: encoder, Log: log, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return bundle{e, store, encoder, dsn}
}

func setup(t *testing.T) bundle { return open(t, pgtest.New(t)) }

func (b bundle) register(t *testing.T, items ...engine.Registration) {
	t.Helper()
	for i, r := range b.RegisterItems(t.Context(), items) {
		if r.Err != nil {
			t.Fatalf("item %s: %v", items[i].Item.ItemID, r.Err)
		}
	}
}

func (b bundle) record(t *testing.T, list ...recsys.Interaction) {
	t.Helper()
	writes := make([]engine.InteractionWrite, len(list))
	for i, in := range list {
		writes[i].Interaction = in
	}
	for _, r := range b.RecordInteractions(t.Context(), writes) {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
}

func (b bundle) recommend(t *testing.T, q engine.RecommendQuery) engine.Recommendations {
	t.Helper()
	if q.PageSize == 0 {
		q.PageSize = 20
	}
	list, err := b.Recommend(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range list.Items {
		if math.IsNaN(r.Score) || math.Abs(r.Breakdown.Score()-r.Score) > 1e-9 || i > 0 && r.Score > list.Items[i-1].Score+1e-9 {
			t.Errorf("%s: score %v, parts sum to %v", r.ItemID, r.Score, r.Breakdown.Score())
		}
	}
	return list
}

// settle does what the jobs would do.
func (b bundle) settle(t *testing.T) {
	t.Helper()
	if err := b.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	for b.Pending() > 0 {
		if _, err := b.FoldIn(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func ids(list engine.Recommendations) []string {
	var out []string
	for _, r := range list.Items {
		out = append(out, r.ItemID)
	}
	return out
}

func like(user, item string) recsys.Interaction {
	return recsys.Interaction{Actor: recsys.User(user), ItemID: item, Type: recsys.Like}
}

// twoTastes plants a shop: 40 items of each of two kinds, 60 users who like one kind each.
// The kind shows in picture and category, and both are noisy.
func twoTastes(t *testing.T, b bundle) {
	t.Helper()
	r := rand.New(rand.NewPCG(5, 5))
	var items []engine.Registration
	for i := range 80 {
		items = append(items, kindItem(fmt.Sprintf("%s-%02d", kinds[i%2], i/2), i%2, r))
	}
	b.register(t, items...)
	var list []recsys.Interaction
	for u := range 60 {
		for _, i := range r.Perm(40)[:12] {
			list = append(list, like(fmt.Sprintf("u%02d", u), fmt.Sprintf("%s-%02d", kinds[u%2], i)))
		}
	}
	b.record(t, list...)
	if err := b.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
}

var kinds = [2]string{"land", "port"}

func kindItem(id string, kind int, r *rand.Rand) engine.Registration {
	values := make([]float32, toyDims)
	for i := range values {
		values[i] = float32(.3 * r.NormFloat64())
	}
	values[kind]++
	return engine.Registration{Image: picture(values...), Item: recsys.Item{ItemID: id, Title: id,
		Attributes: map[string]recsys.Attribute{"category": recsys.Labels(kinds[kind]), "price": recsys.Number(10 + 5*r.Float64())}}}
}

func TestTrainedShop(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	twoTastes(t, b)
	if !b.SpaceIsStale() || !b.TrainIsDue() {
		t.Errorf("space stale %v, training due %v, want both", b.SpaceIsStale(), b.TrainIsDue())
	}
	made, err := b.FitSpace(ctx, engine.FitOrder{}, silent)
	if err != nil {
		t.Fatal(err)
	}
	model, run, err := b.Train(ctx, silent)
	if err != nil {
		t.Fatal(err)
	}
	if run.Items != 80 || run.Users != 60 || run.Rows != 720 || b.TrainIsDue() || b.SpaceIsStale() {
		t.Errorf("training: %+v", run)
	}
	list := b.recommend(t, engine.RecommendQuery{Actor: recsys.User("u00")})
	if list.Strategy != engine.StrategyBlend || list.Space != made.ID || list.Model != model || list.FallbackReason != engine.FallbackNone {
		t.Errorf("answered by %v %v, strategy %v, fallback %v", list.Space, list.Model, list.Strategy, list.FallbackReason)
	}
	other := 0
	for _, r := range list.Items[:10] {
		if r.ItemID[:4] != kinds[0] {
			other++ // sixty users leave some noise in the factors
		}
		if len(r.ReasonItemIDs) == 0 || r.ReasonItemIDs[0][:4] != kinds[0] {
			t.Errorf("%s because of %v", r.ItemID, r.ReasonItemIDs)
		}
	}
	if other > 1 {
		t.Errorf("a lover of %s is shown %d others among ten: %v", kinds[0], other, ids(list))
	}

	t.Run("a new item ranks where its content says, before anybody touched it", func(t *testing.T) {
		r := rand.New(rand.NewPCG(9, 9))
		b.register(t, kindItem("land-new", 0, r), kindItem("port-new", 1, r))
		list := b.recommend(t, engine.RecommendQuery{Actor: recsys.User("u02"), PageSize: 70})
		landed, ported := slices.Index(ids(list), "land-new"), slices.Index(ids(list), "port-new")
		if landed < 0 || landed > 45 || ported >= 0 && ported < landed {
			t.Errorf("land-new at %d, port-new at %d", landed, ported)
		}
		fresh := list.Items[landed]
		if fresh.InteractionCount != 0 || fresh.Breakdown.Collaborative != 0 || fresh.Breakdown.Content == 0 {
			t.Errorf("a cold item's score: %+v", fresh)
		}
	})
	t.Run("fold-in moves a new item that the other half likes", func(t *testing.T) {
		at := func() int {
			return slices.Index(ids(b.recommend(t, engine.RecommendQuery{Actor: recsys.User("u01"), PageSize: 82})), "land-new")
		}
		before := at()
		var list []recsys.Interaction
		for u := 3; u < 60; u += 2 {
			list = append(list, like(fmt.Sprintf("u%02d", u), "land-new"))
		}
		b.record(t, list...)
		b.settle(t)
		if after := at(); after < 0 || before >= 0 && after >= before {
			t.Errorf("land-new went from %d to %d for a lover of %s", before, after, kinds[1])
		}
	})
	t.Run("a new user is folded in at once", func(t *testing.T) {
		b.record(t, like("new", "port-03"), like("new", "port-07"))
		list := b.recommend(t, engine.RecommendQuery{Actor: recsys.User("new"), PageSize: 10})
		if list.Strategy != engine.StrategyBlend || list.Items[0].ItemID[:4] != kinds[1] {
			t.Errorf("%v: %v", list.Strategy, ids(list))
		}
	})
	t.Run("context items turn the list", func(t *testing.T) {
		list := b.recommend(t, engine.RecommendQuery{Actor: recsys.User("u00"), ContextItemIDs: []string{"port-05"}, PageSize: 30})
		other := 0
		for _, id := range ids(list) {
			if id[:4] == kinds[1] {
				other++
			}
		}
		if other == 0 || slices.Contains(ids(list), "port-05") {
			t.Errorf("%d of the context's kind: %v", other, ids(list))
		}
	})
	t.Run("a restart answers the same", func(t *testing.T) {
		again := open(t, b.dsn)
		b.settle(t)
		again.settle(t)
		want := b.recommend(t, engine.RecommendQuery{Actor: recsys.User("u04")})
		got := again.recommend(t, engine.RecommendQuery{Actor: recsys.User("u04")})
		if diff := cmp.Diff(ids(want), ids(got)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("training is deterministic", func(t *testing.T) {
		_, first, err := b.Train(ctx, silent)
		if err != nil {
			t.Fatal(err)
		}
		want := b.recommend(t, engine.RecommendQuery{Actor: recsys.User("u06")})
		_, second, err := b.Train(ctx, silent)
		if err != nil {
			t.Fatal(err)
		}
		got := b.recommend(t, engine.RecommendQuery{Actor: recsys.User("u06")})
		got.RecommendationID, got.Model = want.RecommendationID, want.Model
		// Items are a moment older the second time, so that a little less of their fold-in is left.
		if diff := cmp.Diff(want, got, cmpopts.EquateApprox(0, 1e-5)); diff != "" || first.Digest != second.Digest {
			t.Errorf("digest %s then %s: %s", first.Digest, second.Digest, diff)
		}
	})
}

// Two engines on one store: what one writes, the other answers after Sync.
func TestOtherProcessesAreFollowed(t *testing.T) {
	t.Parallel()
	a := setup(t)
	b := open(t, a.dsn)
	twoTastes(t, a)
	if err := b.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(b.recommend(t, engine.RecommendQuery{PageSize: 200}).Items); n != 80 {
		t.Errorf("the other process knows %d items, want 80", n)
	}
	if _, err := a.FitSpace(t.Context(), engine.FitOrder{}, silent); err != nil {
		t.Fatal(err)
	}
	model, _, err := a.Train(t.Context(), silent)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.DeleteItem(t.Context(), "land-00", false, recsys.RequestID{}); err != nil {
		t.Fatal(err)
	}
	// b has not followed yet: what it registers must survive the change of space and model.
	b.register(t, engine.Registration{Item: recsys.Item{ItemID: "late", Attributes: map[string]recsys.Attribute{"category": recsys.Labels("land")}}})
	if err := b.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	list := b.recommend(t, engine.RecommendQuery{Actor: recsys.User("u01"), PageSize: 200})
	if list.Model != model || !slices.Contains(ids(list), "late") || slices.Contains(ids(list), "land-00") {
		t.Errorf("after Sync: %v, late %v, land-00 %v", list.Model, slices.Contains(ids(list), "late"), slices.Contains(ids(list), "land-00"))
	}
	similar, err := b.FindSimilarItems(t.Context(), engine.SimilarQuery{ItemID: "late", PageSize: 5, MinSimilarity: -1})
	if err != nil || len(similar.Items) != 5 || similar.Items[0].ItemID[:4] != "land" {
		t.Errorf("similar to an item registered across a change of space: %v, %v", similar, err)
	}
}

func TestUpdateKeepsWhatOthersWrite(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.register(t, engine.Registration{Item: recsys.Item{ItemID: "a"}, Image: picture(1)})
	var wg sync.WaitGroup
	var failed sync.Map
	for i := range 4 {
		wg.Go(func() {
			_, err := b.UpdateItem(t.Context(), engine.ItemUpdate{ItemID: "a", Change: func(it *recsys.Item) error {
				changed := map[string]recsys.Attribute{fmt.Sprint("k", i): recsys.Number(float64(i))}
				for k, v := range it.Attributes {
					changed[k] = v
				}
				it.Attributes = changed
				return nil
			}})
			if err != nil {
				failed.Store(i, err)
			}
		})
	}
	wg.Wait()
	row, err := b.store.Item(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	lost := 0
	failed.Range(func(_, err any) bool {
		lost++
		if !errors.Is(err.(error), recsys.ErrConflict) {
			t.Errorf("update: %v", err)
		}
		return true
	})
	if len(row.Item.Attributes)+lost != 4 || len(row.Item.ImageDigest) == 0 {
		t.Errorf("4 updates, %d refused, left %v", lost, row.Item.Attributes)
	}
}

func TestTheSamePictureIsEncodedOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for i := range 3 {
		b.register(t, engine.Registration{Item: recsys.Item{ItemID: fmt.Sprint(i)}, Image: picture(1, 2)})
	}
	if b.encoder.calls != 1 {
		t.Errorf("the encoder ran %d times for one picture", b.encoder.calls)
	}
	bad := b.RegisterItems(t.Context(), []engine.Registration{
		{Item: recsys.Item{ItemID: "bad"}, Image: []byte("x")}, {Item: recsys.Item{ItemID: "good"}, Image: picture(3)}})
	var fault *recsys.FieldError
	if !errors.As(bad[0].Err, &fault) || fault.Field != "item.image" || bad[1].Err != nil {
		t.Errorf("a bad picture beside a good one: %v, %v", bad[0].Err, bad[1].Err)
	}
}

// Too little to train on, in every way: a clear error, and the shop goes on.
func TestTooLittleToTrainOn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	train := func(name string) {
		if _, _, err := b.Train(t.Context(), silent); !errors.Is(err, recsys.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := b.FitSpace(t.Context(), engine.FitOrder{}, silent); !errors.Is(err, recsys.ErrInvalid) {
		t.Errorf("fit of an empty catalogue: %v", err)
	}
	train("nothing")
	b.register(t, engine.Registration{Item: recsys.Item{ItemID: "a"}}, engine.Registration{Item: recsys.Item{ItemID: "b"}})
	train("no interactions")
	b.record(t, like("u", "a"), like("u", "b"))
	train("one user")
	b.record(t, like("v", "unknown item"))
	train("one user with registered items")
	b.record(t, like("v", "a"), like("v", "b"))
	if _, _, err := b.Train(t.Context(), silent); err != nil {
		t.Errorf("two users, two items: %v", err)
	}
	b.recommend(t, engine.RecommendQuery{Actor: recsys.User("u")})
	b.recommend(t, engine.RecommendQuery{Actor: recsys.User("u"), IncludeSeen: true})
}

// Readers see whole States while writers, training and deletion go on.
func TestReadersNeverSeeHalfAChange(t *testing.T) {
	t.Parallel()
	b := setup(t)
	twoTastes(t, b)
	if _, _, err := b.Train(t.Context(), silent); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var readers sync.WaitGroup
	for u := range 4 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				b.recommend(t, engine.RecommendQuery{Actor: recsys.User(fmt.Sprintf("u%02d", u)), Diversity: .5, ContextItemIDs: []string{"land-01"}})
				if _, err := b.FindSimilarItems(t.Context(), engine.SimilarQuery{ItemID: "port-01", PageSize: 10, MinSimilarity: -1}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	r := rand.New(rand.NewPCG(1, 1))
	for i := range 20 {
		id := fmt.Sprintf("land-x%d", i)
		b.register(t, kindItem(id, 0, r))
		b.record(t, like("u00", id))
		if i%5 == 4 {
			if err := b.DeleteItem(t.Context(), id, false, recsys.RequestID{}); err != nil {
				t.Error(err)
			}
			if slices.Contains(ids(b.recommend(t, engine.RecommendQuery{PageSize: 200})), id) {
				t.Errorf("%s is answered after it was deleted", id)
			}
		}
		if err := b.Sync(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if _, err := b.FitSpace(t.Context(), engine.FitOrder{}, silent); err != nil {
		t.Error(err)
	}
	if _, _, err := b.Train(t.Context(), silent); err != nil {
		t.Error(err)
	}
	close(done)
	readers.Wait()
}
