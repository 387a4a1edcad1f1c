package engine

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/space"
)

// TextEncoder turns a text's tokens into a raw vector, as Encoder does with a picture's tensor. An
// engine may do without one: then no text is embedded.
type TextEncoder interface {
	// Name is name@version; raw outputs of two names are never mixed.
	Name() string
	// Tokens cuts a text up as the model wants it.
	Tokens(text string) []int64
	// Encode runs the model on one text's tokens; the result is finite and owned by the caller.
	Encode(ctx context.Context, tokens []int64) ([]float32, error)
}

// TextEncoder names the encoder of texts; "" if there is none.
func (e *Engine) TextEncoder() string {
	if e.texts == nil {
		return ""
	}
	return e.texts.Name()
}

// textOf is what is encoded of an item: title and description; "" if it has neither.
func textOf(it *recsys.Item) string { return strings.TrimSpace(it.Title + "\n" + it.Description) }

// Of reports whether there is an output and it is of the text that an item has now.
func (t TextOutput) Of(it *recsys.Item) bool {
	if t.Raw == nil {
		return false
	}
	digest := sha256.Sum256([]byte(textOf(it)))
	return bytes.Equal(digest[:], t.Digest)
}

// encodeText gives what is to be stored of a text that is not empty.
func (e *Engine) encodeText(ctx context.Context, itemID, text string) (TextOutput, error) {
	digest := sha256.Sum256([]byte(text))
	raw, err := e.texts.Encode(ctx, e.texts.Tokens(text))
	if err != nil {
		return TextOutput{}, fmt.Errorf("embed the text: %w", err)
	}
	return TextOutput{ItemID: itemID, Digest: digest[:], Raw: raw}, nil
}

// storedTexts returns the stored outputs by item id, of whatever text the items had.
func (e *Engine) storedTexts(ctx context.Context, items []*recsys.Item) (map[string]TextOutput, error) {
	if e.texts == nil || len(items) == 0 {
		return nil, nil
	}
	ids := make([]string, len(items))
	for i, it := range items {
		ids[i] = it.ItemID
	}
	out := make(map[string]TextOutput, len(ids))
	err := e.store.TextOutputs(ctx, e.texts.Name(), ids, func(t TextOutput) error {
		out[t.ItemID] = TextOutput{ItemID: t.ItemID, Digest: slices.Clone(t.Digest), Raw: slices.Clone(t.Raw)}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read text encoder outputs: %w", err)
	}
	return out, nil
}

// inputOf is what is read of an item without a picture; t counts if it is of the text the item has now.
func (e *Engine) inputOf(it *recsys.Item, t TextOutput) space.Input {
	in := space.Input{Attributes: it.Attributes}
	if t.Of(it) {
		in.Text, in.TextEncoder = t.Raw, e.texts.Name()
	}
	return in
}

// completeText encodes the text that an input lacks, and has the write store it.
func (e *Engine) completeText(ctx context.Context, w *ItemWrite, in *space.Input) error {
	if e.texts == nil || in.Text != nil {
		return nil
	}
	text := textOf(&w.Item)
	if text == "" {
		return nil
	}
	var err error
	if w.Text, err = e.encodeText(ctx, w.Item.ItemID, text); err != nil {
		return err
	}
	w.TextEncoder = e.texts.Name()
	in.Text, in.TextEncoder = w.Text.Raw, w.TextEncoder
	return nil
}

// EmbedTexts encodes the titles and descriptions of all items that lack an output of the text
// encoder, and returns how many they were: those registered before there was one. FitSpace then
// finds them. Without a text encoder it does nothing.
func (e *Engine) EmbedTexts(ctx context.Context, progress Progress) (int, error) {
	if e.texts == nil {
		return 0, nil
	}
	scan, err := e.scanCatalog(ctx)
	if err != nil {
		return 0, err
	}
	encoded, done := 0, 0
	for batch := range slices.Chunk(scan.rows, embedBatch) {
		n, err := e.embedTexts(ctx, batch)
		if err != nil {
			return encoded, err
		}
		encoded, done = encoded+n, done+len(batch)
		progress("embed texts", done, len(scan.rows))
	}
	return encoded, nil
}

func (e *Engine) embedTexts(ctx context.Context, rows []ItemRow) (int, error) {
	stored, err := e.storedTexts(ctx, itemsOf(rows))
	if err != nil {
		return 0, err
	}
	var lacking []*recsys.Item
	for i := range rows {
		if it := &rows[i].Item; textOf(it) != "" && !stored[it.ItemID].Of(it) {
			lacking = append(lacking, it)
		}
	}
	outputs, faults := make([]TextOutput, len(lacking)), make([]error, len(lacking))
	var wg sync.WaitGroup
	for i, it := range lacking {
		wg.Go(func() { outputs[i], faults[i] = e.encodeText(ctx, it.ItemID, textOf(it)) })
	}
	wg.Wait()
	if err := cmp.Or(faults...); err != nil || len(lacking) == 0 {
		return 0, err
	}
	if err := e.store.PutTextOutputs(ctx, e.texts.Name(), outputs); err != nil {
		return 0, fmt.Errorf("store text encoder outputs: %w", err)
	}
	return len(lacking), nil
}

func itemsOf(rows []ItemRow) []*recsys.Item {
	out := make([]*recsys.Item, len(rows))
	for i := range rows {
		out[i] = &rows[i].Item
	}
	return out
}
