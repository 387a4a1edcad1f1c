package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/space"
)

// keptSpaces is how many embedding spaces stay stored beside the live one.
const keptSpaces = 3

// FitOrder is how an embedding space is to be made. The zero value follows the live one.
type FitOrder struct {
	// Schema says how attributes are embedded; nil: as the shop said earlier, else inferred.
	Schema *space.Schema
	// Encoder is the name, or name@version, of the encoder of pictures; empty: the live space's.
	Encoder string
	// Rate is how many pictures are encoded a second at most; 0: as fast as may be.
	Rate float64
	// Learn is a labels attribute that the picture's block is learned from, if that makes it better;
	// empty: the one that the live space was learned from.
	Learn string
	// Reason says why it is made, for the lineage.
	Reason string
	// Judge decides whether the space may go live; nil: it does.
	Judge Judge
}

// Judge compares a space that was just fitted with the live one.
type Judge func(ctx context.Context, c SpaceCandidate) (SpaceVerdict, error)

// SpaceCandidate is what a Judge looks at: the same items as either space reads them.
type SpaceCandidate struct {
	Live, New             *space.Space
	LiveInputs, NewInputs []space.Input
}

// SpaceVerdict is what a Judge found.
type SpaceVerdict struct {
	Passed  bool              `json:"passed"`
	Reason  string            `json:"reason"`
	Metrics map[string]Figure `json:"metrics,omitempty"` // of the new space
}

// Lineage is where an embedding space comes from.
type Lineage struct {
	Reason      string        `json:"reason,omitempty"`
	Parent      string        `json:"parent,omitempty"` // the space that was live
	Encoder     string        `json:"encoder"`
	EncoderDims int           `json:"encoder_dims"`
	SchemaGiven bool          `json:"schema_given"`
	Blocks      []space.Block `json:"blocks"`
	Items       int           `json:"items"`
	FittedOn    int           `json:"fitted_on"`
	CatalogSeq  int64         `json:"catalog_seq"` // changes of the catalogue it was fitted to

	Learned *space.LearnReport `json:"learned,omitempty"` // nil: nobody asked for it
	Verdict *SpaceVerdict      `json:"verdict,omitempty"`
}

// FittedSpace is the outcome of FitSpace.
type FittedSpace struct {
	ID      recsys.SpaceID
	Live    bool // false: it was judged worse, and is stored only
	Lineage Lineage
}

// embedder makes vectors of one space.
type embedder struct {
	space   *space.Space
	encoder Encoder
}

// FitSpace fits an embedding space to the catalogue, embeds every item in it and makes it the live
// one. Requests are answered from the old one until then, items registered meanwhile are brought
// in, and pictures that the encoder has seen before are not encoded again, so that what was
// interrupted goes on where it stopped.
//
// Errors: recsys.ErrInvalid for an empty catalogue, recsys.ErrNotFound for an encoder that
// is not there, recsys.ErrConflict if another process is at it.
func (e *Engine) FitSpace(ctx context.Context, order FitOrder, progress Progress) (FittedSpace, error) {
	release, err := e.exclusively(ctx, "fit-space")
	if err != nil {
		return FittedSpace{}, err
	}
	defer release()
	encoder, err := e.encoderFor(ctx, order.Encoder)
	if err != nil {
		return FittedSpace{}, err
	}
	if err := e.encodeAll(ctx, encoder, order.Rate, progress); err != nil {
		return FittedSpace{}, err
	}
	scan, err := e.scanCatalog(ctx)
	if err != nil {
		return FittedSpace{}, err
	}
	if len(scan.rows) == 0 {
		return FittedSpace{}, fmt.Errorf("fit an embedding space: the catalogue is empty: %w", recsys.ErrInvalid)
	}
	made, in, err := e.makeSpace(ctx, encoder, scan, order, progress)
	if err != nil || !made.Live {
		return made, err
	}
	if err := e.goLive(ctx, made.ID, in, scan, order.Rate, progress); err != nil {
		return FittedSpace{}, err
	}
	if _, err := e.store.PruneSpaces(ctx, keptSpaces); err != nil {
		e.log.Warn("old embedding spaces stay stored", "error", err)
	}
	return made, nil
}

// ActivateSpace makes a stored space the live one, as FitSpace does with a new one.
// recsys.ErrNotFound if there is no such space or its encoder is gone.
func (e *Engine) ActivateSpace(ctx context.Context, id recsys.SpaceID, progress Progress) error {
	release, err := e.exclusively(ctx, "fit-space")
	if err != nil {
		return err
	}
	defer release()
	record, err := e.store.Space(ctx, id)
	if err != nil {
		return err
	}
	stored, err := decodeRecipe(record.Recipe)
	if err != nil {
		return fmt.Errorf("read %v: %w", id, err)
	}
	if e.state.Load().spaceID == id {
		return nil
	}
	in := embedder{space: stored.space}
	if in.encoder, err = e.encoderFor(ctx, record.Encoder); err != nil {
		return err
	}
	if err := e.encodeAll(ctx, in.encoder, 0, progress); err != nil {
		return err
	}
	scan, err := e.scanCatalog(ctx)
	if err != nil {
		return err
	}
	return e.goLive(ctx, id, in, scan, 0, progress)
}

// PreviousSpace is the space that was live before the present one; recsys.ErrNotFound if none is
// stored.
func (e *Engine) PreviousSpace(ctx context.Context) (recsys.SpaceID, error) {
	infos, err := e.store.Spaces(ctx)
	if err != nil {
		return 0, err
	}
	var id recsys.SpaceID
	var newest time.Time
	for _, info := range infos {
		if !info.Live && info.ActivateTime.After(newest) {
			id, newest = info.ID, info.ActivateTime
		}
	}
	if id == 0 {
		return 0, fmt.Errorf("no other embedding space that was live is stored: %w", recsys.ErrNotFound)
	}
	return id, nil
}

// SpaceVersion is a stored embedding space and where it comes from.
type SpaceVersion struct {
	recsys.SpaceInfo
	Lineage Lineage
}

// Spaces lists the stored embedding spaces, newest first.
func (e *Engine) Spaces(ctx context.Context) ([]SpaceVersion, error) {
	infos, err := e.store.Spaces(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]SpaceVersion, len(infos))
	for i, info := range infos {
		out[i].SpaceInfo = info
		if len(info.Lineage) == 0 {
			continue
		}
		if err := json.Unmarshal(info.Lineage, &out[i].Lineage); err != nil {
			return nil, fmt.Errorf("lineage of %v: %w: %w", info.ID, recsys.ErrCorrupt, err)
		}
	}
	return out, nil
}

// makeSpace fits, judges and stores a space.
func (e *Engine) makeSpace(ctx context.Context, encoder Encoder, scan catalogScan, order FitOrder, progress Progress) (FittedSpace, embedder, error) {
	progress("fit embedding space", 0, 1)
	inputs, err := e.sample(ctx, encoder, scan)
	if err != nil {
		return FittedSpace{}, embedder{}, err
	}
	if order.Schema != nil {
		if err := order.Schema.CheckKinds(inputs); err != nil {
			return FittedSpace{}, embedder{}, fmt.Errorf("fit an embedding space: %w", err)
		}
	}
	schema, given := schemaOf(scan.head, order.Schema, inputs)
	config := space.DefaultConfig()
	config.EncoderDims = encoder.Dims()
	fitted, err := space.Fit(ctx, inputs, schema, config)
	if err != nil {
		return FittedSpace{}, embedder{}, fmt.Errorf("fit an embedding space: %w", err)
	}
	fitted, learned, err := e.learn(ctx, fitted, inputs, order)
	if err != nil {
		return FittedSpace{}, embedder{}, err
	}
	in := embedder{fitted, encoder}
	out := FittedSpace{Live: true, Lineage: Lineage{Reason: order.Reason, Encoder: encoder.Name(), EncoderDims: encoder.Dims(), SchemaGiven: given,
		Blocks: fitted.Layout(), Items: len(scan.rows), FittedOn: fitted.FittedOn(), CatalogSeq: scan.head.CatalogSeq, Learned: learned}}
	if scan.head.Space != nil {
		out.Lineage.Parent = scan.head.Space.ID.String()
	}
	if order.Judge != nil {
		if err := e.judge(ctx, &out, in, scan, inputs, order.Judge); err != nil {
			return FittedSpace{}, in, err
		}
	}
	progress("fit embedding space", 1, 1)
	out.ID, err = e.storeSpace(ctx, fitted, out.Lineage)
	return out, in, err
}

// learn learns the picture's block where that was asked for, now or for the live space, and is better.
func (e *Engine) learn(ctx context.Context, fitted *space.Space, inputs []space.Input, order FitOrder) (*space.Space, *space.LearnReport, error) {
	label := order.Learn
	if label == "" {
		label = e.state.Load().space.Learned()
	}
	if label == "" {
		return fitted, nil, nil
	}
	better, report, err := space.Learn(ctx, fitted, inputs, label, 1)
	switch {
	case errors.Is(err, recsys.ErrInvalid) && order.Learn == "":
		e.log.Warn("the picture is not learned again", "attribute", label, "reason", err)
		return fitted, nil, nil
	case err != nil:
		return nil, nil, fmt.Errorf("learn from an attribute: %w", err)
	case better == nil:
		return fitted, &report, nil
	}
	return better, &report, nil
}

// schemaOf is the schema to fit: the one that is asked for, else the one that the shop gave
// earlier, else what is inferred.
func schemaOf(head Head, asked *space.Schema, inputs []space.Input) (schema space.Schema, given bool) {
	if asked != nil {
		return *asked, true
	}
	if head.Space != nil {
		if live, err := decodeRecipe(head.Space.Recipe); err == nil && live.schemaGiven {
			return live.space.Schema(), true
		}
	}
	return space.Infer(inputs, space.DefaultInferConfig()), false
}

func (e *Engine) judge(ctx context.Context, of *FittedSpace, in embedder, scan catalogScan, inputs []space.Input, judge Judge) error {
	s := e.state.Load()
	c := SpaceCandidate{Live: s.space, New: in.space, LiveInputs: inputs, NewInputs: inputs}
	if s.encoder.Name() != in.encoder.Name() {
		var err error
		if c.LiveInputs, err = e.sample(ctx, s.encoder, scan); err != nil {
			return err
		}
	}
	verdict, err := judge(ctx, c)
	if err != nil {
		return fmt.Errorf("compare embedding spaces: %w", err)
	}
	of.Live, of.Lineage.Verdict = verdict.Passed, &verdict
	return nil
}

func (e *Engine) storeSpace(ctx context.Context, fitted *space.Space, lineage Lineage) (recsys.SpaceID, error) {
	stored, err := encodeRecipe(fitted, lineage.SchemaGiven)
	if err != nil {
		return 0, err
	}
	about, err := json.Marshal(lineage)
	if err != nil {
		return 0, err
	}
	id, err := e.store.CreateSpace(ctx, recsys.SpaceRecord{Encoder: lineage.Encoder, Dims: fitted.Dims(), Recipe: stored, Lineage: about})
	if err != nil {
		return 0, fmt.Errorf("store the embedding space: %w", err)
	}
	return id, nil
}

// goLive embeds every item in a stored space and makes it the live one.
func (e *Engine) goLive(ctx context.Context, id recsys.SpaceID, in embedder, scan catalogScan, rate float64, progress Progress) error {
	if err := e.reembed(ctx, id, in, scan.rows, progress); err != nil {
		return err
	}
	// What was registered meanwhile; the rest of it, moments old, is encoded below while writers wait.
	if err := e.encodeAll(ctx, in.encoder, rate, progress); err != nil {
		return err
	}
	err := e.store.ActivateSpace(ctx, id, scan.head.CatalogSeq, func(rows []ItemRow) ([][]float32, error) {
		return e.embedRows(ctx, in, rows)
	})
	if err != nil {
		return fmt.Errorf("activate %v: %w", id, err)
	}
	if err := e.Sync(ctx); err != nil {
		return err
	}
	// Writers that had not heard of it yet have left pictures without an output of this encoder.
	return e.encodeAll(ctx, in.encoder, rate, progress)
}
