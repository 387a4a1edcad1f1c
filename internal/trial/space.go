package trial

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/seed-473295a7/vitrine/internal/atlas"
	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/evaluate"
	"github.com/seed-473295a7/vitrine/internal/imageprep"
	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/space"
)

// Pictures holds small copies of pictures by item. Safe for concurrent use.
type Pictures struct {
	mu    sync.Mutex
	small map[string]*atlas.Picture
}

// NewPictures returns a collection without any.
func NewPictures() *Pictures { return &Pictures{small: make(map[string]*atlas.Picture)} }

// add makes small copies of registrations' pictures, as many at a time as there are processors;
// what cannot be decoded is passed over here and reported where it is embedded.
func (p *Pictures) add(items []engine.Registration) {
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	var work sync.WaitGroup
	for _, r := range items {
		if r.Image == nil {
			continue
		}
		work.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			decoded, err := imageprep.Decode(r.Image, imageprep.DefaultLimits())
			if err != nil {
				return
			}
			small := atlas.Small(decoded)
			p.mu.Lock()
			defer p.mu.Unlock()
			p.small[r.Item.ItemID] = small
		})
	}
	work.Wait()
}

// ImageStore hands out stored pictures, as *postgres.Store.
type ImageStore interface {
	Images(ctx context.Context, itemIDs []string, each func(itemID string, image []byte) error) error
}

// Read makes small copies of the pictures of items.
func (p *Pictures) Read(ctx context.Context, from ImageStore, items []atlas.Item, progress engine.Progress) error {
	const batch = 64
	for start := 0; start < len(items); start += batch {
		var ids []string
		for _, it := range items[start:min(start+batch, len(items))] {
			ids = append(ids, it.ID)
		}
		var read []engine.Registration
		err := from.Images(ctx, ids, func(itemID string, image []byte) error {
			read = append(read, engine.Registration{Item: recsys.Item{ItemID: itemID}, Image: slices.Clone(image)})
			return ctx.Err()
		})
		if err != nil {
			return fmt.Errorf("read pictures: %w", err)
		}
		p.add(read)
		progress("read pictures", min(start+batch, len(items)), len(items))
	}
	return nil
}

// Show puts the small copies into items.
func (p *Pictures) Show(items []atlas.Item) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range items {
		items[i].Picture = p.small[items[i].ID]
	}
}

// keeping is a sink that also makes small copies.
type keeping struct {
	*engine.Engine
	pictures *Pictures
}

func (k keeping) RegisterItems(ctx context.Context, items []engine.Registration) []engine.Registered {
	k.pictures.add(items)
	return k.Engine.RegisterItems(ctx, items)
}

// Items returns at most most items that are not hidden, chosen by their ids and seed.
func (c Catalog) Items(most int, seed uint64) []atlas.Item {
	ids := c.shown()
	c.Store.mu.RLock()
	defer c.Store.mu.RUnlock()
	out := make([]atlas.Item, len(ids))
	for i, id := range ids {
		it := c.Store.items[id].item
		in := space.Input{Attributes: it.Attributes, Image: c.Store.outputs[output{c.EncoderName, string(it.ImageDigest)}]}
		if t, ok := c.Store.texts[output{c.TextEncoder, id}]; ok && t.Of(&it) {
			in.Text, in.TextEncoder = t.Raw, c.TextEncoder
		}
		out[i] = atlas.Item{ID: id, Title: it.Title, Input: in}
	}
	return atlas.Sample(out, most, seed)
}

// FitSpace fits a space to the catalogue as the engine would; schema nil keeps the one the shop
// gave, else infers one.
func (c Catalog) FitSpace(ctx context.Context, config engine.Config, schema *space.Schema, progress engine.Progress) (*space.Space, error) {
	e, err := c.open(ctx, c.Store.View(nil, func(*recsys.Item) bool { return true }), config, time.Now())
	if err != nil {
		return nil, err
	}
	if _, err := e.FitSpace(ctx, engine.FitOrder{Schema: schema}, progress); err != nil {
		return nil, err
	}
	_, fitted := e.Space()
	return fitted, nil
}

// ColdSpaces runs the cold-items protocol for recommenders that know content alone, one a schema, on the
// same folds; the first is the reference. Each space is fitted without the new items.
func ColdSpaces(ctx context.Context, catalog Catalog, log []recsys.Interaction, o Options, names []string, schemas []space.Schema) (*evaluate.Report, error) {
	o.Protocol, o.Only, o.Others = ColdItems, nil, nil
	for k := range schemas {
		o.Others = append(o.Others, Model{names[k], func(ctx context.Context, fold evaluate.Fold) (evaluate.Recommender, error) {
			return catalog.spacedBy(ctx, fold, o.Config, &schemas[k])
		}})
		o.Only = append(o.Only, names[k])
	}
	o.Only = append(o.Only, Popularity)
	r, err := collect(ctx, catalog, log, o)
	if err != nil {
		return nil, err
	}
	return r.reportAgainst(names[0]), nil
}
