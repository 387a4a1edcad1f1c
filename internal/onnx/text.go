package onnx

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"sync"

	"github.com/seed-473295a7/vitrine/internal/onnx/wordpiece"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// Text is how a text becomes the model's tensors: rows of token ids, all of one length, with a
// mask that tells tokens from padding.
type Text struct {
	Tokenizer string `json:"tokenizer"` // tokenizer.json or vocab.txt, beside the manifest
	SHA256    string `json:"tokenizer_sha256"`
	MaxTokens int    `json:"max_tokens"` // longer texts are cut
	IDs       string `json:"ids"`        // names of the model's inputs
	Mask      string `json:"mask"`
	Types     string `json:"types,omitempty"` // all 0; empty if the model has none
}

// maxTokens bounds what a manifest may ask for; models in use take 128 to 8192.
const maxTokens = 1 << 13

func (t Text) validate() error {
	var faults []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf(format+": %w", append(args, recsys.ErrInvalid)...))
		}
	}
	check(fs.ValidPath(t.Tokenizer), "tokenizer %q: want a path within the encoder files", t.Tokenizer)
	digest, err := hex.DecodeString(t.SHA256)
	check(err == nil && len(digest) == sha256.Size, "tokenizer sha256 %q: want %d hexadecimal digits", t.SHA256, 2*sha256.Size)
	check(t.MaxTokens >= 2 && t.MaxTokens <= maxTokens, "max tokens %d: want 2 to %d", t.MaxTokens, maxTokens)
	check(t.IDs != "" && t.Mask != "", "input tensor names: want ids and mask")
	return errors.Join(faults...)
}

// inputs are the names of the model's inputs in the order in which textSession gives them.
func (t Text) inputs() []string {
	return slices.DeleteFunc([]string{t.IDs, t.Mask, t.Types}, func(name string) bool { return name == "" })
}

// TextEncoder turns texts into unit vectors: the mean over a text's tokens, or what else its
// model ends in, divided by its length. It is safe for concurrent use.
type TextEncoder struct {
	manifest  Manifest
	tokenizer *wordpiece.Tokenizer
	model     textModel
	queue     *queue[[]int64]
	workers   sync.WaitGroup
	close     func() error
}

// OpenText opens an encoder of texts as Open does one of pictures. Limits are not used.
//
// Errors: those of Open, and of wordpiece.New.
func OpenText(ctx context.Context, config Config) (*TextEncoder, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	manifest, err := LoadManifest(config.Files, config.Manifest)
	if err != nil {
		return nil, err
	}
	if !manifest.IsText() {
		return nil, fmt.Errorf("encoder %s takes pictures, not texts: %w", manifest.Name, recsys.ErrIncompatible)
	}
	tokenizer, err := manifest.tokenizer(config.Files)
	if err != nil {
		return nil, err
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
	session, err := newTextSession(manifest, data, config.IntraOpThreads)
	if err != nil {
		return nil, err
	}
	return newTextEncoder(manifest, tokenizer, session, config), nil
}

// tokenizer reads the tokenizer and holds it to its digest.
func (m Manifest) tokenizer(files fs.FS) (*wordpiece.Tokenizer, error) {
	data, err := readFile(files, m.Text.Tokenizer)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	digest := sha256.Sum256(data)
	if got := hex.EncodeToString(digest[:]); got != m.Text.SHA256 {
		return nil, fmt.Errorf("tokenizer %s has SHA-256 %s, its manifest says %s: %w", m.Text.Tokenizer, got, m.Text.SHA256, recsys.ErrCorrupt)
	}
	return wordpiece.New(data)
}

// newTextEncoder starts the workers over a model, which it then owns.
func newTextEncoder(manifest Manifest, tokenizer *wordpiece.Tokenizer, m textModel, config Config) *TextEncoder {
	e := &TextEncoder{manifest: manifest, tokenizer: tokenizer, model: m, queue: newQueue[[]int64]()}
	for range config.workers() {
		e.workers.Go(func() { e.work(config.MaxBatch) })
	}
	e.close = sync.OnceValue(func() error {
		e.queue.close()
		e.workers.Wait()
		return m.close()
	})
	return e
}

// Name is name@version of the manifest.
func (e *TextEncoder) Name() string { return e.manifest.Name + "@" + e.manifest.Version }

// Dims is the length of a vector.
func (e *TextEncoder) Dims() int { return e.manifest.Output.Dims }

// Tokens turns a text into what Encode takes: 2 to the manifest's MaxTokens ids. A text without
// words gives the two that stand for beginning and end.
func (e *TextEncoder) Tokens(text string) []int64 {
	return e.tokenizer.Encode(text, e.manifest.Text.MaxTokens)
}

// Encode runs the model on one text's tokens; the vector has Dims values, is of length 1 and
// owned by the caller. The tokens must not change any more: a run that has begun reads on when
// ctx ends and the caller is gone.
//
// Errors: recsys.ErrInvalid for no tokens, too many or ids that are not the tokenizer's,
// recsys.ErrUnavailable after Close and when a run fails, recsys.ErrCorrupt when the model gives
// values that are not finite, and those of ctx.
func (e *TextEncoder) Encode(ctx context.Context, tokens []int64) ([]float32, error) {
	if len(tokens) < 1 || len(tokens) > e.manifest.Text.MaxTokens {
		return nil, fmt.Errorf("%d tokens, encoder %s wants 1 to %d: %w", len(tokens), e.Name(), e.manifest.Text.MaxTokens, recsys.ErrInvalid)
	}
	if worst := slices.Max(tokens); worst >= e.tokenizer.Size() || slices.Min(tokens) < 0 {
		return nil, fmt.Errorf("tokens hold an id that is not of encoder %s: %w", e.Name(), recsys.ErrInvalid)
	}
	return e.queue.await(ctx, tokens)
}

// Close refuses waiting and later calls, waits for those that run and frees the model. It may
// be called more than once.
func (e *TextEncoder) Close() error { return e.close() }

// work serves calls until the queue is closed.
func (e *TextEncoder) work(limit int) {
	out := make([]float32, limit*e.Dims())
	for {
		calls := e.queue.take(limit)
		if len(calls) == 0 {
			return
		}
		e.serve(calls, out)
	}
}

// serve runs calls together; when that fails, each alone, so that only those at fault fail.
func (e *TextEncoder) serve(calls []*call[[]int64], out []float32) {
	rows := make([][]int64, len(calls))
	for i, c := range calls {
		rows[i] = c.input
	}
	err := e.model.run(newTextBatch(rows, e.tokenizer.Pad()), out[:len(calls)*e.Dims()])
	if err != nil && len(calls) > 1 {
		for _, c := range calls {
			e.serve([]*call[[]int64]{c}, out)
		}
		return
	}
	for i, c := range calls {
		if err != nil {
			c.done <- answer{err: fmt.Errorf("run encoder %s: %w: %w", e.Name(), recsys.ErrUnavailable, err)}
			continue
		}
		vector := slices.Clone(out[i*e.Dims() : (i+1)*e.Dims()])
		if !finite(vector) {
			c.done <- answer{err: fmt.Errorf("encoder %s gave values that are not finite: %w", e.Name(), recsys.ErrCorrupt)}
			continue
		}
		toUnit(vector)
		c.done <- answer{vector: vector}
	}
}

// toUnit divides a vector by its length; a vector of zeros stays.
func toUnit(v []float32) {
	n := length(v)
	if n == 0 {
		return
	}
	for i := range v {
		v[i] = float32(float64(v[i]) / n)
	}
}

// textBatch is rows of tokens, padded to the longest, one after another.
type textBatch struct {
	rows, tokens int
	ids, mask    []int64
}

func newTextBatch(rows [][]int64, pad int64) textBatch {
	b := textBatch{rows: len(rows)}
	for _, row := range rows {
		b.tokens = max(b.tokens, len(row))
	}
	b.ids, b.mask = slices.Repeat([]int64{pad}, b.rows*b.tokens), make([]int64, b.rows*b.tokens)
	for i, row := range rows {
		copy(b.ids[i*b.tokens:], row)
		for j := range row {
			b.mask[i*b.tokens+j] = 1
		}
	}
	return b
}

// length is a vector's Euclidean length.
func length(v []float32) float64 {
	var sum float64
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	return math.Sqrt(sum)
}
