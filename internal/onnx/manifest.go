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
	LicenceFile string `json:"licence_file,omitempty"`
	Input       Input  `json:"input,omitzero"` // of an encoder of pictures
	Text        Text   `json:"text,omitzero"`  // of an encoder of texts
	Output      Output `json:"output"`
	Origin      Origin `json:"origin,omitzero"`
}

// Input is how a picture becomes the model's tensor.
type Input struct {
	Tensor   string     `json:"tensor"`
	Layout   string     `json:"layout"`              // NCHW
	Channels string     `json:"channels"`            // RGB
	Size     int        `json:"size"`                // side of the square, pixels
	MaxBatch int        `json:"max_batch,omitempty"` // 1 for a model that takes one picture at a time; 0: any number
	Resize   Resize     `json:"resize"`
	Mean     [3]float32 `json:"mean"` // of channel values 0…255
	Std      [3]float32 `json:"std"`
}

// Resize is the step before the crop to Size.
type Resize struct {
	ShortSide int    `json:"short_side"`
	Filter    string `json:"filter"` // bicubic-antialias or bilinear-antialias
	Crop      string `json:"crop"`   // centre
}

// Output is the tensor that holds the vectors.
type Output struct {
	Tensor  string `json:"tensor"`
	Dims    int    `json:"dims"`
	Pooling string `json:"pooling,omitempty"` // what the encoder's last nodes do to the origin's tensor
}

// Origin is the public file an encoder was made of by Strip, and what was assumed of it.
type Origin struct {
	File        string   `json:"file"`
	SHA256      string   `json:"sha256"`
	Tensor      string   `json:"tensor"` // where it was cut
	Why         string   `json:"why"`
	Family      string   `json:"family"`
	Assumptions []string `json:"assumptions"`
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
	check(isWord(m.Name), "name %q: want %s", m.Name, wantedWord)
	check(isWord(m.Version), "version %q: want %s", m.Version, wantedWord)
	check(fs.ValidPath(m.File), "file %q: want a path within the encoder files", m.File)
	digest, err := hex.DecodeString(m.SHA256)
	check(err == nil && len(digest) == sha256.Size, "sha256 %q: want %d hexadecimal digits", m.SHA256, 2*sha256.Size)
	check(m.Licence != "" && m.Source != "", "licence and source: want both")
	check(m.Output.Tensor != "", "output tensor name: want one")
	check(m.Output.Dims >= 1 && m.Output.Dims <= maxDims, "output dims %d: want 1 to %d", m.Output.Dims, maxDims)
	if m.IsText() {
		return errors.Join(append(faults, m.Text.validate())...)
	}
	check(m.Input.Tensor != "", "input tensor name: want one")
	check(m.Input.Layout == "NCHW", "input layout %q: want NCHW", m.Input.Layout)
	check(m.Input.Channels == "RGB", "input channels %q: want RGB", m.Input.Channels)
	check(m.Input.MaxBatch == 0 || m.Input.MaxBatch == 1, "input max batch %d: want 0 for any, or 1", m.Input.MaxBatch)
	_, known := filters()[m.Input.Resize.Filter]
	check(known, "resize filter %q: want bicubic-antialias or bilinear-antialias", m.Input.Resize.Filter)
	check(m.Input.Resize.Crop == "centre", "resize crop %q: want centre", m.Input.Resize.Crop)
	return errors.Join(append(faults, m.Rule().Validate())...)
}

const wantedWord = "1 to 64 letters, digits, '.', '_' and '-', a letter or digit first"

// isWord reports whether a name can be an encoder's and a file's.
func isWord(name string) bool {
	return regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}$`).MatchString(name)
}

// IsText reports whether the encoder takes texts.
func (m Manifest) IsText() bool { return m.Text.Tokenizer != "" }

func filters() map[string]imageprep.Filter {
	return map[string]imageprep.Filter{"bicubic-antialias": imageprep.Bicubic, "bilinear-antialias": imageprep.Bilinear}
}

// Rule is the input rule as package imageprep applies it.
func (m Manifest) Rule() imageprep.Rule {
	return imageprep.Rule{
		ShortSide: m.Input.Resize.ShortSide, Crop: m.Input.Size, Filter: filters()[m.Input.Resize.Filter],
		Mean: m.Input.Mean, Std: m.Input.Std,
	}
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
