package main

import (
	"context"
	"math"
	"os"
	"sync"
	"syscall"

	"github.com/seed-473295a7/vitrine/internal/imageprep"
	"github.com/seed-473295a7/vitrine/internal/onnx"
)

// costs are CPU seconds, all threads counted, of so many pictures.
type costs struct {
	pictures              int
	decode, resize, infer float64
}

func (c costs) total() float64 { return c.decode + c.resize + c.infer }

// rate is pictures per CPU-second.
func (c costs) rate() float64 { return float64(c.pictures) / c.total() }

func (c costs) plus(d costs) costs {
	return costs{c.pictures + d.pictures, c.decode + d.decode, c.resize + d.resize, c.infer + d.infer}
}

// cpu is the CPU time of this process so far, garbage collection and the runtime's threads included.
func cpu() (float64, error) {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0, err
	}
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9, nil
}

// ours embeds pictures with Vitrine's packages.
type ours struct {
	encoder *onnx.Encoder
	rule    imageprep.Rule
}

// oneByOne embeds files after one another, each stage of all files before the next, so that the
// stages can be told apart.
func (o ours) oneByOne(ctx context.Context, files []string) (c costs, vectors [][]float32, err error) {
	var pictures []*imageprep.Picture
	var tensors [][]float32
	c.pictures = len(files)
	c.decode, err = timed(func() error {
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			p, err := imageprep.DecodeFor(data, imageprep.DefaultLimits(), o.rule)
			if err != nil {
				return err
			}
			pictures = append(pictures, p)
		}
		return nil
	})
	if err != nil {
		return c, nil, err
	}
	c.resize, _ = timed(func() error {
		for _, p := range pictures {
			tensors = append(tensors, p.Tensor(o.rule))
		}
		return nil
	})
	c.infer, err = timed(func() error {
		for _, t := range tensors {
			v, err := o.encoder.Encode(ctx, t)
			if err != nil {
				return err
			}
			vectors = append(vectors, v)
		}
		return nil
	})
	return c, vectors, err
}

// together embeds files as the server does, eight callers at once; the stages overlap and are
// all counted as inference.
func (o ours) together(ctx context.Context, files []string) (c costs, err error) {
	const callers = 8
	next := make(chan string)
	faults := make(chan error, callers)
	c.pictures = len(files)
	c.infer, err = timed(func() error {
		var wg sync.WaitGroup
		for range callers {
			wg.Go(func() {
				for file := range next {
					if err := o.whole(ctx, file); err != nil {
						select {
						case faults <- err:
						default:
						}
					}
				}
			})
		}
		for _, file := range files {
			next <- file
		}
		close(next)
		wg.Wait()
		select {
		case err := <-faults:
			return err
		default:
			return nil
		}
	})
	return c, err
}

func (o ours) whole(ctx context.Context, file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	tensor, err := o.encoder.Tensor(data)
	if err != nil {
		return err
	}
	_, err = o.encoder.Encode(ctx, tensor)
	return err
}

// timed is the CPU time of f.
func timed(f func() error) (float64, error) {
	before, err := cpu()
	if err != nil {
		return 0, err
	}
	if err := f(); err != nil {
		return 0, err
	}
	after, err := cpu()
	return after - before, err
}

func cosine(a, b []float32) float64 {
	var ab, aa, bb float64
	for i := range a {
		x, y := float64(a[i]), float64(b[i])
		ab, aa, bb = ab+x*y, aa+x*x, bb+y*y
	}
	return ab / math.Sqrt(aa*bb)
}
