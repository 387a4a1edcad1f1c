package onnx

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/seed-473295a7/vitrine/internal/onnx/graph"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// StripConfig says how an encoder is made of a model file.
type StripConfig struct {
	SourceConfig
	Name        string // of the encoder; empty: the file's, without its ending
	Description string
	Source      string // where the file came from; empty: what is known of it, else its name
	Licence     string // empty: what is known of it, else "unknown"
	Picture     []byte // to be embedded as proof; empty: a built-in one
	Tokenizer   []byte // contents of a tokenizer.json or vocab.txt, for texts
}

// Stripped is an encoder that is ready to be saved.
type Stripped struct {
	Inspection Inspection `json:"inspection"`
	Manifest   Manifest   `json:"manifest"`
	Proof      Proof      `json:"proof"`
	Bytes      int        `json:"bytes"` // of the encoder file
	model      []byte
	tokenizer  []byte
}

// Proof is what the finished encoder made of one picture or text.
type Proof struct {
	Of         string    `json:"of"`
	Dims       int       `json:"dims"`
	Norm       float64   `json:"norm"`
	First      []float32 `json:"first"`      // values
	Difference float64   `json:"difference"` // largest, from the original model's own tensor, as a share of its largest value
	Batch      string    `json:"batch"`
}

// Strip makes an encoder of a stock model: it cuts off the head or decoder, drops what is not
// needed, infers the input rule and checks the result. The encoder's vectors must equal what
// the original model computes at that place, must not depend on the rest of the batch, and must
// differ for different pictures.
//
// Errors: those of Inspect, and recsys.ErrIncompatible when a check fails.
func Strip(ctx context.Context, c StripConfig) (*Stripped, error) {
	e, err := examine(ctx, c.SourceConfig)
	if err != nil {
		return nil, err
	}
	s := &Stripped{Manifest: e.manifest(c)}
	if !isWord(s.Manifest.Name) {
		return nil, fmt.Errorf("encoder name %q: want %s: %w", s.Manifest.Name, wantedWord, recsys.ErrInvalid)
	}
	if e.text.ids != "" {
		return e.stripText(ctx, s, c)
	}
	if len(c.Picture) > 0 {
		if e.picture, err = tensorOf(c.Picture, s.Manifest.Rule()); err != nil {
			return nil, fmt.Errorf("proof picture%w", err) // its text begins with the field, which is none, and a colon
		}
	}
	if s.Proof, s.model, err = e.build(ctx, &s.Manifest); err != nil {
		return nil, fmt.Errorf("%s: %w", c.File, err)
	}
	s.finish(e)
	return s, s.Manifest.Validate()
}

// finish fills in what depends on the finished file.
func (s *Stripped) finish(e *examination) {
	digest := sha256.Sum256(s.model)
	s.Bytes, s.Manifest.SHA256 = len(s.model), hex.EncodeToString(digest[:])
	s.Manifest.Origin.Assumptions = e.Assumptions
	s.Manifest.Version = s.Manifest.fingerprint()
	s.Inspection = e.Inspection
}

// fingerprint tells encoders apart by what decides their vectors: file, rule and output.
func (m Manifest) fingerprint() string {
	text, err := json.Marshal([]any{m.SHA256, m.Input, m.Text, m.Output})
	if err != nil {
		panic(err) // plain structs of finite numbers
	}
	digest := sha256.Sum256(text)
	return hex.EncodeToString(digest[:6])
}

// encoderName makes a name of a file's.
func encoderName(file string) string {
	base := strings.ToLower(strings.TrimSuffix(path.Base(file), path.Ext(file)))
	base = strings.Trim(regexp.MustCompile(`[^a-z0-9._-]+`).ReplaceAllString(base, "-"), "-._")
	return base[:min(len(base), 64)]
}

// manifest describes the encoder as far as it is known before it is built.
func (e *examination) manifest(c StripConfig) Manifest {
	chosen := e.Candidates[0]
	m := Manifest{
		Name: c.Name, Description: c.Description, Source: c.Source, Licence: c.Licence,
		Input:  e.Input,
		Output: Output{Dims: chosen.Dims, Pooling: chosen.Pooling},
		Origin: Origin{File: e.File, SHA256: e.SHA256, Tensor: chosen.Tensor, Why: chosen.Why, Family: e.Family},
	}
	if e.known != nil {
		m.Name = cmp.Or(m.Name, e.known.Name)
		m.Source, m.Licence = cmp.Or(m.Source, e.known.Source), cmp.Or(m.Licence, e.known.Licence)
	}
	m.Name = cmp.Or(m.Name, encoderName(c.File))
	m.Source, m.Licence = cmp.Or(m.Source, e.File), cmp.Or(m.Licence, "unknown")
	m.Description = cmp.Or(m.Description, fmt.Sprintf("%s, cut at %s (%s)", e.Family, chosen.Tensor, chosen.Pooling))
	m.File = m.Name + ".onnx"
	// Where the source wants another order, nodes in front of it see to that.
	m.Input.Layout, m.Input.Channels = "NCHW", "RGB"
	return m
}

// batching is a way to let an encoder take batches, to be tried until one gives right vectors.
type batching struct {
	edits    func(*graph.Edits)
	maxBatch int
	says     string
}

func (e *examination) batchings() []batching {
	free := batching{func(edits *graph.Edits) { edits.Batch = 0 }, 0, "any"}
	repaired := batching{func(edits *graph.Edits) { edits.Batch, edits.FreeReshape = 0, true }, 0, "any, the file's fixed reshapes freed"}
	single := batching{func(edits *graph.Edits) { edits.Batch = max(e.batch, 0) }, 1, "one, the file allows no more"}
	return []batching{free, repaired, single}
}

// build rewrites the model and checks it.
func (e *examination) build(ctx context.Context, m *Manifest) (Proof, []byte, error) {
	chosen := e.Candidates[0]
	var last error
	for _, b := range e.batchings() {
		if err := ctx.Err(); err != nil {
			return Proof{}, nil, err
		}
		edits := e.edits
		edits.Taps = []graph.Tap{{Tensor: chosen.Tensor, Pool: graph.Pool(chosen.Pooling), Half: e.halves[chosen.Tensor], Dims: int64(chosen.Dims)}}
		b.edits(&edits)
		part, err := e.model.Extract(edits)
		if err != nil {
			return Proof{}, nil, err
		}
		data, err := part.Marshal()
		if err != nil {
			return Proof{}, nil, err
		}
		m.Input.Tensor, m.Output.Tensor, m.Input.MaxBatch = part.Inputs()[0].Name, part.Outputs()[0].Name, b.maxBatch
		proof, err := e.check(m, data)
		if err == nil {
			proof.Batch = b.says
			return proof, data, nil
		}
		last = err
	}
	return Proof{}, nil, last
}

// check runs the finished encoder on the sample, its twin and the caller's picture.
func (e *examination) check(m *Manifest, data []byte) (Proof, error) {
	session, err := newSession(*m, data, trialThreads())
	if err != nil {
		return Proof{}, err
	}
	defer session.close()
	twin, err := tensorOf(sampleTwin(), m.Rule())
	if err != nil {
		return Proof{}, err
	}
	vector, other := make([]float32, m.Output.Dims), make([]float32, m.Output.Dims)
	if err := runAll(session, [][]float32{e.sample, twin}, [][]float32{vector, other}); err != nil {
		return Proof{}, err
	}
	if m.Input.MaxBatch == 0 {
		if err := e.checkBatch(session, twin, vector, other); err != nil {
			return Proof{}, err
		}
	}
	proof := Proof{Of: "built-in picture"}
	if proof.Difference, err = e.compare(vector); err != nil {
		return proof, err
	}
	if largestShare(vector, other) < 1e-6 {
		return proof, fmt.Errorf("two different pictures give the same vector: %w", recsys.ErrIncompatible)
	}
	if e.picture != nil {
		proof.Of = "given picture"
		if err := runAll(session, [][]float32{e.picture}, [][]float32{vector}); err != nil {
			return proof, err
		}
	}
	proof.Dims, proof.Norm, proof.First = len(vector), length(vector), vector[:min(8, len(vector))]
	return proof, nil
}

// runAll runs tensors one at a time; recsys.ErrCorrupt for vectors that are not finite.
func runAll(m model, tensors, vectors [][]float32) error {
	for i, tensor := range tensors {
		if err := m.run(tensor, vectors[i], 1); err != nil {
			return fmt.Errorf("the encoder cannot be run: %w: %w", recsys.ErrIncompatible, err)
		}
		if !finite(vectors[i]) {
			return fmt.Errorf("the encoder gives values that are not finite: %w", recsys.ErrCorrupt)
		}
	}
	return nil
}

const (
	sameVector = 1e-4 // sums in another order and fused operators
	halfVector = 1e-2 // the same in float16: a few of its steps
)

// checkBatch runs the sample and its twin together.
func (e *examination) checkBatch(m model, twin, wantSample, wantTwin []float32) error {
	n := len(wantSample)
	both := make([]float32, 2*n)
	if err := m.run(append(slices.Clone(e.sample), twin...), both, 2); err != nil {
		return fmt.Errorf("the model cannot be run on two pictures at once: %w: %w", recsys.ErrIncompatible, err)
	}
	if d := max(largestShare(wantSample, both[:n]), largestShare(wantTwin, both[n:])); !(d < e.bound()) {
		return fmt.Errorf("a picture's vector depends on the others in its batch (by %.2g): %w", d, recsys.ErrIncompatible)
	}
	return nil
}

// bound is how far runs of the same computation may differ, as a share of the largest value.
func (e *examination) bound() float64 {
	if e.halves[e.Candidates[0].Tensor] {
		return halfVector
	}
	return sameVector
}

// compare holds the encoder's vector of the sample to the original model's tensor, pooled here.
func (e *examination) compare(vector []float32) (float64, error) {
	chosen := e.Candidates[0]
	want := pooled(e.tensors[chosen.Tensor].values, chosen.Shape, graph.Pool(chosen.Pooling))
	d := largestShare(want, vector)
	if !(d < e.bound()) { // NaN is no pass
		return d, fmt.Errorf("the encoder differs from the model at %q by %.2g of the largest value: %w", chosen.Tensor, d, recsys.ErrIncompatible)
	}
	return d, nil
}

// largestShare is the largest difference as a share of want's largest value.
func largestShare(want, got []float32) float64 {
	var largest, worst float64
	for i := range want {
		largest = max(largest, math.Abs(float64(want[i])))
		worst = max(worst, math.Abs(float64(want[i])-float64(got[i])))
	}
	if largest == 0 {
		return worst
	}
	return worst / largest
}

// pooled is the plain twin of the pooling that graph.Extract adds, for one picture.
func pooled(values []float32, shape []int64, p graph.Pool) []float32 {
	mean := func(first, count, step, stride int, n int) []float32 {
		out := make([]float32, n)
		for j := range out {
			var sum float64
			for k := first; k < count; k++ {
				sum += float64(values[k*step+j*stride])
			}
			out[j] = float32(sum / float64(count-first))
		}
		return out
	}
	switch p {
	case graph.PoolMap:
		places := int(shape[2] * shape[3])
		return mean(0, places, 1, places, int(shape[1]))
	case graph.PoolClass:
		return values[:shape[2]]
	case graph.PoolTokens, graph.PoolMasked:
		return mean(0, int(shape[1]), int(shape[2]), 1, int(shape[2]))
	case graph.PoolPatches:
		return mean(1, int(shape[1]), int(shape[2]), 1, int(shape[2]))
	}
	return values
}
