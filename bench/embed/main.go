// Command embed measures pictures embedded per CPU-second, from file to vector, against Python
// with Pillow and onnxruntime on the same files, turn by turn in the same run: the golden
// pictures, those of a folder, and square JPEGs of two sizes made of them.
//
//	go run [-tags turbojpeg] ./bench/embed [--images DIR] [--limit N] [--max-batch N] [--workers N]
//
// The tag measures what a build with libjpeg-turbo does. The peer runs on one thread, by one and by eight pictures a run, in a virtual environment
// that is made in the user's cache at first use. CPU time is that of all threads of a process.
// Run it from the root of the repository. The last line is for machines.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"

	"github.com/seed-473295a7/vitrine/internal/onnx"
	"github.com/seed-473295a7/vitrine/models"
)

const golden = "internal/imageprep/testdata/golden"

func main() {
	images := flag.String("images", "../shared/data/mllatest-posters-1999plus/images", "folder of further pictures")
	limit := flag.Int("limit", 400, "how many of them, first by name")
	config := onnx.DefaultConfig()
	config.Library = os.Getenv("VITRINE_ONNXRUNTIME_LIB")
	flag.IntVar(&config.MaxBatch, "max-batch", config.MaxBatch, "calls one run of the encoder may serve, 1 to 8")
	flag.IntVar(&config.Workers, "workers", config.Workers, "runs at once; 0 shares the processors out")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, config, *images, *limit); err != nil {
		fmt.Fprintln(os.Stderr, "embed:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, config onnx.Config, images string, limit int) (err error) {
	manifest, err := onnx.LoadManifest(models.Files, models.DefaultManifest)
	if err != nil {
		return err
	}
	encoder, err := onnx.Open(ctx, config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, encoder.Close()) }()
	p, err := startPeer(ctx, filepath.Join("models", manifest.File))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()

	b := bench{ours: ours{encoder: encoder, rule: manifest.Rule()}, peer: p}
	total, err := b.set(ctx, golden, pictures(golden, 0))
	if err != nil {
		return err
	}
	files := pictures(images, limit)
	if len(files) == 0 {
		fmt.Printf("no pictures in %s: golden pictures only\n", images)
		files = pictures(golden, 0)
	} else {
		further, err := b.set(ctx, images, files)
		if err != nil {
			return err
		}
		total = total.plus(further)
	}
	bySize, err := b.sizes(ctx, files)
	if err != nil {
		return err
	}
	fmt.Printf("RESULT embed ratio_vs_python=%.3f images_per_cpu_s=%.1f ratio_%d=%.3f ratio_%d=%.3f\n", total.ratio(), total.oneByOne.rate(),
		small, bySize[small].ratio(), mosaic*small, bySize[mosaic*small].ratio())
	return nil
}

// sizes measures JPEGs of each size made of other pictures.
func (b bench) sizes(ctx context.Context, from []string) (map[int]result, error) {
	dir, err := os.MkdirTemp("", "vitrine-embed-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	files, err := writeSizes(dir, from)
	if err != nil {
		return nil, err
	}
	out := make(map[int]result)
	for _, side := range slices.Sorted(maps.Keys(files)) {
		if out[side], err = b.set(ctx, fmt.Sprintf("JPEGs of %d × %d", side, side), files[side]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// pictures lists JPEG and PNG files of a folder; limit 0 means all.
func pictures(folder string, limit int) []string {
	var files []string
	for _, pattern := range []string{"*.jpg", "*.jpeg", "*.png"} {
		found, _ := filepath.Glob(filepath.Join(folder, pattern)) // errs on the pattern alone
		files = append(files, found...)
	}
	// Test cases are no workload: Pillow scales the whole of the very wide one, 170,667 pixels.
	files = slices.DeleteFunc(files, func(f string) bool {
		name := filepath.Base(f)
		return strings.HasPrefix(name, "extra_") || name == "png_wide_2000x3.png" || name == "png_tiny_1x1.png"
	})
	slices.Sort(files)
	if limit > 0 {
		files = files[:min(len(files), limit)]
	}
	return files
}

// bench holds both sides.
type bench struct {
	ours ours
	peer *peer
}

// result is what one set of pictures cost.
type result struct {
	oneByOne, together, peer1, peer8 costs
	worst, sum                       float64 // cosine between the sides' vectors
}

// ratio compares one thread with one thread: pictures one by one with the better of the peer's
// two ways. Eight callers keep several processors busy, which on shared cores costs each more
// CPU time for the same work, so they are shown beside it and not compared.
func (r result) ratio() float64 { return r.oneByOne.rate() / max(r.peer1.rate(), r.peer8.rate()) }

func (r result) plus(s result) result {
	return result{
		r.oneByOne.plus(s.oneByOne), r.together.plus(s.together), r.peer1.plus(s.peer1), r.peer8.plus(s.peer8),
		min(r.worst, s.worst), r.sum + s.sum,
	}
}

// turnLength is how many pictures one side embeds before it is the other's turn.
const turnLength = 40

// atLeast is how many pictures a set embeds; a shorter list is gone through again.
const atLeast = 240

// set measures a list of files in turns, after one that does not count.
func (b bench) set(ctx context.Context, name string, files []string) (result, error) {
	if len(files) == 0 {
		return result{}, fmt.Errorf("no pictures in %s; run from the root of the repository", name)
	}
	if _, err := b.turn(ctx, files[:min(len(files), turnLength)]); err != nil {
		return result{}, err
	}
	total := result{worst: 1}
	files = slices.Repeat(files, (atLeast+len(files)-1)/len(files))
	for chunk := range slices.Chunk(files, turnLength) {
		r, err := b.turn(ctx, chunk)
		if err != nil {
			return result{}, err
		}
		total = total.plus(r)
	}
	total.print(name)
	return total, nil
}

// print writes a table of one set.
func (r result) print(name string) {
	fmt.Printf("%s: %d pictures, cosine to Python's vectors at least %.6f, mean %.6f\n",
		name, r.oneByOne.pictures, r.worst, r.sum/float64(r.oneByOne.pictures))
	fmt.Printf("  %-30s %8s %8s %8s %8s %14s\n", "ms of CPU per picture", "decode", "resize", "infer", "total", "pictures/CPU-s")
	for _, row := range []struct {
		name string
		costs
	}{{"vitrine, one by one", r.oneByOne}, {"python, one by one", r.peer1}, {"python, batches of 8", r.peer8}} {
		n := float64(row.pictures) / 1e3
		fmt.Printf("  %-30s %8.2f %8.2f %8.2f %8.2f %14.1f\n", row.name, row.decode/n, row.resize/n, row.infer/n, row.total()/n, row.rate())
	}
	n := float64(r.together.pictures) / 1e3
	fmt.Printf("  %-30s %26s %8.2f %14.1f\n", "vitrine, 8 callers", "", r.together.total()/n, r.together.rate())
	fmt.Printf("  ratio to the better Python: %.3f\n", r.ratio())
}

// turn has each side embed the same files each way.
func (b bench) turn(ctx context.Context, files []string) (r result, err error) {
	var mine, theirs [][]float32
	if r.oneByOne, mine, err = b.ours.oneByOne(ctx, files); err != nil {
		return r, err
	}
	if r.peer1, theirs, err = b.peer.embed(files, 1); err != nil {
		return r, err
	}
	if r.together, err = b.ours.together(ctx, files); err != nil {
		return r, err
	}
	if r.peer8, _, err = b.peer.embed(files, 8); err != nil {
		return r, err
	}
	r.worst = 1
	for i := range mine {
		c := cosine(mine[i], theirs[i])
		r.worst, r.sum = min(r.worst, c), r.sum+c
	}
	return r, nil
}
