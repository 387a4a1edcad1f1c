package onnx

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/models"
)

// altered is the built-in encoder with another manifest and, if given, another model file.
func altered(t *testing.T, change func(*Manifest), model []byte) fs.FS {
	t.Helper()
	m, err := LoadManifest(models.Files, models.DefaultManifest)
	if err != nil {
		t.Fatal(err)
	}
	if model == nil {
		if model, err = fs.ReadFile(models.Files, m.File); err != nil {
			t.Fatal(err)
		}
	} else {
		digest := sha256.Sum256(model)
		m.SHA256 = hex.EncodeToString(digest[:])
	}
	change(&m)
	data, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return fstest.MapFS{models.DefaultManifest: {Data: data}, m.File: {Data: model}}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	same := func(*Manifest) {}
	for name, c := range map[string]struct {
		change func(*Manifest)
		model  []byte
		want   error
		says   string
	}{
		"another model file": {func(m *Manifest) { m.SHA256 = strings.Repeat("0", 64) }, nil, recsys.ErrCorrupt, "SHA-256"},
		"not a model":        {same, []byte("not a model"), recsys.ErrCorrupt, "read encoder model"},
		"input name":         {func(m *Manifest) { m.Input.Tensor = "pixels" }, nil, recsys.ErrIncompatible, `"pixels" is not in the model`},
		"output name":        {func(m *Manifest) { m.Output.Tensor = "logits" }, nil, recsys.ErrIncompatible, `"logits" is not in the model`},
		"output dims":        {func(m *Manifest) { m.Output.Dims = 1000 }, nil, recsys.ErrIncompatible, "any batch of [1000]"},
		"input size":         {func(m *Manifest) { m.Input.Size = 200 }, nil, recsys.ErrIncompatible, "[3 200 200]"},
		"manifest":           {func(m *Manifest) { m.Input.Layout = "NHWC" }, nil, recsys.ErrInvalid, "NHWC"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := DefaultConfig()
			config.Library = os.Getenv("VITRINE_ONNXRUNTIME_LIB")
			config.Files = altered(t, c.change, c.model)
			e, err := Open(t.Context(), config)
			if err == nil {
				mustClose(t, e)
			}
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want %v saying %s", err, c.want, c.says)
			}
		})
	}
}

func TestOpenWithoutFilesOrLibrary(t *testing.T) {
	t.Parallel()
	config := DefaultConfig()
	config.Manifest = "missing.json"
	if _, err := Open(t.Context(), config); !errors.Is(err, recsys.ErrNotFound) {
		t.Errorf("no manifest: %v, want ErrNotFound", err)
	}
	config = DefaultConfig()
	config.Library, config.CacheDir = "", t.TempDir()
	if _, err := Open(t.Context(), config); !errors.Is(err, recsys.ErrUnavailable) || !strings.Contains(err.Error(), "make setup") {
		t.Errorf("no library: %v, want ErrUnavailable that tells of make setup", err)
	}
	if _, err := Open(t.Context(), Config{IntraOpThreads: -1, MaxBatch: 9}); !errors.Is(err, recsys.ErrInvalid) || strings.Count(err.Error(), "want") < 5 {
		t.Errorf("no settings: %v, want every fault", err)
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	config = DefaultConfig()
	config.Library = os.Getenv("VITRINE_ONNXRUNTIME_LIB")
	if _, err := Open(canceled, config); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}

// The process keeps the library it has loaded.
func TestAnotherLibraryIsRefused(t *testing.T) {
	t.Parallel()
	open(t)
	config := DefaultConfig()
	config.Library = filepath.Join(t.TempDir(), "libonnxruntime.so")
	if err := os.WriteFile(config.Library, []byte("not a library"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), config); !errors.Is(err, recsys.ErrIncompatible) {
		t.Errorf("got %v, want ErrIncompatible", err)
	}
}

func TestFindLibrary(t *testing.T) {
	t.Parallel()
	cache := t.TempDir()
	folder := filepath.Join(cache, "vitrine", "onnxruntime-1.24.4")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{".fetch-abc", "libonnxruntime.so.1.24.2", "libonnxruntime.so.1.24.4", "notes.txt"} {
		if err := os.WriteFile(filepath.Join(folder, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	newest := filepath.Join(folder, "libonnxruntime.so.1.24.4")
	if got, err := FindLibrary("", cache); err != nil || got != newest {
		t.Errorf("from the cache: %s, %v; want %s", got, err, newest)
	}
	given := filepath.Join(folder, "notes.txt")
	if got, err := FindLibrary(given, cache); err != nil || got != given {
		t.Errorf("given: %s, %v; want it before the cache", got, err)
	}
	for _, path := range []string{filepath.Join(cache, "missing.so"), cache} {
		if _, err := FindLibrary(path, cache); !errors.Is(err, recsys.ErrUnavailable) {
			t.Errorf("%s: %v, want ErrUnavailable and no look into the cache", path, err)
		}
	}
}

func TestManifestValidate(t *testing.T) {
	t.Parallel()
	good, err := LoadManifest(models.Files, models.DefaultManifest)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fs.Stat(models.Files, good.LicenceFile); err != nil {
		t.Errorf("licence file: %v", err)
	}
	for name, change := range map[string]func(*Manifest){
		"name":     func(m *Manifest) { m.Name = "a@b" },
		"version":  func(m *Manifest) { m.Version = "" },
		"file":     func(m *Manifest) { m.File = "../secret" },
		"sha256":   func(m *Manifest) { m.SHA256 = "abc" },
		"licence":  func(m *Manifest) { m.Licence = "" },
		"tensors":  func(m *Manifest) { m.Output.Tensor = "" },
		"channels": func(m *Manifest) { m.Input.Channels = "BGR" },
		"filter":   func(m *Manifest) { m.Input.Resize.Filter = "nearest" },
		"crop":     func(m *Manifest) { m.Input.Resize.Crop = "corner" },
		"size":     func(m *Manifest) { m.Input.Size = 1 << 30 },
		"dims":     func(m *Manifest) { m.Output.Dims = 0 },
		"std":      func(m *Manifest) { m.Input.Std[1] = float32(math.NaN()) },
	} {
		m := good
		change(&m)
		if err := m.Validate(); !errors.Is(err, recsys.ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", name, err)
		}
	}
}

func FuzzLoadManifest(f *testing.F) {
	data, err := fs.ReadFile(models.Files, models.DefaultManifest)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add(bytes.ReplaceAll(data, []byte("224"), []byte("1e99")))
	f.Add([]byte(`{"nmae": "typo"}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := LoadManifest(fstest.MapFS{"m.json": {Data: data}}, "m.json")
		if err != nil {
			if !errors.Is(err, recsys.ErrCorrupt) && !errors.Is(err, recsys.ErrInvalid) {
				t.Fatalf("got %v, want ErrCorrupt or ErrInvalid", err)
			}
			return
		}
		if err := m.Rule().Validate(); err != nil {
			t.Fatalf("accepted a manifest with the rule %+v: %v", m.Rule(), err)
		}
	})
}
