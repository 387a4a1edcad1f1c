package onnx

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// ManifestFile is the name of an encoder's manifest in a folder of encoders. Names are those that
// Manifest.Validate accepts.
func ManifestFile(name string) string { return name + ".json" }

// Save writes the encoder into a folder, which is made if it is missing: the model file and the
// tokenizer first, the manifest last, each under another name until it is whole. Saving the
// same encoder again does nothing; created is then false.
//
// Errors: recsys.ErrConflict if another encoder has the name.
func (s *Stripped) Save(folder string) (created bool, err error) {
	name := s.Manifest.Name
	files := os.DirFS(folder)
	before, err := LoadManifest(files, ManifestFile(name))
	switch {
	case err == nil && before.Version == s.Manifest.Version:
		if _, err := before.model(files); err == nil {
			return false, nil // whole; else write it anew
		}
	case err == nil:
		return false, fmt.Errorf("an encoder %s@%s is in %s already, this one is @%s; give it another name: %w", name, before.Version, folder, s.Manifest.Version, recsys.ErrConflict)
	case !errors.Is(err, recsys.ErrNotFound):
		return false, fmt.Errorf("an encoder named %s in %s cannot be read; give this one another name or remove it: %w: %w", name, folder, recsys.ErrConflict, err)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return false, fmt.Errorf("encoders' folder: %w", err)
	}
	manifest, err := json.MarshalIndent(s.Manifest, "", "  ")
	if err != nil {
		return false, err
	}
	if s.Manifest.IsText() {
		if err := writeWhole(filepath.Join(folder, s.Manifest.Text.Tokenizer), s.tokenizer); err != nil {
			return false, err
		}
	}
	if err := writeWhole(filepath.Join(folder, s.Manifest.File), s.model); err != nil {
		return false, err
	}
	return true, writeWhole(filepath.Join(folder, ManifestFile(name)), append(manifest, '\n'))
}

// writeWhole writes a file so that a reader sees all of it or what was there before.
func writeWhole(name string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(name), ".add-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("write %s: %w", name, err), os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

// ListEncoders reads the manifests in a folder, by name; a folder that is missing has none. What
// is no manifest is passed over.
func ListEncoders(files fs.FS) ([]Manifest, error) {
	names, err := fs.Glob(files, "*.json")
	if err != nil {
		return nil, err
	}
	var out []Manifest
	for _, name := range names {
		if m, err := LoadManifest(files, name); err == nil && ManifestFile(m.Name) == name {
			out = append(out, m)
		}
	}
	return out, nil
}
