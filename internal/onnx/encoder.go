package onnx

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/seed-473295a7/vitrine/internal/imageprep"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// Encoder turns pictures into raw vectors. It is safe for concurrent use and satisfies
// engine.Encoder.
type Encoder struct {
	manifest Manifest
	rule     imageprep.Rule
	limits   imageprep.Limits
	model    model
	queue    *queue[[]float32]
	workers  sync.WaitGroup
	close    func() error
}

// Open loads the runtime, unless the process has it already, and the model, and starts the
// workers. ctx bounds the opening alone. Close the encoder when done.
//
// Errors: recsys.ErrInvalid for settings and manifest values, recsys.ErrUnavailable for a
// missing library, recsys.ErrNotFound for a missing file, recsys.ErrCorrupt for a model that is
// not the one its manifest names, recsys.ErrIncompatible for one with other tensors.
func Open(ctx context.Context, config Config) (*Encoder, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	manifest, err := LoadManifest(config.Files, config.Manifest)
	if err != nil {
		return nil, err
	}
	if manifest.IsText() {
		return nil, fmt.Errorf("encoder %s takes texts, not pictures: %w", manifest.Name, recsys.ErrIncompatible)
	}
	data, err := manifest.model(config.Files)
	if err != nil {
		return nil, err
	}
	if err := load(config.Library, config.CacheDir); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	session, err := newSession(manifest, data, config.IntraOpThreads)
	if err != nil {
		return nil, err
	}
	return newEncoder(manifest, session, config), nil
}

// newEncoder starts the workers over a model, which it then owns.
func newEncoder(manifest Manifest, m model, config Config) *Encoder {
	e := &Encoder{manifest: manifest, rule: manifest.Rule(), limits: config.Limits, model: m, queue: newQueue[[]float32]()}
	limit := config.MaxBatch
	if manifest.Input.MaxBatch > 0 {
		limit = min(limit, manifest.Input.MaxBatch)
	}
	for range config.workers() {
		e.workers.Go(func() { e.work(limit) })
	}
	e.close = sync.OnceValue(func() error {
		e.queue.close()
		e.workers.Wait()
		return m.close()
	})
	return e
}

// Name is name@version of the manifest.
func (e *Encoder) Name() string { return e.manifest.Name + "@" + e.manifest.Version }

// Dims is the length of a raw vector.
func (e *Encoder) Dims() int { return e.manifest.Output.Dims }

// Tensor decodes a picture and applies the input rule. It runs on the caller's goroutine.
//
// Errors: those of imageprep.Decode.
func (e *Encoder) Tensor(image []byte) ([]float32, error) {
	picture, err := imageprep.DecodeFor(image, e.limits, e.rule)
	if err != nil {
		return nil, err
	}
	return picture.Tensor(e.rule), nil
}

// Encode runs the model on one tensor; the vector has Dims values, all finite, and is owned by
// the caller. The tensor must not change any more: a run that has begun reads on when ctx ends
// and the caller is gone.
//
// Errors: recsys.ErrInvalid for a tensor of another length or with values that are not finite,
// recsys.ErrUnavailable after Close and when a run fails, recsys.ErrCorrupt when the model
// gives values that are not finite, and those of ctx.
func (e *Encoder) Encode(ctx context.Context, tensor []float32) ([]float32, error) {
	if len(tensor) != e.rule.Len() {
		return nil, fmt.Errorf("tensor has %d values, encoder %s wants %d: %w", len(tensor), e.Name(), e.rule.Len(), recsys.ErrInvalid)
	}
	return e.queue.await(ctx, tensor)
}

// Close refuses waiting and later calls, waits for those that run and frees the model. It may
// be called more than once.
func (e *Encoder) Close() error { return e.close() }

// work serves calls until the queue is closed.
func (e *Encoder) work(limit int) {
	in := make([]float32, limit*e.rule.Len())
	out := make([]float32, limit*e.Dims())
	for {
		calls := e.queue.take(limit)
		if len(calls) == 0 {
			return
		}
		e.serve(calls, in, out)
	}
}

// serve runs calls together; when that fails, each alone, so that only those at fault fail. in
// gathers the tensors of a batch; a call alone is run from its own memory.
func (e *Encoder) serve(calls []*call[[]float32], in, out []float32) {
	n := len(calls)
	in = in[:n*e.rule.Len()]
	for i, c := range calls {
		if n == 1 {
			in = c.input
			break
		}
		copy(in[i*e.rule.Len():], c.input)
	}
	err := e.model.run(in, out[:n*e.Dims()], n)
	if err != nil && n > 1 {
		for _, c := range calls {
			e.serve([]*call[[]float32]{c}, in, out)
		}
		return
	}
	for i, c := range calls {
		if err != nil {
			c.done <- answer{err: fmt.Errorf("run encoder %s: %w: %w", e.Name(), recsys.ErrUnavailable, err)}
			continue
		}
		c.done <- e.answer(c.input, out[i*e.Dims():(i+1)*e.Dims()])
	}
}

// answer copies a vector out of the worker's memory if it is finite.
func (e *Encoder) answer(tensor, vector []float32) answer {
	switch {
	case finite(vector):
		return answer{vector: slices.Clone(vector)}
	case !finite(tensor):
		return answer{err: fmt.Errorf("tensor holds values that are not finite: %w", recsys.ErrInvalid)}
	}
	return answer{err: fmt.Errorf("encoder %s gave values that are not finite: %w", e.Name(), recsys.ErrCorrupt)}
}

func finite(values []float32) bool {
	for _, v := range values {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return false
		}
	}
	return true
}
