package space

import (
	"errors"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// Config holds the settings of Fit.
type Config struct {
	// EncoderDims is the length of a raw encoder output. 0 takes it from the inputs, and if
	// none of them has a picture the space will have no picture block at all.
	EncoderDims int
	// ImageDims is how many principal components of the picture are kept, 1 to 4096.
	ImageDims int
	// TextDims is how many of the text are, 1 to 4096.
	TextDims int
	// ImagePower divides a component by its eigenvalue to this power: 0 is plain PCA, .5
	// whitens fully (which costs retrieval across domains).
	ImagePower float64
	// MinPictures is how many pictures, or texts, a projection needs; with fewer they are only
	// centred. A projection never keeps more than a third as many components as there were.
	MinPictures int
	// MaxOneHot is how many values a one-hot block has at most, 1 to 4096.
	MaxOneHot int
	// HashDims is the width of a hashed block, 16 to 4096.
	HashDims int
	// MaxAttributeDims bounds what all attributes take together; many of them make each of
	// the label blocks narrower, down to minLabelDims.
	MaxAttributeDims int
}

const (
	maxImageDims = 1 << 16 // the longest raw encoder output
	minLabelDims = 16      // below this a hash tells nothing apart
)

// DefaultConfig returns the settings measured for the index: PCA to 256 with power .1 is five
// times smaller than the encoder's output, more exact (P@10 openclipart .513 → .529, grocery
// .722 → .742) and makes fewer hubs. A third of the 384 of a small text encoder costs nothing
// (openclipart .672 → .675, s.e. .007).
func DefaultConfig() Config {
	return Config{ImageDims: 256, TextDims: 128, ImagePower: .1, MinPictures: 1000, MaxOneHot: 256, HashDims: 256, MaxAttributeDims: 8192}
}

// ContentConfig returns the settings of the factor model's content vector. A ridge regression
// with one row per item reads it, at a cost of its length cubed: hence 64 components, a
// projection from few pictures on, and narrow attributes where there are many.
func ContentConfig() Config {
	c := DefaultConfig()
	c.ImageDims, c.TextDims, c.ImagePower, c.MinPictures, c.MaxAttributeDims = 64, 64, 0, 24, 1024
	return c
}

// Validate reports all faults.
func (c Config) Validate() error {
	var faults []error
	within := func(name string, value, low, high int) {
		if value < low || value > high {
			faults = append(faults, recsys.Invalid(name, "is %d, want %d to %d", value, low, high))
		}
	}
	within("encoder_dims", c.EncoderDims, 0, maxImageDims)
	within("image_dims", c.ImageDims, 1, 4096)
	within("text_dims", c.TextDims, 1, 4096)
	within("min_pictures", c.MinPictures, 2, 1<<30)
	within("max_onehot", c.MaxOneHot, 1, 4096)
	within("hash_dims", c.HashDims, minLabelDims, 4096)
	within("max_attribute_dims", c.MaxAttributeDims, maxEmbedded*minLabelDims, 1<<20)
	if !(c.ImagePower >= 0 && c.ImagePower <= .5) {
		faults = append(faults, recsys.Invalid("image_power", "is %v, want 0 to .5", c.ImagePower))
	}
	return errors.Join(faults...)
}

// InferConfig holds the settings of Infer.
type InferConfig struct {
	// MaxOneHot is up to how many values labels are one-hot; keep it equal to Config.MaxOneHot.
	MaxOneHot int
	// MaxEmbedded is how many attributes take part at most; those on the most items win.
	MaxEmbedded int
	// MinItems is how many items must have an attribute before its values are judged too
	// unique; with fewer nothing can be told.
	MinItems int
	// MinCoverage is the share of items that must have an attribute.
	MinCoverage float64
	// NearUnique is the share of values found on one item only from which an attribute says
	// nothing about likeness.
	NearUnique float64
}

// DefaultInferConfig returns the settings that sort the columns of real catalogues the way a
// person would.
func DefaultInferConfig() InferConfig {
	return InferConfig{MaxOneHot: 256, MaxEmbedded: 32, MinItems: 20, MinCoverage: .02, NearUnique: .8}
}

// Validate reports all faults.
func (c InferConfig) Validate() error {
	var faults []error
	if c.MaxOneHot < 1 {
		faults = append(faults, recsys.Invalid("max_onehot", "is %d, want at least 1", c.MaxOneHot))
	}
	if c.MaxEmbedded < 0 {
		faults = append(faults, recsys.Invalid("max_embedded", "is %d, want at least 0", c.MaxEmbedded))
	}
	if c.MinItems < 1 {
		faults = append(faults, recsys.Invalid("min_items", "is %d, want at least 1", c.MinItems))
	}
	if !(c.MinCoverage >= 0 && c.MinCoverage <= 1) {
		faults = append(faults, recsys.Invalid("min_coverage", "is %v, want 0 to 1", c.MinCoverage))
	}
	if !(c.NearUnique > 0 && c.NearUnique <= 1) {
		faults = append(faults, recsys.Invalid("near_unique", "is %v, want above 0 to 1", c.NearUnique))
	}
	return errors.Join(faults...)
}
