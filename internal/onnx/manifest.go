package onnx

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"regexp"

	"github.com/seed-473295a7/vitrine/internal/imageprep"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// Manifest describes an encoder. Name and Version identify its vectors: a change of the model
// or of the rule that moves vectors needs another version.
type Manifest struct {
	Name        string `json:"name"`
	Version     string `json:"version"`
	Description string `json:"description"`
	File        string `json:"file"`   // beside the manifest
	SHA256      string `json:"sha256"` // of the file, hexadecimal
	Source      string `json:"source"`
	Licence     string `json:"licence"`
	LicenceFile string `json:"licence_file"`
	Input       Input  `json:"input"`
	Output      Output `json:"output"`
}

// Input is how a picture becomes the model's tensor.
type Input struct {
	Tensor   string     `json:"tensor"`
	Layout   string     `json:"layout"`   // NCHW
	Channels string     `json:"channels"` // RGB
	Size     int        `json:"size"`     // side of the square, pixels
	Resize   Resize     `json:"resize"`
	Mean     [3]float32 `json:"mean"` // of channel values 0…255
	Std      [3]float32 `json:"std"`
}

// Resize is the step before the crop to Size.
type Resize struct {
	ShortSide int    `json:"short_side"`
	Filter    string `json:"filter"` // bicubic-antialias
	Crop      string `json:"crop"`   // centre
}

// Output is the tensor that holds the vectors.
type Output struct {
	Tensor string `json:"tensor"`
	Dims   int    `json:"dims"`
}

// maxDims bounds what a manifest may promise; encoders in use give 32 to 4096.
const maxDims = 1 << 16

// LoadManifest reads and checks a manifest.
//
// Errors: recsys.ErrNotFound, recsys.ErrCorrupt for what is not a manifest, recsys.ErrInvalid
// for every value that is missing or not supported.
func LoadManifest(files fs.FS, name string) (Manifest, error) {
	data, err := readFile(files, name)
	if err != nil {
		return Manifest{}, fmt.Errorf("encoder manifest: %w", err)
	}
	var m Manifest
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&m); err != nil {
		return Manifest{}, fmt.Errorf("encoder manifest %s: %w: %w", name, recsys.ErrCorrupt, err)
	}
	if err := m.Validate(); err != nil {
		return Manifest{}, fmt.Errorf("encoder manifest %s: %w", name, err)
	}
	return m, nil
}

// Validate reports every value that is missing or not supported.
func (m Manifest) Validate() error {
	var faults []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf(format+": %w", append(args, recsys.ErrInvalid)...))
		}
	}
	word := regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}$`)
	check(word.MatchString(m.Name), "name %q: want a word of letters, digits, '.', '_' and '-'", m.Name)
	check(word.MatchString(m.Version), "version %q: want a word of letters, digits, '.', '_' and '-'", m.Version)
	check(fs.ValidPath(m.File), "file %q: want a path within the encoder files", m.File)
	digest, err := hex.DecodeString(m.SHA256)
	check(err == nil && len(digest) == sha256.Size, "sha256 %q: want %d hexadecimal digits", m.SHA256, 2*sha256.Size)
	check(m.Licence != "" && m.Source != "", "licence and source: want both")
	check(m.Input.Tensor != "" && m.Output.Tensor != "", "tensor names: want both input and output")
	check(m.Input.Layout == "NCHW", "input layout %q: want NCHW", m.Input.Layout)
	check(m.Input.Channels == "RGB", "input channels %q: want RGB", m.Input.Channels)
	check(m.Input.Resize.Filter == "bicubic-antialias", "resize filter %q: want bicubic-antialias", m.Input.Resize.Filter)
	check(m.Input.Resize.Crop == "centre", "resize crop %q: want centre", m.Input.Resize.Crop)
	check(m.Output.Dims >= 1 && m.Output.Dims <= maxDims, "output dims %d: want 1 to %d", m.Output.Dims, maxDims)
	return errors.Join(append(faults, m.Rule().Validate())...)
}

// Rule is the input rule as package imageprep applies it.
func (m Manifest) Rule() imageprep.Rule {
	return imageprep.Rule{ShortSide: m.Input.Resize.ShortSide, Crop: m.Input.Size, Mean: m.Input.Mean, Std: m.Input.Std}
}

// model reads the ONNX file and holds it to the manifest's SHA-256; recsys.ErrCorrupt if it differs.
func (m Manifest) model(files fs.FS) ([]byte, error) {
	data, err := readFile(files, m.File)
	if err != nil {
		return nil, fmt.Errorf("encoder model: %w", err)
	}
	digest := sha256.Sum256(data)
	if want, _ := hex.DecodeString(m.SHA256); !bytes.Equal(digest[:], want) {
		return nil, fmt.Errorf("encoder model %s has SHA-256 %x, its manifest says %s: %w", m.File, digest, m.SHA256, recsys.ErrCorrupt)
	}
	return data, nil
}

func readFile(files fs.FS, name string) ([]byte, error) {
	data, err := fs.ReadFile(files, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", name, recsys.ErrNotFound)
	}
	return data, err
}
