package main

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"syscall"
	"time"

	"github.com/seed-473295a7/vitrine/bench/internal/peers"
	"github.com/seed-473295a7/vitrine/internal/als"
	"github.com/seed-473295a7/vitrine/internal/evaluate"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// turns gathers CPU seconds an epoch, a fold and a side at a time, each on one thread.
type turns struct {
	shop peers.Shop

	plain, prior, peer []float64
}

// ours trains on a fold's rows, with and without the content prior.
func (t *turns) ours(ctx context.Context, fold evaluate.Fold, cfg als.Config) error {
	cfg.Workers = 1
	matrix, items, err := matrixOf(fold.Train)
	if err != nil {
		return err
	}
	cfg.PriorRidge = 0
	cpu, err := epoch(ctx, matrix, als.Content{}, cfg)
	if err != nil {
		return err
	}
	t.plain = append(t.plain, cpu)
	cfg.PriorRidge = als.DefaultConfig().PriorRidge
	if cpu, err = epoch(ctx, matrix, t.words(items), cfg); err != nil {
		return err
	}
	t.prior = append(t.prior, cpu)
	return nil
}

func (t *turns) theirs(cost peers.Cost) { t.peer = append(t.peer, cost.Epoch) }

func (t *turns) ratio() float64 { return median(t.plain) / median(t.peer) }

func (t *turns) print() {
	fmt.Printf("\nCPU seconds an epoch, one thread, f 64, 3 CG steps, median of %d folds:\nvitrine %.4f, with the content prior %.4f, implicit 0.7.3 %.4f; ratios %.2f, %.2f\n",
		len(t.peer), median(t.plain), median(t.prior), median(t.peer), t.ratio(), median(t.prior)/median(t.peer))
}

// words is content by word: one dimension for each.
func (t *turns) words(items []string) als.Content {
	at := make(map[string]int)
	for _, id := range items {
		for _, word := range t.shop.Words(id) {
			if _, ok := at[word]; !ok {
				at[word] = len(at)
			}
		}
	}
	x := als.Content{Dims: len(at), Rows: make([]float32, len(items)*len(at))}
	for row, id := range items {
		for _, word := range t.shop.Words(id) {
			x.Rows[row*x.Dims+at[word]] = 1
		}
	}
	return x
}

// matrixOf is the observed pairs and the items in the order of its columns.
func matrixOf(train []recsys.Interaction) (*als.Matrix, []string, error) {
	users, at := make(map[recsys.Actor]int32), make(map[string]int32)
	var items []string
	entries := make([]als.Entry, len(train))
	for k, in := range train {
		if _, ok := users[in.Actor]; !ok {
			users[in.Actor] = int32(len(users))
		}
		if _, ok := at[in.ItemID]; !ok {
			at[in.ItemID] = int32(len(items))
			items = append(items, in.ItemID)
		}
		entries[k] = als.Entry{User: users[in.Actor], Item: at[in.ItemID], Confidence: 1, Target: 1}
	}
	matrix, err := als.NewMatrix(len(users), len(items), entries)
	return matrix, items, err
}

// epoch is the CPU seconds that a training takes, by epoch.
func epoch(ctx context.Context, m *als.Matrix, x als.Content, cfg als.Config) (float64, error) {
	runtime.GC()
	start := cpuSeconds()
	_, err := als.Train(ctx, m, x, cfg, nil)
	return (cpuSeconds() - start) / float64(cfg.Epochs), err
}

// cpuSeconds is the processor time this process has used, in user and system mode.
func cpuSeconds() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

func median(x []float64) float64 {
	if len(x) == 0 {
		return 0
	}
	x = slices.Sorted(slices.Values(x))
	return x[len(x)/2]
}
