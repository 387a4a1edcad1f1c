package onnx

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// cachedLibrary is the folder that models/fetch_onnxruntime.py fills, below the cache
// directory. Its version is the script's; the file may come from another patch release.
const cachedLibrary = "vitrine/onnxruntime-1.24.4"

// FindLibrary answers the path of the ONNX Runtime library: the given one, else the one that
// make setup cached. cacheDir empty means the user's cache directory.
//
// Errors: recsys.ErrUnavailable, saying where it looked and what helps.
func FindLibrary(library, cacheDir string) (string, error) {
	if library != "" {
		if info, err := os.Stat(library); err != nil || !info.Mode().IsRegular() {
			return "", fmt.Errorf("ONNX Runtime library %s is not a file; want the path of libonnxruntime.so, 1.24 or newer: %w", library, recsys.ErrUnavailable)
		}
		return filepath.Abs(library)
	}
	if cacheDir == "" {
		var err error
		if cacheDir, err = os.UserCacheDir(); err != nil {
			return "", fmt.Errorf("ONNX Runtime library: no cache directory (%w); set VITRINE_ONNXRUNTIME_LIB to its path: %w", err, recsys.ErrUnavailable)
		}
	}
	folder := filepath.Join(cacheDir, filepath.FromSlash(cachedLibrary))
	entries, err := os.ReadDir(folder)
	if err == nil {
		// The newest first; the script leaves one file, and hides what it has not checked yet.
		for _, entry := range slices.Backward(entries) {
			if strings.HasPrefix(entry.Name(), "libonnxruntime.so") && entry.Type().IsRegular() {
				return filepath.Join(folder, entry.Name()), nil
			}
		}
	}
	return "", fmt.Errorf("no ONNX Runtime library in %s; run `make setup`, or set VITRINE_ONNXRUNTIME_LIB to its path: %w", folder, recsys.ErrUnavailable)
}

// load finds the library and starts it.
//
// Errors: those of FindLibrary and start.
func load(library, cacheDir string) error {
	found, err := FindLibrary(library, cacheDir)
	if err != nil {
		return err
	}
	return start(found)
}

// environment is the runtime of this process. The Go binding keeps the loaded library in
// package variables of its own, so there can be only one, whoever opens it first.
var environment struct {
	sync.Mutex
	library string
}

// start loads the library unless it is loaded. It is never unloaded: other encoders may use it.
//
// Errors: recsys.ErrIncompatible if the process runs another library already or the library is
// too old, recsys.ErrUnavailable if it cannot be loaded.
func start(library string) error {
	environment.Lock()
	defer environment.Unlock()
	if environment.library != "" {
		if environment.library != library {
			return fmt.Errorf("ONNX Runtime: this process has loaded %s and cannot load %s: %w", environment.library, library, recsys.ErrIncompatible)
		}
		return nil
	}
	ort.SetSharedLibraryPath(library)
	// What goes wrong comes back as an error; the runtime would print it as well, and trials go wrong on purpose.
	if err := ort.InitializeEnvironment(ort.WithLogLevelFatal()); err != nil {
		kind := recsys.ErrUnavailable
		if strings.Contains(err.Error(), "API base") { // the library does not know this version of its interface
			kind = recsys.ErrIncompatible
		}
		return fmt.Errorf("load ONNX Runtime (want 1.24 or newer): %w: %w", kind, err)
	}
	environment.library = library
	return nil
}
