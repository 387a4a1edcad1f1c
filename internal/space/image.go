package space

import (
	"context"
	"math"

	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

// image is the coder of the picture: x/|x|, projected if there is a projection. The block's
// mean is subtracted after it, so it is the projected mean.
type image struct {
	raw        int       // length of an encoder output
	projection []float32 // kept × raw, a component per row; nil: none
	kept       int       // components; raw without a projection
}

func (c *image) dims() int { return c.kept }

func (c *image) code(in *Input, out []float32) bool { return c.encode(in.Image, out) }

// encode is code for an encoder output, whatever it is of.
func (c *image) encode(x, out []float32) bool {
	if len(x) != c.raw {
		return false
	}
	norm := length(x)
	if !(norm > 0) || math.IsInf(norm, 1) {
		return false
	}
	if norm < 1e-15 || norm > 1e15 { // products of float32 would leave their range
		x = scaled(x, 1/norm)
		norm = 1
	}
	if c.projection == nil {
		copy(out, x)
	} else {
		vecmath.DotRows(x, c.projection, out)
	}
	inverse := float32(1 / norm)
	for i := range out {
		out[i] *= inverse
	}
	return true
}

// check reports what Embed would pass over in an input.
func (c *image) check(in *Input, fault faultFunc) {
	if in.Image == nil {
		return
	}
	if found := outputFault(in.Image, c.raw); found != "" {
		fault(imageBlock, "%s", found)
	}
}

func scaled(x []float32, by float64) []float32 {
	out := make([]float32, len(x))
	for i := range x {
		out[i] = float32(float64(x[i]) * by)
	}
	return out
}

// length is the Euclidean norm; NaN or +Inf if an element is not finite.
func length(x []float32) float64 {
	var sum float64
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	return math.Sqrt(sum)
}

// fitImage fits the picture block; ok is false if nothing tells the length of an encoder output.
func fitImage(ctx context.Context, inputs []Input, cfg Config) (b block, ok bool, err error) {
	pictures, raw, err := outputsOf(inputs, imageBlock, func(in *Input) []float32 { return in.Image }, cfg.EncoderDims)
	if err != nil || raw == 0 {
		return block{}, false, err
	}
	coder, mean, err := fitOutputs(ctx, pictures, raw, cfg.ImageDims, cfg)
	if err != nil {
		return block{}, false, err
	}
	return block{name: imageBlock, coder: coder, mean: mean}, true, nil
}

// fitOutputs fits a projection to at most dims components, and the mean, to encoder outputs, raw long.
func fitOutputs(ctx context.Context, outputs [][]float32, raw, dims int, cfg Config) (*image, []float32, error) {
	mean := shrunkMean(outputs, raw)
	whole := &image{raw: raw, kept: raw}
	if len(outputs) < cfg.MinPictures {
		return whole, narrow(mean), nil
	}
	keep := min(dims, raw, max(1, len(outputs)/3))
	components, values, err := principal(ctx, outputs, keep)
	if err != nil || len(components) == 0 {
		return whole, narrow(mean), err
	}
	coder := &image{raw: raw, kept: len(components), projection: make([]float32, 0, len(components)*raw)}
	projected := make([]float64, len(components))
	for k, v := range components {
		scale := math.Pow(values[k], -cfg.ImagePower)
		for j := range v {
			projected[k] += v[j] * scale * mean[j]
			coder.projection = append(coder.projection, float32(v[j]*scale))
		}
	}
	return coder, narrow(projected), nil
}

// outputsOf returns the encoder outputs of a block that have a direction, and their length: want,
// or if that is 0 the length of the first.
func outputsOf(inputs []Input, name string, of func(*Input) []float32, want int) ([][]float32, int, error) {
	var outputs [][]float32
	var f faults
	for i := range inputs {
		x := of(&inputs[i])
		if x == nil {
			continue
		}
		if want == 0 {
			want = len(x)
		}
		if fault := outputFault(x, want); fault != "" {
			f.add(inputPath(i)+name, "%s", fault)
		} else if length(x) > 0 {
			outputs = append(outputs, x)
		}
	}
	if want > maxImageDims {
		return nil, 0, recsys.Invalid(name, "has %d entries, want at most %d", want, maxImageDims)
	}
	return outputs, want, f.err()
}

// shrinkage is how many times zero counts as an observation in every mean. Without it the mean
// of one item is the item itself and nothing of it is left after centring, and two items are
// opposites. From some hundred items on it changes nothing that can be measured.
const shrinkage = 10

// shrunkMean is Σ x/|x| / (n + shrinkage).
func shrunkMean(rows [][]float32, dims int) []float64 {
	mean := make([]float64, dims)
	for _, x := range rows {
		scale := 1 / (length(x) * float64(len(rows)+shrinkage))
		for j, v := range x {
			mean[j] += float64(v) * scale
		}
	}
	return mean
}

func narrow(x []float64) []float32 {
	out := make([]float32, len(x))
	for i := range x {
		out[i] = float32(x[i])
	}
	return out
}
