package main

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/seed-473295a7/vitrine/internal/onnx"
	"github.com/seed-473295a7/vitrine/internal/vecmath"
	"github.com/seed-473295a7/vitrine/models"
)

// heldOut pictures are queries.
const heldOut = 500

// pictures returns the product's encoder's outputs for all pictures below the directory,
// each minus the mean of all and of unit length, in random order.
func pictures(ctx context.Context, opts options) (*set, error) {
	files, err := listPictures(opts.data)
	if err != nil {
		return nil, err
	}
	if len(files) < 2*heldOut {
		return nil, fmt.Errorf("%d pictures in %s, want %d at least", len(files), opts.data, 2*heldOut)
	}
	rows, dims, err := embedded(ctx, opts, files)
	if err != nil {
		return nil, err
	}
	n := len(rows) / dims
	mean := make([]float32, dims)
	for i := range n {
		vecmath.Axpy(1/float32(n), rows[i*dims:(i+1)*dims], mean)
	}
	s := &set{dims: dims}
	for at, i := range rand.New(rand.NewPCG(2, 1)).Perm(n) {
		row := slices.Clone(rows[i*dims : (i+1)*dims])
		vecmath.Axpy(-1, mean, row)
		if !vecmath.Normalize(row) {
			continue
		}
		if at < heldOut {
			s.queries = append(s.queries, row...)
		} else {
			s.base = append(s.base, row...)
		}
	}
	s.name = fmt.Sprintf("%d × %d, the encoder's outputs for pictures", s.len(), dims)
	return s, nil
}

// listPictures finds JPEG and PNG files, by name.
func listPictures(folder string) (files []string, err error) {
	err = filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		switch strings.ToLower(filepath.Ext(path)) {
		case ".jpg", ".jpeg", ".png":
			files = append(files, path)
		}
		return nil
	})
	return files, err
}

// embedded encodes the files, or takes what the cache has for just these and this encoder.
func embedded(ctx context.Context, opts options, files []string) (rows []float32, dims int, err error) {
	config := onnx.DefaultConfig()
	config.Library = os.Getenv("VITRINE_ONNXRUNTIME_LIB")
	manifest, err := onnx.LoadManifest(models.Files, models.DefaultManifest)
	if err != nil {
		return nil, 0, err
	}
	dims = manifest.Output.Dims
	digest := fnv.New64a()
	fmt.Fprintln(digest, manifest.Name, manifest.Version)
	for _, file := range files {
		fmt.Fprintln(digest, file)
	}
	cached := filepath.Join(opts.cache, fmt.Sprintf("ann-pictures-%016x.f32", digest.Sum64()))
	if raw, err := os.ReadFile(cached); err == nil {
		if rows, err = vecmath.FromBytes(raw); err == nil && len(rows) > 0 && len(rows)%dims == 0 {
			return rows, dims, nil
		}
	}
	encoder, err := onnx.Open(ctx, config)
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, encoder.Close()) }()
	fmt.Printf("embedding %d pictures, once\n", len(files))
	if rows, err = encode(ctx, encoder, files); err != nil {
		return nil, 0, err
	}
	return rows, dims, os.WriteFile(cached, vecmath.AppendBytes(nil, rows), 0o644)
}

// encode encodes files, several at once so that they share runs of the encoder. Pictures
// that are refused are left out.
func encode(ctx context.Context, encoder *onnx.Encoder, files []string) ([]float32, error) {
	found := make([][]float32, len(files))
	next := make(chan int)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range next {
				data, err := os.ReadFile(files[i])
				if err != nil {
					continue
				}
				tensor, err := encoder.Tensor(data)
				if err != nil {
					continue
				}
				if v, err := encoder.Encode(ctx, tensor); err == nil && vecmath.Finite(v) {
					found[i] = slices.Clone(v)
				}
			}
		})
	}
	for i := range files {
		if ctx.Err() != nil {
			break
		}
		next <- i
	}
	close(next)
	wg.Wait()
	return slices.Concat(found...), ctx.Err()
}
