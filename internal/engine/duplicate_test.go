package engine_test

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/pgtest"
	"github.com/seed-473295a7/vitrine/internal/postgres"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// bandEncoder sees grey pictures of 34 × 34 bytes and gives the brightness of eight bands of rows:
// the same for a picture and its mirror image, and for all that differ from left to right only.
type bandEncoder struct{}

const bandSide = 34

func (bandEncoder) Name() string { return "bands@1" }
func (bandEncoder) Dims() int    { return 8 }

func (bandEncoder) Tensor(image []byte) ([]float32, error) {
	if len(image) != bandSide*bandSide {
		return nil, recsys.Invalid("", "is no picture")
	}
	tensor := make([]float32, 0, 3*len(image))
	for range 3 {
		for _, v := range image {
			tensor = append(tensor, float32(v)/64)
		}
	}
	return tensor, nil
}

func (bandEncoder) Encode(_ context.Context, tensor []float32) ([]float32, error) {
	out := make([]float32, 8)
	for i, v := range tensor[:bandSide*bandSide] {
		out[i*8/(bandSide*bandSide)] += v
	}
	return out, nil
}

// waves is a picture of its own for every seed.
func waves(seed int) []byte {
	out := make([]byte, bandSide*bandSide)
	for i := range out {
		x, y := i%bandSide, i/bandSide
		out[i] = byte(60 + (x*(3+seed)+y*seed*2)%97 + x*x*seed%53)
	}
	return out
}

func TestDuplicateOf(t *testing.T) {
	t.Parallel()
	dsn := pgtest.New(t)
	log := slog.New(slog.DiscardHandler)
	config := postgres.DefaultConfig()
	config.URL, config.Log = dsn, log
	store, err := postgres.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	settings := engine.DefaultConfig()
	settings.Duplicates.CosineAlone = 1.1 // the bands say little: never by themselves
	e, err := engine.New(settings, engine.Deps{Store: store, Encoder: bandEncoder{}, Log: log, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	register := func(id string, image []byte, hidden, find bool) *engine.Duplicate {
		t.Helper()
		r := e.RegisterItems(t.Context(), []engine.Registration{{Item: recsys.Item{ItemID: id, Hidden: hidden}, Image: image, FindDuplicate: find}})[0]
		if r.Err != nil {
			t.Fatal(r.Err)
		}
		return r.DuplicateOf
	}
	original := waves(1)
	if d := register("original", original, true, true); d != nil {
		t.Errorf("the first item is a copy of %+v", d)
	}
	if d := register("original", original, true, true); d != nil {
		t.Errorf("an item sent again is a copy of %+v", d)
	}
	copied := slices.Clone(original)
	for i := range copied {
		copied[i] += byte(i % 2)
	}
	if d := register("unasked", copied, false, false); d != nil {
		t.Errorf("nobody asked, %+v was answered", d)
	}
	if err := e.DeleteItem(t.Context(), "unasked", false, recsys.RequestID{}); err != nil {
		t.Fatal(err)
	}
	if d := register("copy", copied, false, true); d == nil || d.ItemID != "original" || d.Mirrored || d.HashDistance > 20 || d.Similarity < .99 {
		t.Errorf("a copy of a hidden item is answered as one of %+v", d)
	}
	if d := register("other", waves(5), false, true); d != nil {
		t.Errorf("another picture is taken for a copy of %+v", d)
	}
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	if tag, err := conn.Exec(t.Context(), `UPDATE encoder_output SET picture_hash = NULL`); err != nil || tag.RowsAffected() != 3 {
		t.Fatalf("%v: %v", tag, err)
	}
	mirror := slices.Clone(original)
	for y := range bandSide {
		slices.Reverse(mirror[y*bandSide : (y+1)*bandSide])
	}
	if d := register("mirror image", mirror, false, true); d == nil || d.ItemID == "other" || !d.Mirrored || d.HashDistance > 4 {
		t.Errorf("a mirror image, with no hash stored, is answered as one of %+v", d)
	}
}

func TestDuplicateRule(t *testing.T) {
	t.Parallel()
	r := engine.DefaultDuplicateRule()
	for _, c := range []struct {
		cosine   float64
		distance int
		want     bool
	}{{.98, 256, true}, {.65, 32, true}, {.65, 33, false}, {.59, 0, false}} {
		if got := r.Holds(c.cosine, c.distance); got != c.want {
			t.Errorf("cosine %v at %d bits: %v, want %v", c.cosine, c.distance, got, c.want)
		}
	}
	if err := (engine.DuplicateRule{HashDistance: 300, Cosine: .9, CosineAlone: .8}).Validate(); err == nil {
		t.Error("a rule of nonsense is valid")
	}
}
