package engine

import (
	"bytes"
	"encoding/gob"
	"fmt"

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
// is, how content becomes x_i, and the served factors of the items that do not keep their
// trained one.
type factorModel struct {
	als     *als.Model
	content *space.Space     // nil: the catalogue had nothing to embed
	rows    map[string]int32 // item id → row
	itemIDs []string
	foldAt  map[int32]int // row → place in r and m; every other row keeps its trained factor
	r, m    []float32

	trainedOn int64 // positive interactions it was trained on
}

type storedModel struct {
	ALS, Content []byte
	ItemIDs      []string
	FoldedRows   []int32
	R, M         []byte // little-endian float32, one row of f per FoldedRows entry
	TrainedOn    int64
}

func (f *factorModel) dims() int { return f.als.Dims() }

// keeps reports whether a row's trained factor is served.
func (f *factorModel) keeps(row int32) bool {
	_, folded := f.foldAt[row]
	return !folded
}

// folded returns the served factor of a row that does not keep its trained one.
func (f *factorModel) folded(row int32) (r, m []float32) {
	at := f.foldAt[row] * f.dims()
	return f.r[at : at+f.dims()], f.m[at : at+f.dims()]
}

// prior is μ of an item.
func (f *factorModel) prior(in space.Input) []float32 {
	if f.content == nil {
		return f.als.Prior(nil)
	}
	x := f.content.Embed(in)
	if x == nil {
		x = make([]float32, f.content.Dims())
	}
	return f.als.Prior(x)
}

func encodeModel(f *factorModel) ([]byte, error) {
	stored := storedModel{ItemIDs: f.itemIDs, FoldedRows: make([]int32, len(f.foldAt)),
		R: vecmath.AppendBytes(nil, f.r), M: vecmath.AppendBytes(nil, f.m), TrainedOn: f.trainedOn}
	for row, at := range f.foldAt {
		stored.FoldedRows[at] = row
	}
	var err error
	if stored.ALS, err = f.als.MarshalBinary(); err != nil {
		return nil, err
	}
	if f.content != nil {
		stored.Content, err = f.content.MarshalBinary()
	}
	if err != nil {
		return nil, err
	}
	return encodeGob(stored)
}

func decodeModel(b []byte) (*factorModel, error) {
	var stored storedModel
	if err := decodeGob(b, &stored); err != nil {
		return nil, err
	}
	f := &factorModel{itemIDs: stored.ItemIDs, trainedOn: stored.TrainedOn, rows: make(map[string]int32, len(stored.ItemIDs)),
		foldAt: make(map[int32]int, len(stored.FoldedRows))}
	var err error
	if f.als, err = als.UnmarshalModel(stored.ALS); err != nil {
		return nil, err
	}
	if len(stored.Content) > 0 {
		f.content, err = space.Unmarshal(stored.Content)
	}
	if err != nil {
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
	if errR != nil || errM != nil || len(f.r) != want || len(f.m) != want || len(stored.ItemIDs) != f.als.Items() || len(f.rows) != len(stored.ItemIDs) {
		return nil, fmt.Errorf("factor model: parts do not fit together: %w", recsys.ErrCorrupt)
	}
	return f, nil
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
