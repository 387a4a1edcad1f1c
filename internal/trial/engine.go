package trial

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/evaluate"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// frozen is an encoder that encodes nothing more: its outputs are in the store.
type frozen struct {
	name string
	dims int
}

func (f frozen) Name() string { return f.name }
func (f frozen) Dims() int    { return f.dims }

func (frozen) Tensor([]byte) ([]float32, error) {
	return nil, fmt.Errorf("a trial encodes no picture: %w", recsys.ErrUnimplemented)
}

func (frozen) Encode(context.Context, []float32) ([]float32, error) {
	return nil, fmt.Errorf("a trial encodes no picture: %w", recsys.ErrUnimplemented)
}

// frozenTexts is frozen for texts.
type frozenTexts struct{ name string }

func (f frozenTexts) Name() string { return f.name }

func (frozenTexts) Tokens(string) []int64 { return nil }

func (frozenTexts) Encode(context.Context, []int64) ([]float32, error) {
	return nil, fmt.Errorf("a trial encodes no text: %w", recsys.ErrUnimplemented)
}

// Engine is an engine over a store in memory whose clock stands still.
type Engine struct {
	*engine.Engine
	store *Store
}

// Catalog is what trials are made of: items with what encoders made of their pictures and texts.
type Catalog struct {
	Store       *Store
	EncoderName string
	EncoderDims int
	TextEncoder string // its name; "": texts take no part
}

func silent(string, int, int) {}

// open loads an engine over a store.
func (c Catalog) open(ctx context.Context, store *Store, config engine.Config, now time.Time) (*Engine, error) {
	deps := engine.Deps{Store: store, Encoder: frozen{c.EncoderName, c.EncoderDims},
		Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return now }}
	if c.TextEncoder != "" {
		deps.TextEncoder = frozenTexts{c.TextEncoder}
	}
	e, err := engine.New(config, deps)
	if err != nil {
		return nil, err
	}
	return &Engine{e, store}, e.Load(ctx)
}

// longAgo is when the items of a catalogue were born, for all that a protocol knows: nothing is
// new but what it registers after the training.
var longAgo = time.Unix(0, 0)

// before is the catalogue as it was before a fold's new items: old, shown, and without them.
func (c Catalog) before(fold evaluate.Fold, change func(*recsys.Item)) *Store {
	fresh := make(map[string]bool, len(fold.New))
	for _, id := range fold.New {
		fresh[id] = true
	}
	return c.Store.View(fold.Train, func(it *recsys.Item) bool {
		it.CreateTime, it.AvailableTime, it.ExpireTime = longAgo, time.Time{}, time.Time{}
		change(it)
		return !fresh[it.ItemID] && !it.Hidden
	})
}

// arrive registers the fold's new items.
func (e *Engine) arrive(ctx context.Context, from *Store, fold evaluate.Fold) error {
	if len(fold.New) == 0 {
		return nil
	}
	e.store.Add(from, fold.New, fold.Now)
	return e.Load(ctx)
}

// reveal records interactions and does what the jobs would.
func (e *Engine) reveal(ctx context.Context, interactions []recsys.Interaction) error {
	if len(interactions) == 0 {
		return nil
	}
	writes := make([]engine.InteractionWrite, len(interactions))
	for i, in := range interactions {
		writes[i].Interaction = in
	}
	if _, err := e.store.PutInteractions(ctx, writes); err != nil {
		return err
	}
	if err := e.Sync(ctx); err != nil {
		return err
	}
	for e.Pending() > 0 {
		if _, err := e.FoldIn(ctx); err != nil {
			return err
		}
	}
	return nil
}
