package onnx

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/seed-473295a7/vitrine/internal/onnx/graph"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// A file does not say how pictures were prepared for its training. What follows is how each
// family's public files were trained; Strip states it as an assumption, and RuleChange overrides.

// preset is a named normalisation, with the side of the resized picture per side of the crop.
type preset struct {
	mean, std [3]float32 // of channel values 0…255
	ratio     float64
	filter    string
	says      string
}

const (
	bicubic  = "bicubic-antialias"
	bilinear = "bilinear-antialias"
)

// presets: ImageNet's are torchvision's; lite is EfficientNet-Lite's; clip is OpenAI's; half is
// the original vision transformers'; unit scales to 0…1; bytes leaves values as they are.
func presets() map[string]preset {
	imagenet := preset{mean: [3]float32{123.675, 116.28, 103.53}, std: [3]float32{58.395, 57.12, 57.375}, ratio: 256. / 224, filter: bilinear, says: "ImageNet's mean and standard deviation"}
	mae := imagenet
	mae.filter = bicubic
	return map[string]preset{
		"imagenet": imagenet,
		"mae":      mae,
		"lite":     {[3]float32{127, 127, 127}, [3]float32{128, 128, 128}, 256. / 224, bicubic, "(value − 127) / 128"},
		"clip": {[3]float32{122.7709383, 116.7460125, 104.0937362}, [3]float32{68.5005327, 66.6321579, 70.3231631}, 1, bicubic,
			"CLIP's mean and standard deviation"},
		"half":  {[3]float32{127.5, 127.5, 127.5}, [3]float32{127.5, 127.5, 127.5}, 1, bicubic, "values scaled to −1…1"},
		"unit":  {[3]float32{}, [3]float32{255, 255, 255}, 256. / 224, bilinear, "values scaled to 0…1"},
		"bytes": {[3]float32{}, [3]float32{1, 1, 1}, 256. / 224, bilinear, "channel values of 0…255 as they are"},
	}
}

// familyPreset is the preset that most public files of a family want.
func familyPreset(f graph.Family) string {
	switch f {
	case graph.FamilyEfficientNetLite:
		return "lite"
	case graph.FamilyCLIP:
		return "clip"
	case graph.FamilyViT:
		return "half"
	case graph.FamilyViTMAE:
		return "mae"
	}
	return "imagenet"
}

// RuleChange overrides parts of a guessed input rule; zero values leave them.
type RuleChange struct {
	Preset    string      `json:"preset,omitempty"`
	Size      int         `json:"size,omitempty"`
	ShortSide int         `json:"short_side,omitempty"`
	Filter    string      `json:"filter,omitempty"`
	Channels  string      `json:"channels,omitempty"` // RGB or BGR, the order the source model wants
	Layout    string      `json:"layout,omitempty"`   // NCHW or NHWC, where the file does not say
	Mean      *[3]float32 `json:"mean,omitempty"`
	Std       *[3]float32 `json:"std,omitempty"`
}

// ParseRuleChange reads [PRESET][,key=value…]: keys size, short_side, filter (bicubic or bilinear),
// channels, layout, mean and std; those two are one number or three joined by slashes, in channel
// values of 0…255 and in the order red, green, blue.
//
// Errors: recsys.ErrInvalid.
func ParseRuleChange(text string) (RuleChange, error) {
	var c RuleChange
	for i, part := range strings.Split(text, ",") {
		key, value, pair := strings.Cut(strings.TrimSpace(part), "=")
		var err error
		switch {
		case part == "" && i == 0:
		case !pair && i == 0:
			c.Preset = key
		case !pair:
			err = fmt.Errorf("want key=value")
		default:
			err = c.set(key, value)
		}
		if err != nil {
			return c, fmt.Errorf("input rule: %q: %w: %w", part, err, recsys.ErrInvalid)
		}
	}
	return c, c.validate()
}

func (c *RuleChange) set(key, value string) (err error) {
	switch key {
	case "size":
		c.Size, err = strconv.Atoi(value)
	case "short_side":
		c.ShortSide, err = strconv.Atoi(value)
	case "filter":
		c.Filter = strings.TrimSuffix(value, "-antialias") + "-antialias"
	case "channels":
		c.Channels = strings.ToUpper(value)
	case "layout":
		c.Layout = strings.ToUpper(value)
	case "mean":
		c.Mean, err = triple(value)
	case "std":
		c.Std, err = triple(value)
	default:
		err = fmt.Errorf("unknown key, want size, short_side, filter, channels, layout, mean or std")
	}
	return err
}

func triple(text string) (*[3]float32, error) {
	parts := strings.Split(text, "/")
	if len(parts) == 1 {
		parts = []string{text, text, text}
	}
	if len(parts) != 3 {
		return nil, fmt.Errorf("want one number or three joined by slashes")
	}
	out := new([3]float32)
	for i, part := range parts {
		v, err := strconv.ParseFloat(part, 32)
		if err != nil {
			return nil, fmt.Errorf("want numbers")
		}
		out[i] = float32(v)
	}
	return out, nil
}

func (c RuleChange) validate() error {
	_, known := presets()[c.Preset]
	_, scales := filters()[c.Filter]
	switch {
	case c.Preset != "" && !known:
		return fmt.Errorf("input rule: unknown preset %q, want imagenet, mae, lite, clip, half, unit or bytes: %w", c.Preset, recsys.ErrInvalid)
	case c.Filter != "" && !scales:
		return fmt.Errorf("input rule: filter %q: want bicubic or bilinear: %w", c.Filter, recsys.ErrInvalid)
	case c.Channels != "" && c.Channels != "RGB" && c.Channels != "BGR":
		return fmt.Errorf("input rule: channels %q: want RGB or BGR: %w", c.Channels, recsys.ErrInvalid)
	case c.Layout != "" && c.Layout != "NCHW" && c.Layout != "NHWC":
		return fmt.Errorf("input rule: layout %q: want NCHW or NHWC: %w", c.Layout, recsys.ErrInvalid)
	}
	return nil
}

// guess is an input rule with what it rests on. Layout and Channels are the source model's.
type guess struct {
	input       Input
	assumptions []string
}

// guessRule infers the input rule of a picture model and applies the changes.
//
// Errors: recsys.ErrIncompatible for an input that is no square, recsys.ErrInvalid for a change
// that contradicts the file.
func guessRule(m *graph.Model, picture graph.Value, family graph.Family, c RuleChange) (guess, error) {
	g := guess{input: Input{Layout: "NCHW", Channels: "RGB", Resize: Resize{Crop: "centre"}}}
	if err := g.layout(picture, c); err != nil {
		return g, err
	}
	if err := g.size(m, picture, c); err != nil {
		return g, err
	}
	name := familyPreset(family)
	why := "usual for the family " + string(family)
	if ops := m.Normalises(picture.Name); ops != "" {
		name, why = "bytes", "the model itself begins with "+ops
	}
	if !picture.IsFloat() {
		name, why = "bytes", "the input takes bytes"
	}
	if c.Preset != "" {
		name, why = c.Preset, "as told"
	}
	p := presets()[name]
	g.input.Mean, g.input.Std, g.input.Resize.Filter = p.mean, p.std, p.filter
	g.input.Resize.ShortSide = int(float64(g.input.Size)*p.ratio + .5)
	g.assume("normalisation: %s, preset %q (%s)", p.says, name, why)
	if name == "half" && c.Preset == "" {
		g.assume("beware: of the vision transformers DeiT, DINO and torchvision's want the preset imagenet")
	}
	g.change(c)
	if c.Channels == "" {
		g.assume("channels: RGB (usual; files from Caffe and OpenCV want BGR)")
	}
	g.assume("resize: short side to %d, %s, centre crop of %d", g.input.Resize.ShortSide, g.input.Resize.Filter, g.input.Size)
	return g, (Manifest{Input: g.input}).Rule().Validate()
}

func (g *guess) assume(format string, args ...any) {
	g.assumptions = append(g.assumptions, fmt.Sprintf(format, args...))
}

func (g *guess) layout(picture graph.Value, c RuleChange) error {
	switch {
	case graph.ChannelLast(picture):
		g.input.Layout = "NHWC"
	case picture.Dims == nil || picture.Dims[1] != 3:
		if c.Layout == "" {
			g.assume("layout: NCHW (the file does not say)")
		} else {
			g.input.Layout = c.Layout
		}
		return nil
	}
	if c.Layout != "" && c.Layout != g.input.Layout {
		return fmt.Errorf("input rule: layout %s, but the input %q is %v: %w", c.Layout, picture.Name, picture.Dims, recsys.ErrInvalid)
	}
	return nil
}

const usualSize = 224

func (g *guess) size(m *graph.Model, picture graph.Value, c RuleChange) error {
	side, why := m.Side(picture)
	if side == 0 && picture.Fixed() {
		return fmt.Errorf("the input %q is %v, want a square: %w", picture.Name, picture.Dims, recsys.ErrIncompatible)
	}
	if why == "the input's shape" && c.Size != 0 && int64(c.Size) != side {
		return fmt.Errorf("input rule: size %d, but the input %q is %v: %w", c.Size, picture.Name, picture.Dims, recsys.ErrInvalid)
	}
	switch {
	case c.Size != 0:
		g.input.Size = c.Size
	case side > 1<<12:
		return fmt.Errorf("the input %q is %v, want at most 4096 pixels a side: %w", picture.Name, picture.Dims, recsys.ErrIncompatible)
	case side != 0:
		g.input.Size = int(side)
		g.assume("size: %d (%s)", side, why)
	default:
		g.input.Size = usualSize
		g.assume("size: %d (the file leaves it open; this is usual)", usualSize)
	}
	return nil
}

// change applies what the caller has said beyond a preset.
func (g *guess) change(c RuleChange) {
	if c.ShortSide != 0 {
		g.input.Resize.ShortSide = c.ShortSide
	}
	if c.Filter != "" {
		g.input.Resize.Filter = c.Filter
	}
	if c.Channels != "" {
		g.input.Channels = c.Channels
	}
	if c.Mean != nil {
		g.input.Mean = *c.Mean
	}
	if c.Std != nil {
		g.input.Std = *c.Std
	}
}
