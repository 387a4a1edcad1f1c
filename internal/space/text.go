package space

import (
	"context"
	"fmt"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// text is the coder of an item's title and description: as image, of the outputs of one encoder.
//
// It knows that encoder, which image does not, because texts are optional: a server may run
// another text encoder than the one a space was fitted with, or none, and its items then lack
// the block instead of getting a direction that means something else.
type text struct {
	image
	encoder string
}

func (c *text) code(in *Input, out []float32) bool {
	return in.TextEncoder == c.encoder && c.encode(in.Text, out)
}

// fault tells what Embed would pass over in an input; "" if nothing.
func (c *text) fault(in *Input) string {
	switch {
	case in.Text == nil:
		return ""
	case in.TextEncoder != c.encoder:
		return fmt.Sprintf("is of encoder %q, want %q", in.TextEncoder, c.encoder)
	}
	return outputFault(in.Text, c.raw)
}

func hasText(inputs []Input) bool { return countTexts(inputs) > 0 }

func countTexts(inputs []Input) int {
	n := 0
	for i := range inputs {
		if inputs[i].Text != nil {
			n++
		}
	}
	return n
}

// fitText fits the text block; ok is false if no item has a text.
func fitText(ctx context.Context, inputs []Input, cfg Config) (b block, ok bool, err error) {
	texts, raw, err := outputsOf(inputs, textBlock, func(in *Input) []float32 { return in.Text }, 0)
	if err != nil || len(texts) == 0 {
		return block{}, false, err
	}
	encoder, err := textEncoderOf(inputs)
	if err != nil {
		return block{}, false, err
	}
	coder, mean, err := fitOutputs(ctx, texts, raw, cfg.TextDims, cfg)
	if err != nil {
		return block{}, false, err
	}
	return block{name: textBlock, coder: &text{image: *coder, encoder: encoder}, mean: mean}, true, nil
}

// textEncoderOf is the one encoder that all texts come from.
func textEncoderOf(inputs []Input) (string, error) {
	name := ""
	for i := range inputs {
		in := &inputs[i]
		switch {
		case in.Text == nil:
		case in.TextEncoder == "" || len(in.TextEncoder) > maxNameBytes:
			return "", recsys.Invalid(inputPath(i)+"text_encoder", "has %d bytes, want 1 to %d", len(in.TextEncoder), maxNameBytes)
		case name == "":
			name = in.TextEncoder
		case in.TextEncoder != name:
			return "", recsys.Invalid(inputPath(i)+"text_encoder", "is %q, want %q as before", in.TextEncoder, name)
		}
	}
	return name, nil
}
