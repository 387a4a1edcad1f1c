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

// sample reads the inputs of Config.FitSample items at most, chosen with a fixed seed.
func (e *Engine) sample(ctx context.Context, encoder Encoder, scan catalogScan) ([]space.Input, error) {
	chosen := scan.rows
	if limit := e.config.FitSample; len(chosen) > limit {
		order := rand.New(rand.NewPCG(1, 2)).Perm(len(scan.rows))[:limit]
		slices.Sort(order)
		chosen = make([]ItemRow, limit)
		for i, at := range order {
			chosen[i] = scan.rows[at]
		}
	}
	return e.inputs(ctx, encoder, chosen)
}

// InferSchema says how the attributes of the stored catalogue would be embedded.
func (e *Engine) InferSchema(ctx context.Context) (space.Schema, error) {
	scan, err := e.scanCatalog(ctx)
	if err != nil {
		return space.Schema{}, err
	}
	inputs, err := e.sample(ctx, e.state.Load().encoder, scan)
	if err != nil {
		return space.Schema{}, err
	}
	return space.Infer(inputs, space.DefaultInferConfig()), nil
}

const embedBatch = 500

// reembed stores the vectors of all rows in a space that is not live yet.
func (e *Engine) reembed(ctx context.Context, id recsys.SpaceID, in embedder, rows []ItemRow, progress Progress) error {
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

func (e *Engine) embedRows(ctx context.Context, in embedder, rows []ItemRow) ([][]float32, error) {
	inputs, err := e.inputs(ctx, in.encoder, rows)
	if err != nil {
		return nil, err
	}
	vectors := make([][]float32, len(rows))
	for i := range inputs {
		vectors[i] = in.space.Embed(inputs[i])
	}
	return vectors, nil
}

// Space returns the live embedding space and its id.
func (e *Engine) Space() (recsys.SpaceID, *space.Space) {
	s := e.state.Load()
	return s.spaceID, s.space
}

// DecodeSpace reads a stored embedding space. ErrIncompatible if it was made for another encoder than the live one.
func (e *Engine) DecodeSpace(record recsys.SpaceRecord) (*space.Space, error) {
	if live := e.Encoder().Name(); record.Encoder != live {
		return nil, fmt.Errorf("%v was made with encoder %s, the live space with %s: %w", record.ID, record.Encoder, live, recsys.ErrIncompatible)
	}
	r, err := decodeRecipe(record.Recipe)
	if err != nil {
		return nil, fmt.Errorf("read %v: %w", record.ID, err)
	}
	return r.space, nil
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
