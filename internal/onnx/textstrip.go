package onnx

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/seed-473295a7/vitrine/internal/onnx/graph"
	"github.com/seed-473295a7/vitrine/internal/onnx/wordpiece"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// textInputs are the names of a text model's inputs.
type textInputs struct{ ids, mask, types string }

// sampleTokens are ids that every vocabulary has.
func sampleTokens(n int) []int64 {
	out := make([]int64, n)
	for i := range out {
		out[i] = int64(i % 5)
	}
	return out
}

// sample is one text for the inputs that a model has.
func (t textInputs) sample(part *graph.Model) []feed {
	batch := newTextBatch([][]int64{sampleTokens(6)}, 0)
	dims := []int64{1, int64(batch.tokens)}
	var feeds []feed
	for _, v := range part.Inputs() {
		switch v.Name {
		case t.ids:
			feeds = append(feeds, feed{name: v.Name, dims: dims, ints: batch.ids})
		case t.mask:
			feeds = append(feeds, feed{name: v.Name, dims: dims, ints: batch.mask})
		default:
			feeds = append(feeds, feed{name: v.Name, dims: dims, ints: make([]int64, batch.tokens)})
		}
	}
	return feeds
}

// understandText finds the inputs of a model that takes no picture.
func (e *examination) understandText() error {
	ids, mask, types, ok := e.model.TextInputs()
	if !ok {
		return fmt.Errorf("the model takes neither a picture ([batch, 3, side, side] or [batch, side, side, 3]) nor token ids ([batch, tokens]) but %v: %w", e.Inputs, recsys.ErrIncompatible)
	}
	if mask == "" {
		return fmt.Errorf("the model takes token ids but no attention mask, so that texts of different lengths cannot be batched: %w", recsys.ErrIncompatible)
	}
	for _, v := range e.model.Inputs() {
		if slices.Contains([]string{ids, mask, types}, v.Name) && (v.Dims[0] > 0 || v.Dims[1] > 0) {
			return fmt.Errorf("the input %q is %v, want any batch of any number of tokens: %w", v.Name, v.Dims, recsys.ErrIncompatible)
		}
	}
	e.Family, e.FamilyWhy = string(graph.FamilyText), "it takes token ids"
	if e.known != nil {
		e.Known = e.known.Name
	}
	e.text = textInputs{ids, mask, types}
	e.points = e.model.Points(ids)
	return nil
}

// stripText is Strip for texts.
func (e *examination) stripText(ctx context.Context, s *Stripped, c StripConfig) (*Stripped, error) {
	if len(c.Tokenizer) == 0 {
		return nil, fmt.Errorf("%s takes texts: want its tokenizer.json or vocab.txt as well: %w", c.File, recsys.ErrInvalid)
	}
	tokenizer, err := wordpiece.New(c.Tokenizer)
	if err != nil {
		return nil, err
	}
	ending := ".txt"
	if tokenizer.FromJSON() {
		ending = ".json"
	}
	digest := sha256.Sum256(c.Tokenizer)
	s.tokenizer = c.Tokenizer
	s.Manifest.Input = Input{}
	s.Manifest.Text = Text{
		Tokenizer: s.Manifest.Name + ".tokenizer" + ending, SHA256: hex.EncodeToString(digest[:]),
		IDs: e.text.ids, Mask: e.text.mask, Types: e.text.types,
	}
	part, err := e.extractText()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.File, err)
	}
	if s.model, err = part.Marshal(); err != nil {
		return nil, err
	}
	s.Manifest.Output.Tensor = part.Outputs()[0].Name
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if s.Proof, err = e.checkText(&s.Manifest, s.model, tokenizer); err != nil {
		return nil, fmt.Errorf("%s: %w", c.File, err)
	}
	e.assume("texts: cut at %d tokens; vectors are divided by their length", s.Manifest.Text.MaxTokens)
	s.finish(e)
	return s, s.Manifest.Validate()
}

// extractText keeps all three inputs, so that every model of texts is run alike.
func (e *examination) extractText() (*graph.Model, error) {
	chosen := e.Candidates[0]
	edits := graph.Edits{Mask: e.text.mask, Taps: []graph.Tap{
		{Tensor: chosen.Tensor, Pool: graph.Pool(chosen.Pooling), Half: e.halves[chosen.Tensor], Dims: int64(chosen.Dims)},
	}}
	part, err := e.model.Extract(edits)
	if err != nil {
		return nil, err
	}
	if names := part.Inputs(); len(names) != len((Text{IDs: e.text.ids, Mask: e.text.mask, Types: e.text.types}).inputs()) {
		return nil, fmt.Errorf("the tensor %q needs the inputs %v, want ids, mask and types: %w", chosen.Tensor, shapes(names), recsys.ErrIncompatible)
	}
	return part, nil
}

const (
	proofText = "A blue ceramic vase, painted by hand"
	twinText  = "Portrait of an old man with a beard, oil on canvas, unsigned"
)

// usualTokens are the lengths that are tried, the longest that works is taken.
func usualTokens() []int { return []int{256, 128, 64, 32, 16} }

// textTrial runs a finished encoder of texts.
type textTrial struct {
	session *textSession
	dims    int
	pad     int64
}

// run runs rows together.
func (t textTrial) run(rows ...[]int64) ([]float32, error) {
	out := make([]float32, len(rows)*t.dims)
	if err := t.session.run(newTextBatch(rows, t.pad), out); err != nil {
		return nil, fmt.Errorf("the encoder cannot be run: %w: %w", recsys.ErrIncompatible, err)
	}
	if !finite(out) {
		return nil, fmt.Errorf("the encoder gives values that are not finite: %w", recsys.ErrCorrupt)
	}
	return out, nil
}

// longest finds how many tokens the model takes.
func (t textTrial) longest() (n int, err error) {
	for _, n = range usualTokens() {
		if _, err = t.run(sampleTokens(n)); err == nil {
			return n, nil
		}
	}
	return 0, err
}

// checkText measures how many tokens the model takes, holds the encoder to the original, and
// embeds two texts, alone and together.
func (e *examination) checkText(m *Manifest, data []byte, tokenizer *wordpiece.Tokenizer) (Proof, error) {
	session, err := newTextSession(*m, data, trialThreads())
	if err != nil {
		return Proof{}, err
	}
	defer session.close()
	t := textTrial{session, m.Output.Dims, tokenizer.Pad()}
	if _, err := t.run([]int64{tokenizer.Size() - 1}); err != nil {
		return Proof{}, fmt.Errorf("the tokenizer has %d tokens, which the model does not: %w", tokenizer.Size(), err)
	}
	if m.Text.MaxTokens, err = t.longest(); err != nil {
		return Proof{}, err
	}
	sample, err := t.run(sampleTokens(6))
	if err != nil {
		return Proof{}, err
	}
	proof := Proof{Of: proofText, Batch: "any"}
	if proof.Difference, err = e.compare(sample); err != nil {
		return proof, err
	}
	alone, err := e.checkTextBatch(t, tokenizer.Encode(proofText, m.Text.MaxTokens), tokenizer.Encode(twinText, m.Text.MaxTokens))
	if err != nil {
		return proof, err
	}
	proof.Dims, proof.Norm, proof.First = len(alone), length(alone), alone[:min(8, len(alone))]
	return proof, nil
}

// checkTextBatch answers the vector of a, which must be the same when b is run with it, and not b's.
func (e *examination) checkTextBatch(t textTrial, a, b []int64) ([]float32, error) {
	alone, err := t.run(a)
	if err != nil {
		return nil, err
	}
	both, err := t.run(a, b)
	if err != nil {
		return nil, err
	}
	if d := largestShare(alone, both[:t.dims]); !(d < e.bound()) {
		return nil, fmt.Errorf("a text's vector depends on the others in its batch (by %.2g): %w", d, recsys.ErrIncompatible)
	}
	if largestShare(alone, both[t.dims:]) < 1e-6 {
		return nil, fmt.Errorf("two different texts give the same vector: %w", recsys.ErrIncompatible)
	}
	return alone, nil
}
