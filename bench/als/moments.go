package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/seed-473295a7/vitrine/internal/als"
	"github.com/seed-473295a7/vitrine/internal/vecmath"
)

const (
	scanned    = 100_000
	history    = 50
	factors    = 64
	memoryFlag = "train-a-million"
)

// moments measures what a request waits for: fold-in and scan.
func moments() error {
	random := rand.New(rand.NewPCG(1, 1))
	rows, scores := make([]float32, scanned*factors), make([]float32, scanned)
	for i := range rows {
		rows[i] = random.Float32() - .5
	}
	scan := testing.Benchmark(func(b *testing.B) {
		for range b.N {
			vecmath.DotRows(rows[:factors], rows, scores)
		}
	})
	model, err := smallModel()
	if err != nil {
		return err
	}
	var known []als.Weighted
	for k := range history {
		known = append(known, als.Weighted{Factor: model.ItemFactor(k), Confidence: 1, Target: 1})
	}
	foldIn := testing.Benchmark(func(b *testing.B) {
		for range b.N {
			if _, err := model.FoldInUser(known); err != nil {
				b.Fatal(err)
			}
		}
	})
	fmt.Printf("user fold-in with %d items %.0f µs, scan of %d × %d %.2f ms\n", history, float64(foldIn.NsPerOp())/1e3, scanned, factors, float64(scan.NsPerOp())/1e6)
	return nil
}

func smallModel() (*als.Model, error) {
	cfg := als.DefaultConfig()
	cfg.PriorRidge, cfg.Epochs = 0, 3
	m, err := randomMatrix(500, 200, 20_000)
	if err != nil {
		return nil, err
	}
	f, err := als.Train(context.Background(), m, als.Content{}, cfg, nil)
	if err != nil {
		return nil, err
	}
	return als.FitModel(context.Background(), m, f, als.Content{}, als.DefaultContentConfig())
}

// randomMatrix has some items more than others.
func randomMatrix(users, items, pairs int) (*als.Matrix, error) {
	random := rand.New(rand.NewPCG(5, 8))
	seen := make(map[[2]int32]bool, pairs)
	entries := make([]als.Entry, 0, pairs)
	for len(entries) < pairs {
		place := random.Float64()
		pair := [2]int32{int32(random.IntN(users)), int32(place * place * float64(items))}
		if !seen[pair] {
			seen[pair] = true
			entries = append(entries, als.Entry{User: pair[0], Item: pair[1], Confidence: 1, Target: 1})
		}
	}
	return als.NewMatrix(users, items, entries)
}

// memory trains on a million pairs in a process of its own and prints its peak.
func memory(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, self, "-"+memoryFlag).CombinedOutput()
	fmt.Print(string(out))
	return err
}

func trainMillion(ctx context.Context) error {
	const users, items, pairs = 50_000, 20_000, 1_000_000
	m, err := randomMatrix(users, items, pairs)
	if err != nil {
		return err
	}
	before, err := peakMemory()
	if err != nil {
		return err
	}
	cfg := als.DefaultConfig()
	cfg.PriorRidge = 0
	if _, err := als.Train(ctx, m, als.Content{}, cfg, nil); err != nil {
		return err
	}
	after, err := peakMemory()
	if err != nil {
		return err
	}
	fmt.Printf("training %d pairs of %d users and %d items, f %d, %d epochs: peak %s resident, %s of it before the training, with what made the pairs up\n",
		pairs, users, items, cfg.Factors, cfg.Epochs, after, before)
	return nil
}

// peakMemory is VmHWM of this process, as the kernel prints it.
func peakMemory() (string, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			return strings.TrimSpace(value), nil
		}
	}
	return "unknown", nil
}
