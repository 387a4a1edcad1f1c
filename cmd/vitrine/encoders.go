package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/urfave/cli/v3"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/onnx"
	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/models"
)

// encoders opens the built-in encoder and those of the data directory, each once.
type encoders struct {
	config onnx.Config
	folder string

	mu   sync.Mutex
	open []*onnx.Encoder
}

func newEncoders(cmd *cli.Command) *encoders {
	config := onnx.DefaultConfig()
	config.Library, config.IntraOpThreads = cmd.String("onnxruntime-lib"), cmd.Int("encoder-threads")
	return &encoders{config: config, folder: encodersDir(cmd)}
}

// OpenEncoder returns the encoder of that name or name@version, or whose manifest has that path;
// empty: the built-in one.
func (s *encoders) OpenEncoder(ctx context.Context, name string) (engine.Encoder, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.open {
		if e.Name() == name || nameOf(e.Name()) == name {
			return e, nil
		}
	}
	e, err := s.openFile(ctx, nameOf(name))
	if err != nil {
		return nil, err
	}
	if nameOf(name) != name && e.Name() != name {
		return nil, errors.Join(fmt.Errorf("encoder %s: %s has %s: %w", name, s.folder, e.Name(), recsys.ErrNotFound), e.Close())
	}
	s.open = append(s.open, e)
	return e, nil
}

// openFile opens the built-in encoder by its name or no name, else one of the folder or of a path.
func (s *encoders) openFile(ctx context.Context, name string) (*onnx.Encoder, error) {
	config := s.config
	config.Files, config.Manifest = models.Files, models.DefaultManifest
	builtIn, err := onnx.LoadManifest(config.Files, config.Manifest)
	if err != nil {
		return nil, err
	}
	if name == "" || name == builtIn.Name {
		return onnx.Open(ctx, config)
	}
	dir, manifest := encoderPlace(s.folder, name)
	config.Files, config.Manifest = os.DirFS(dir), manifest
	e, err := onnx.Open(ctx, config)
	if errors.Is(err, recsys.ErrNotFound) {
		return nil, missingEncoder("encoder", name, dir, err)
	}
	return e, err
}

// ListEncoders lists the built-in encoder and those of pictures in the folder.
func (s *encoders) ListEncoders() ([]engine.EncoderInfo, error) {
	builtIn, err := onnx.LoadManifest(models.Files, models.DefaultManifest)
	if err != nil {
		return nil, err
	}
	listed, err := onnx.ListEncoders(os.DirFS(s.folder))
	if err != nil {
		return nil, err
	}
	var out []engine.EncoderInfo
	for _, m := range append([]onnx.Manifest{builtIn}, listed...) {
		if !m.IsText() {
			out = append(out, engine.EncoderInfo{Name: m.Name + "@" + m.Version, Dims: m.Output.Dims})
		}
	}
	return out, nil
}

// nameOf is a name@version without its version; a path stays as it is.
func nameOf(name string) string {
	if filepath.Base(name) == name {
		name, _, _ = strings.Cut(name, "@")
	}
	return name
}

func (s *encoders) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var faults []error
	for _, e := range s.open {
		faults = append(faults, e.Close())
	}
	s.open = nil
	return errors.Join(faults...)
}
