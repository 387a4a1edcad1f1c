package engine

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"fmt"
	"time"

	"github.com/seed-473295a7/vitrine/internal/als"
	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/space"
	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

// recipe is an embedding space as stored: the space and whether its schema was given by the
// shop, in which case later fits keep it instead of inferring one.
type recipe struct {
	space       *space.Space
	schemaGiven bool
}

type storedRecipe struct {
	Space       []byte
	SchemaGiven bool
}

func encodeRecipe(s *space.Space, schemaGiven bool) ([]byte, error) {
	b, err := s.MarshalBinary()
	if err != nil {
		return nil, err
	}
	return encodeGob(storedRecipe{Space: b, SchemaGiven: schemaGiven})
}

func decodeRecipe(b []byte) (recipe, error) {
	var stored storedRecipe
	if err := decodeGob(b, &stored); err != nil {
		return recipe{}, err
	}
	s, err := space.Unmarshal(stored.Space)
	if err != nil {
		return recipe{}, err
	}
	return recipe{space: s, schemaGiven: stored.SchemaGiven}, nil
}

// factorModel is a trained model with everything that serving it needs: whose factor each row
// is, how content becomes x_i, and the fold-ins of the items that were young at training.
type factorModel struct {
	recipe    Recipe
	als       *als.Model
	corrector *als.Corrector   // nil: none
	content   *space.Space     // nil: the catalogue had nothing to embed
	encoder   string           // whose outputs content was fitted to
	blind     bool             // another encoder is live: content must not read pictures
	rows      map[string]int32 // item id → row
	itemIDs   []string
	foldAt    map[int32]int // row → place in r and m, for items young at training
	r, m      []float32

	trainedOn  int64 // positive interactions it was trained on
	createTime time.Time
}

type storedModel struct {
	Recipe                  []byte // JSON
	ALS, Content, Corrector []byte
	Encoder                 string
	ItemIDs                 []string
	FoldedRows              []int32
	R, M                    []byte // little-endian float32, one row of f per FoldedRows entry
	TrainedOn               int64
}

func (f *factorModel) dims() int { return f.als.Dims() }

// trained returns the row of an item that had a positive in the training; false if there is none.
func (f *factorModel) trained(itemID string) (int32, bool) {
	row, ok := f.rows[itemID]
	return row, ok && f.als.Trained(int(row))
}

// folded returns the fold-in of a row that was young at training.
func (f *factorModel) folded(row int32) (r, m []float32, ok bool) {
	place, ok := f.foldAt[row]
	if !ok {
		return nil, nil, false
	}
	at := place * f.dims()
	return f.r[at : at+f.dims()], f.m[at : at+f.dims()], true
}

// prior is μ of an item.
func (f *factorModel) prior(in space.Input) []float32 {
	if f.content == nil {
		return f.als.Prior(nil)
	}
	if f.blind {
		in.Image = nil
	}
	x := f.content.Embed(in)
	if x == nil {
		x = make([]float32, f.content.Dims())
	}
	return f.als.Prior(x)
}

func encodeModel(f *factorModel) ([]byte, error) {
	stored := storedModel{Encoder: f.encoder, ItemIDs: f.itemIDs, FoldedRows: make([]int32, len(f.foldAt)),
		R: vecmath.AppendBytes(nil, f.r), M: vecmath.AppendBytes(nil, f.m), TrainedOn: f.trainedOn}
	for row, at := range f.foldAt {
		stored.FoldedRows[at] = row
	}
	var err error
	if stored.Recipe, err = json.Marshal(f.recipe); err != nil {
		return nil, err
	}
	if stored.ALS, err = f.als.MarshalBinary(); err != nil {
		return nil, err
	}
	if f.content != nil {
		if stored.Content, err = f.content.MarshalBinary(); err != nil {
			return nil, err
		}
	}
	if f.corrector != nil {
		if stored.Corrector, err = f.corrector.MarshalBinary(); err != nil {
			return nil, err
		}
	}
	return encodeGob(stored)
}

func decodeModel(b []byte) (*factorModel, error) {
	var stored storedModel
	if err := decodeGob(b, &stored); err != nil {
		return nil, err
	}
	f := &factorModel{encoder: stored.Encoder, itemIDs: stored.ItemIDs, trainedOn: stored.TrainedOn, rows: make(map[string]int32, len(stored.ItemIDs)),
		foldAt: make(map[int32]int, len(stored.FoldedRows))}
	if err := json.Unmarshal(stored.Recipe, &f.recipe); err != nil {
		return nil, fmt.Errorf("recipe: %w: %w", recsys.ErrCorrupt, err)
	}
	if err := f.decodeParts(stored); err != nil {
		return nil, err
	}
	for row, id := range stored.ItemIDs {
		f.rows[id] = int32(row)
	}
	for at, row := range stored.FoldedRows {
		f.foldAt[row] = at
	}
	var errR, errM error
	f.r, errR = vecmath.FromBytes(stored.R)
	f.m, errM = vecmath.FromBytes(stored.M)
	want := len(stored.FoldedRows) * f.als.Dims()
	if errR != nil || errM != nil || len(f.r) != want || len(f.m) != want || len(f.rows) != len(stored.ItemIDs) {
		return nil, fmt.Errorf("factor model: parts do not fit together: %w", recsys.ErrCorrupt)
	}
	return f, nil
}

// decodeParts reads the parts that have formats of their own.
func (f *factorModel) decodeParts(stored storedModel) (err error) {
	if f.als, err = als.UnmarshalModel(stored.ALS); err != nil {
		return err
	}
	if len(stored.Content) > 0 {
		if f.content, err = space.Unmarshal(stored.Content); err != nil {
			return err
		}
	}
	if len(stored.Corrector) > 0 {
		if f.corrector, err = als.UnmarshalCorrector(stored.Corrector); err != nil {
			return err
		}
	}
	if len(stored.ItemIDs) != f.als.Items() || f.corrector != nil && f.corrector.Items() != f.als.Items() {
		return fmt.Errorf("factor model: parts are of different catalogues: %w", recsys.ErrCorrupt)
	}
	return nil
}

func encodeGob(v any) ([]byte, error) {
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func decodeGob(b []byte, into any) error {
	if err := gob.NewDecoder(bytes.NewReader(b)).Decode(into); err != nil {
		return fmt.Errorf("%w: %w", recsys.ErrCorrupt, err)
	}
	return nil
}
