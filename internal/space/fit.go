package space

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

// Fit fits a space to a catalogue: the vocabulary, scale, mean and projection of every block
// that schema embeds. inputs are read, not kept; cost is that of principal for the picture.
//
// A block for which no item says anything is left out (a later fit will find it in Schema), but
// the picture's stays if cfg.EncoderDims tells its length. Errors: recsys.ErrInvalid with every
// fault of cfg, of schema, and of inputs by name (NaN, an infinity, a picture of another
// length), and if no block is left; ctx's own.
func Fit(ctx context.Context, inputs []Input, schema Schema, cfg Config) (*Space, error) {
	if err := errors.Join(cfg.Validate(), schema.Validate(), checkNumbers(inputs)); err != nil {
		return nil, err
	}
	imageWeight, textWeight, weights := schema.weights(hasText(inputs))
	var blocks []block
	for _, part := range []struct {
		what   string
		weight float64
		fit    func(context.Context, []Input, Config) (block, bool, error)
	}{{"picture", imageWeight, fitImage}, {"text", textWeight, fitText}} {
		if part.weight == 0 {
			continue
		}
		b, ok, err := part.fit(ctx, inputs, cfg)
		if err != nil {
			return nil, fmt.Errorf("fit the %s block: %w", part.what, err)
		}
		if ok && b.name == textBlock && schema.embeds(textBlock) {
			return nil, recsys.Invalid("attributes", "the block %q is that of title and description; want use: store for the attribute of that name, or for the text", textBlock)
		}
		if ok {
			b.weight = part.weight
			blocks = append(blocks, b)
		}
	}
	width := labelWidth(schema, cfg)
	for i, rule := range schema.Attributes {
		if !rule.Embedded() {
			continue
		}
		c, ok := fitCoder(rule, inputs, cfg, width)
		if !ok {
			continue
		}
		mean, err := meanCode(ctx, c, inputs)
		if err != nil {
			return nil, err
		}
		blocks = append(blocks, block{name: rule.Name, weight: weights[i], coder: c, mean: mean})
	}
	if len(blocks) == 0 {
		return nil, recsys.Invalid("schema", "no block is left: nothing that is embedded is on any item")
	}
	schema.Attributes = slices.Clone(schema.Attributes)
	return newSpace(blocks, schema, len(inputs)), nil
}

// labelWidth is how many dimensions each of the label blocks may have so that all attributes
// fit into cfg.MaxAttributeDims; Validate has seen to it that minLabelDims are left.
func labelWidth(schema Schema, cfg Config) int {
	left, labels := cfg.MaxAttributeDims, 0
	for _, rule := range schema.Attributes {
		switch {
		case !rule.Embedded():
		case rule.Kind == recsys.KindNumber:
			left -= numberDims
		default:
			labels++
		}
	}
	return left / max(1, labels)
}

func fitCoder(rule AttributeRule, inputs []Input, cfg Config, width int) (coder, bool) {
	if rule.Kind == recsys.KindNumber {
		return fitNumber(rule.Name, rule.Encoding, inputs)
	}
	return fitLabels(rule, inputs, cfg, width)
}

// meanCode is the shrunk mean of what a coder makes of the items that have the block.
//
// Centring attributes too was measured: on openclipart it is neutral (P@10 of the category with
// the artist .569 → .567, with keywords .657 → .657, s.e. .007); for new films ranked by their
// best similarity to a user's films NDCG@10 rose .094 → .104 (s.e. .0036), by the mean of the
// similarities .087 → .138.
func meanCode(ctx context.Context, c coder, inputs []Input) ([]float32, error) {
	code := make([]float32, c.dims())
	sum := make([]float64, c.dims())
	present := 0
	for i := range inputs {
		if i%1024 == 0 {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
		}
		clear(code)
		if !c.code(&inputs[i], code) {
			continue
		}
		present++
		for j, v := range code {
			sum[j] += float64(v)
		}
	}
	for j := range sum {
		sum[j] /= float64(present + shrinkage)
	}
	return narrow(sum), nil
}

// checkNumbers reports the numbers of all items that are not finite.
func checkNumbers(inputs []Input) error {
	var f faults
	for i := range inputs {
		checkFinite(inputs[i].Attributes, inputPath(i), f.add)
	}
	return f.err()
}

func checkFinite(attributes map[string]recsys.Attribute, prefix string, fault faultFunc) {
	for name, a := range attributes {
		if a.Kind == recsys.KindNumber && !finite(a.Number) {
			fault(prefix+"attributes."+name, "is %v, want a finite number", a.Number)
		}
	}
}

func inputPath(i int) string { return fmt.Sprintf("inputs[%d].", i) }

// outputFault tells what is wrong with an encoder output; "" if nothing is.
func outputFault(x []float32, want int) string {
	if len(x) != want {
		return fmt.Sprintf("has %d entries, want %d", len(x), want)
	}
	if !vecmath.Finite(x) {
		return "holds NaN or an infinity"
	}
	return ""
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
