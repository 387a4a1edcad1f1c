package engine

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/space"
)

// Progress is told how far long work has come; total 0 means that it is not known.
type Progress func(stage string, done, total int)

// catalogScan is the whole catalogue as read for a fit: items without raw outputs.
type catalogScan struct {
	rows []ItemRow
	at   map[string]int
	head Head
}

func withoutVectors(Head) int64 { return math.MaxInt64 }

func (e *Engine) scanCatalog(ctx context.Context) (catalogScan, error) {
	scan := catalogScan{at: make(map[string]int)}
	var err error
	scan.head, err = e.store.Load(ctx, e.config.PopularityHalfLife, withoutVectors, func(row ItemRow) error {
		row.Vector = nil
		scan.at[row.Item.ItemID] = len(scan.rows)
		scan.rows = append(scan.rows, row)
		return nil
	})
	if err != nil {
		return scan, fmt.Errorf("read the catalogue: %w", err)
	}
	return scan, nil
}

// sample reads the inputs of at most limit items, chosen with a fixed seed.
func (e *Engine) sample(ctx context.Context, scan catalogScan, limit int) ([]space.Input, error) {
	chosen := scan.rows
	if len(chosen) > limit {
		order := rand.New(rand.NewPCG(1, 2)).Perm(len(scan.rows))[:limit]
		slices.Sort(order)
		chosen = make([]ItemRow, limit)
		for i, at := range order {
			chosen[i] = scan.rows[at]
		}
	}
	return e.inputs(ctx, chosen)
}

// InferSchema says how the attributes of the stored catalogue would be embedded.
func (e *Engine) InferSchema(ctx context.Context) (space.Schema, error) {
	scan, err := e.scanCatalog(ctx)
	if err != nil {
		return space.Schema{}, err
	}
	inputs, err := e.sample(ctx, scan, e.config.FitSample)
	if err != nil {
		return space.Schema{}, err
	}
	return space.Infer(inputs, space.DefaultInferConfig()), nil
}

// FitSpace fits an embedding space to the catalogue, embeds every item in it from the stored
// encoder outputs and makes it the live one; requests are answered from the old one until
// then. schema nil keeps the schema the shop gave earlier, else infers one. An empty catalogue
// is recsys.ErrInvalid.
func (e *Engine) FitSpace(ctx context.Context, schema *space.Schema, progress Progress) (recsys.SpaceID, error) {
	release, err := e.exclusively(ctx, "fit-space")
	if err != nil {
		return 0, err
	}
	defer release()
	scan, err := e.scanCatalog(ctx)
	if err != nil {
		return 0, err
	}
	if len(scan.rows) == 0 {
		return 0, fmt.Errorf("fit an embedding space: the catalogue is empty: %w", recsys.ErrInvalid)
	}
	fitted, given, err := e.fit(ctx, scan, schema, progress)
	if err != nil {
		return 0, err
	}
	stored, err := encodeRecipe(fitted, given)
	if err != nil {
		return 0, err
	}
	id, err := e.store.CreateSpace(ctx, recsys.SpaceRecord{Encoder: e.encoder.Name(), Dims: fitted.Dims(), Recipe: stored})
	if err != nil {
		return 0, fmt.Errorf("store the embedding space: %w", err)
	}
	if err := e.reembed(ctx, id, fitted, scan.rows, progress); err != nil {
		return 0, err
	}
	err = e.store.ActivateSpace(ctx, id, scan.head.CatalogSeq, func(rows []ItemRow) ([][]float32, error) {
		return e.embedRows(ctx, fitted, rows)
	})
	if err != nil {
		return 0, fmt.Errorf("activate %v: %w", id, err)
	}
	return id, e.Sync(ctx)
}

func (e *Engine) fit(ctx context.Context, scan catalogScan, schema *space.Schema, progress Progress) (*space.Space, bool, error) {
	progress("fit embedding space", 0, 1)
	inputs, err := e.sample(ctx, scan, e.config.FitSample)
	if err != nil {
		return nil, false, err
	}
	given := schema != nil
	if schema == nil && scan.head.Space != nil {
		if live, err := decodeRecipe(scan.head.Space.Recipe); err == nil && live.schemaGiven {
			kept := live.space.Schema()
			schema, given = &kept, true
		}
	}
	if schema == nil {
		inferred := space.Infer(inputs, space.DefaultInferConfig())
		schema = &inferred
	}
	config := space.DefaultConfig()
	config.EncoderDims = e.encoder.Dims()
	fitted, err := space.Fit(ctx, inputs, *schema, config)
	if err != nil {
		return nil, false, fmt.Errorf("fit an embedding space: %w", err)
	}
	progress("fit embedding space", 1, 1)
	return fitted, given, nil
}

const embedBatch = 500

// reembed stores the vectors of all rows in a space that is not live yet.
func (e *Engine) reembed(ctx context.Context, id recsys.SpaceID, in *space.Space, rows []ItemRow, progress Progress) error {
	done := 0
	for batch := range slices.Chunk(rows, embedBatch) {
		vectors, err := e.embedRows(ctx, in, batch)
		if err != nil {
			return err
		}
		ids := make([]string, len(batch))
		for i := range batch {
			ids[i] = batch[i].Item.ItemID
		}
		if err := e.store.PutVectors(ctx, id, ids, vectors); err != nil {
			return fmt.Errorf("store vectors of %v: %w", id, err)
		}
		done += len(batch)
		progress("embed items", done, len(rows))
	}
	return nil
}

func (e *Engine) embedRows(ctx context.Context, in *space.Space, rows []ItemRow) ([][]float32, error) {
	inputs, err := e.inputs(ctx, rows)
	if err != nil {
		return nil, err
	}
	vectors := make([][]float32, len(rows))
	for i := range inputs {
		vectors[i] = in.Embed(inputs[i])
	}
	return vectors, nil
}

// SpaceIsStale reports whether the live space should be fitted anew: it was made before
// anything was known, or the catalogue has doubled since. Fewer than minFit items are too few.
func (e *Engine) SpaceIsStale() bool {
	const minFit = 20
	s := e.state.Load()
	if s.registered < minFit {
		return false
	}
	return s.space.Bootstrapped() || s.registered >= 2*s.space.FittedOn() && s.space.FittedOn() < e.config.FitSample
}

// exclusively takes the named job for this process; recsys.ErrConflict if another has it.
func (e *Engine) exclusively(ctx context.Context, name string) (release func(), err error) {
	release, ok, err := e.store.Lock(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
	if !ok {
		return nil, fmt.Errorf("%s runs in another process: %w", name, recsys.ErrConflict)
	}
	return release, nil
}
