package onnx

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"slices"
	"strings"

	"github.com/seed-473295a7/vitrine/internal/onnx/graph"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// Inspection is what a model file holds and where an encoder could end in it.
type Inspection struct {
	File        string      `json:"file"`
	SHA256      string      `json:"sha256"`
	Bytes       int64       `json:"bytes"`
	Known       string      `json:"known,omitempty"` // the public file it is, by its digest
	Producer    string      `json:"producer"`
	Opset       int64       `json:"opset"`
	Nodes       int         `json:"nodes"`
	Family      string      `json:"family"`
	FamilyWhy   string      `json:"family_why"`
	Inputs      []Shape     `json:"inputs"`
	Outputs     []Shape     `json:"outputs"`
	Candidates  []Candidate `json:"candidates"` // the chosen one first
	Input       Input       `json:"input,omitzero"`
	Assumptions []string    `json:"assumptions"`
}

// Shape is a tensor at the border of a model; −1 where the file leaves a size open, Dims nil
// where it states none.
type Shape struct {
	Tensor string  `json:"tensor"`
	Type   string  `json:"type"`
	Dims   []int64 `json:"dims"`
}

// Candidate is a vector that an encoder could answer.
type Candidate struct {
	Tensor  string  `json:"tensor"`
	Pooling string  `json:"pooling"`
	Shape   []int64 `json:"shape"` // of the tensor, for one picture or text
	Dims    int     `json:"dims"`  // of the vector
	Why     string  `json:"why"`
}

// SourceConfig names a model file and says what is known of it beyond what it states.
type SourceConfig struct {
	Library  string // as in Config
	CacheDir string
	Files    fs.FS // the folder of the model file, for weights in files beside it
	File     string
	Output   string // tensor to end at; empty: the likeliest
	Pooling  string // how it becomes a vector; empty: the likeliest
	Rule     RuleChange
	Limits   graph.Limits
}

// Inspect reads a model file, runs it once to measure shapes, and lists where an encoder could end.
//
// Errors: recsys.ErrNotFound for a missing file, missing weights or an Output that the model
// does not have; recsys.ErrExhausted for what is too large; recsys.ErrCorrupt for what is no
// ONNX model, contradicts itself or gives NaN; recsys.ErrUnimplemented for operators that the
// runtime lacks; recsys.ErrIncompatible for inputs that are neither a picture nor token ids, shapes
// that do not fit, and a model without any vector; recsys.ErrInvalid for a Rule that contradicts
// the file; recsys.ErrUnavailable for a missing library.
func Inspect(ctx context.Context, c SourceConfig) (Inspection, error) {
	e, err := examine(ctx, c)
	if err != nil {
		return Inspection{}, err
	}
	return e.Inspection, nil
}

// examination is an inspection with what is needed to go on and strip.
type examination struct {
	Inspection
	config  SourceConfig
	model   *graph.Model
	known   *Known
	edits   graph.Edits // front and masking, without taps
	batch   int64       // the batch size that the file states; −1 for any
	text    textInputs
	points  []graph.Point
	tensors map[string]tried // as measured
	halves  map[string]bool  // tensors that are not float32
	sample  []float32        // the picture tensor they were measured with
	picture []float32        // the caller's, to be embedded as proof; nil without one
}

func examine(ctx context.Context, c SourceConfig) (*examination, error) {
	e := &examination{config: c, tensors: map[string]tried{}, halves: map[string]bool{}}
	if err := e.read(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := e.understand(); err != nil {
		return nil, fmt.Errorf("%s: %w", c.File, err)
	}
	if err := load(c.Library, c.CacheDir); err != nil {
		return nil, err
	}
	if err := e.measure(); err != nil {
		return nil, fmt.Errorf("%s: %w", c.File, err)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := e.choose(); err != nil {
		return nil, fmt.Errorf("%s: %w", c.File, err)
	}
	return e, nil
}

// read loads the file, with a look at its size first.
func (e *examination) read() error {
	c := e.config
	info, err := fs.Stat(c.Files, c.File)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("model %s: %w", c.File, recsys.ErrNotFound)
	case err != nil:
		return fmt.Errorf("model %s: %w: %w", c.File, recsys.ErrInvalid, err)
	case !info.Mode().IsRegular():
		return fmt.Errorf("model %s is no file: %w", c.File, recsys.ErrInvalid)
	case info.Size() > c.Limits.MaxBytes:
		return fmt.Errorf("model %s has %d bytes, want at most %d: %w", c.File, info.Size(), c.Limits.MaxBytes, recsys.ErrExhausted)
	}
	data, err := readFile(c.Files, c.File)
	if err != nil {
		return fmt.Errorf("model: %w", err)
	}
	digest := sha256.Sum256(data)
	e.File, e.Bytes, e.SHA256 = c.File, int64(len(data)), hex.EncodeToString(digest[:])
	if e.model, err = graph.Read(data, c.Limits); err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	return nil
}

// understand finds out what the graph tells by itself.
func (e *examination) understand() error {
	m := e.model
	e.Producer, e.Opset, e.Nodes = m.Producer(), m.Opset(), m.Nodes()
	e.Inputs, e.Outputs = shapes(m.Inputs()), shapes(m.Outputs())
	known, err := knownBySum(e.SHA256)
	if err != nil {
		return err
	}
	e.known = known
	picture, ok := m.PictureInput()
	if !ok {
		return e.understandText()
	}
	family, why := m.Family(picture.Name)
	rule := e.config.Rule
	if known != nil {
		e.Known, family, why = known.Name, graph.Family(known.Family), "its digest is that of the public file "+known.File
		rule = known.Rule.under(rule)
	}
	e.Family, e.FamilyWhy = string(family), why
	g, err := guessRule(m, picture, family, rule)
	if err != nil {
		return err
	}
	e.Input, e.Assumptions = g.input, g.assumptions
	e.batch = -1
	if len(picture.Dims) > 0 {
		e.batch = picture.Dims[0]
	}
	if e.batch > 1 {
		return fmt.Errorf("the input %q takes batches of exactly %d, want one or any: %w", picture.Name, e.batch, recsys.ErrIncompatible)
	}
	e.edits = graph.Edits{
		Front: graph.Front{Input: picture.Name, ChannelLast: g.input.Layout == "NHWC", BlueFirst: g.input.Channels == "BGR", Side: g.input.Size},
		Batch: e.batch,
	}
	if m.Masks(picture.Name) {
		e.edits.Unmask = true
		e.assume("masking: taken out, so that the encoder sees every patch in order")
	}
	e.points = m.Points(picture.Name)
	return nil
}

func (e *examination) assume(format string, args ...any) {
	e.Assumptions = append(e.Assumptions, fmt.Sprintf(format, args...))
}

func shapes(values []graph.Value) []Shape {
	out := make([]Shape, len(values))
	for i, v := range values {
		out[i] = Shape{v.Name, strings.ToLower(v.Type.String()), v.Dims}
	}
	return out
}

// trialThreads is how many threads a trial uses.
func trialThreads() int { return min(runtime.GOMAXPROCS(0), 8) }

// taps are the tensors to be measured: the points, and what the caller has named.
func (e *examination) taps() ([]graph.Tap, error) {
	if name := e.config.Output; name != "" {
		if !e.model.Has(name) {
			return nil, fmt.Errorf("the model has no tensor %q, it could end at %q: %w", name, names(e.points), recsys.ErrNotFound)
		}
		told := graph.Point{Tensor: name, Why: "as told"}
		for _, p := range e.points {
			if p.Tensor == name {
				told.Why = "as told; " + p.Why
			}
		}
		e.points = append([]graph.Point{told}, slices.DeleteFunc(e.points, func(p graph.Point) bool { return p.Tensor == name })...)
	}
	taps := make([]graph.Tap, len(e.points))
	for i, p := range e.points {
		taps[i] = graph.Tap{Tensor: p.Tensor, Half: e.halves[p.Tensor]}
	}
	if len(taps) == 0 {
		return nil, fmt.Errorf("no output depends on the input: %w", recsys.ErrIncompatible)
	}
	return taps, nil
}

func names(points []graph.Point) []string {
	out := make([]string, len(points))
	for i, p := range points {
		out[i] = p.Tensor
	}
	return out
}

// measure runs the model, with its own nodes, up to the points.
func (e *examination) measure() error {
	err := e.run()
	if err != nil && e.edits.Unmask && !errors.Is(err, recsys.ErrNotFound) {
		return fmt.Errorf("the model cannot be run with its masking taken out (models/export.py exports the encoder without it): %w: %v", recsys.ErrIncompatible, err)
	}
	return err
}

func (e *examination) run() error {
	taps, err := e.taps()
	if err != nil {
		return err
	}
	part, data, err := e.extract(taps)
	if err != nil {
		return err
	}
	floats, halves, err := outputTypes(data)
	if err != nil {
		return err
	}
	asked := len(taps)
	taps = slices.DeleteFunc(taps, func(t graph.Tap) bool { return !floats[t.Tensor] && !halves[t.Tensor] })
	if len(taps) == 0 {
		return fmt.Errorf("no tensor that an encoder could end at holds numbers: %w", recsys.ErrIncompatible)
	}
	if e.halves = halves; len(taps) < asked || len(halves) > 0 {
		for i := range taps {
			taps[i].Half = halves[taps[i].Tensor]
		}
		if part, data, err = e.extract(taps); err != nil {
			return err
		}
	}
	feeds, err := e.feeds(part)
	if err != nil {
		return err
	}
	outs := make([]string, len(taps))
	for i, v := range part.Outputs() {
		outs[i] = v.Name
	}
	results, err := tryEach(data, feeds, outs)
	for i, r := range results {
		e.tensors[taps[i].Tensor] = r
	}
	return err
}

// extract is the part of the model that makes the taps, with its weights.
func (e *examination) extract(taps []graph.Tap) (*graph.Model, []byte, error) {
	edits := e.edits
	edits.Taps = taps
	part, err := e.model.Extract(edits)
	if err != nil {
		return nil, nil, err
	}
	if err := part.Embed(e.config.Files, e.config.Limits); err != nil {
		return nil, nil, err
	}
	data, err := part.Marshal()
	return part, data, err
}

// feeds is one sample.
func (e *examination) feeds(part *graph.Model) ([]feed, error) {
	if e.text.ids != "" {
		return e.text.sample(part), nil
	}
	if e.sample == nil {
		manifest := Manifest{Input: e.Input}
		tensor, err := tensorOf(samplePicture(), manifest.Rule())
		if err != nil {
			return nil, err
		}
		e.sample = tensor
	}
	side := int64(e.Input.Size)
	return []feed{{name: part.Inputs()[0].Name, dims: []int64{1, 3, side, side}, floats: e.sample}}, nil
}

// choose makes candidates of what was measured and puts the wanted one first.
func (e *examination) choose() error {
	for _, p := range e.points {
		measured := e.tensors[p.Tensor]
		for _, fit := range graph.Fit(measured.dims, e.text.ids != "") {
			if fit.Dims > maxDims || measured.values == nil {
				continue
			}
			e.Candidates = append(e.Candidates, Candidate{p.Tensor, string(fit.Pool), measured.dims, int(fit.Dims), p.Why})
		}
	}
	if name := e.config.Output; name != "" && (len(e.Candidates) == 0 || e.Candidates[0].Tensor != name) {
		return fmt.Errorf("the tensor %q is %v, want one vector a picture or text of at most %d values: %w", name, e.tensors[name].dims, maxDims, recsys.ErrIncompatible)
	}
	if len(e.Candidates) == 0 {
		return fmt.Errorf("no output is a vector or can be pooled into one: %w", recsys.ErrIncompatible)
	}
	if want := e.config.Pooling; want != "" {
		first := e.Candidates[0].Tensor
		at := slices.IndexFunc(e.Candidates, func(c Candidate) bool { return c.Tensor == first && c.Pooling == want })
		if at < 0 {
			return fmt.Errorf("pooling %q does not fit the tensor %q of %v: %w", want, first, e.Candidates[0].Shape, recsys.ErrInvalid)
		}
		chosen := e.Candidates[at]
		e.Candidates = append([]Candidate{chosen}, slices.Delete(e.Candidates, at, at+1)...)
	}
	if !finite(e.tensors[e.Candidates[0].Tensor].values) {
		return fmt.Errorf("the tensor %q holds values that are not finite: %w", e.Candidates[0].Tensor, recsys.ErrCorrupt)
	}
	return nil
}
