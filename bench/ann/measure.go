package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/seed-473295a7/vitrine/internal/ann"
)

// subject is an engine that is measured.
type subject interface {
	name() string
	build() (cost, error)
	// search answers all queries of the set and says how many CPU seconds that took.
	search(ef, k int) (found [][]uint32, seconds float64, err error)
	drop()
}

// cost is what building took: CPU seconds, and bytes of memory beyond the vectors.
type cost struct {
	cpu   float64
	bytes int64
}

// row is a subject and what was measured of it.
type row struct {
	subject
	cost
	at [2]point // for 10 and for 100 neighbours
}

// point is a width and what comes of it.
type point struct {
	ef      int
	recall  float64
	queries int
	seconds float64
}

// rate is queries per CPU-second.
func (p point) rate() float64 { return float64(p.queries) / p.seconds }

var neighbours = [2]int{10, most}

// widths are tried from the least on.
var widths = []int{10, 16, 20, 25, 32, 40, 50, 64, 80, 100, 125, 160, 200, 250, 320, 400, 500, 640, 800, 1000, 1280, 1600}

// asItIs marks our graph searched as wide as it measured for itself.
type asItIs struct{ *ours }

func (a asItIs) name() string         { return a.label + ", as it is" }
func (a asItIs) build() (cost, error) { return cost{}, nil }
func (a asItIs) drop()                {}

// measure builds every engine, finds the widths, and lets all search in turns.
func measure(ctx context.Context, opts options, s *set, p python) (t *table, err error) {
	fmt.Printf("\n%s: %d queries\n", s.name, len(s.truth))
	subjects, stop, err := subjects(ctx, opts, s, p)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	t = &table{set: s, target: opts.target}
	for _, subject := range subjects {
		begin := time.Now()
		built, err := subject.build()
		if err != nil {
			fmt.Printf("%s left out: %v\n", subject.name(), err)
			continue
		}
		r := &row{subject: subject, cost: built}
		if err := r.findWidths(s, opts.target); err != nil {
			return nil, err
		}
		fmt.Printf("%s built and tried in %.0f s\n", subject.name(), time.Since(begin).Seconds())
		t.rows = append(t.rows, r)
	}
	for range opts.rounds {
		for which, k := range neighbours {
			for _, r := range t.rows {
				if err := ctx.Err(); err != nil {
					return nil, err
				}
				found, seconds, err := r.search(r.at[which].ef, k)
				if err != nil {
					return nil, err
				}
				r.at[which].seconds += seconds
				r.at[which].queries += len(found)
			}
		}
	}
	if err := snapshot(s, t.rows); err != nil {
		return nil, err
	}
	for _, r := range t.rows {
		r.drop()
	}
	return t, nil
}

// subjects lists whom to measure, in the order of the table.
func subjects(ctx context.Context, opts options, s *set, p python) (list []subject, stop func() error, err error) {
	config := func(engine string, change func(*ann.Config)) ann.Config {
		c := ann.DefaultConfig()
		c.Engine, c.Workers, c.MinGraph, c.TargetRecall = engine, 1, 2, min(opts.target, .9999)
		change(&c)
		return c
	}
	floats := &ours{ctx: ctx, set: s, label: "hnsw", config: config(ann.HNSW, func(c *ann.Config) { c.Float32 = true })}
	codes := &ours{ctx: ctx, set: s, label: "hnsw-int8", config: config(ann.HNSW, func(*ann.Config) {})}
	list = []subject{
		&ours{ctx: ctx, set: s, label: "exact", config: config(ann.Exact, func(*ann.Config) {})},
		floats, codes, asItIs{codes},
	}
	stop = func() error { return nil }
	if len(p.peers) > 0 {
		process, err := p.start(ctx, s)
		if err != nil {
			return nil, nil, err
		}
		stop = process.stop
		for _, library := range p.peers {
			list = append(list, peer{process, library, len(s.truth)})
		}
	}
	for _, name := range opts.peers {
		if name == "coder" && s.len()*s.dims > 1e7 {
			fmt.Println("coder/hnsw left out: it takes too long to build")
		} else if name == "coder" {
			list = append(list, &coder{set: s})
		}
	}
	return list, stop, nil
}

// findWidths sets the least width that reaches the target, or else the greatest.
func (r *row) findWidths(s *set, target float64) error {
	for which, k := range neighbours {
		efs := widths
		switch o := r.subject.(type) {
		case asItIs:
			efs = []int{0}
		case *ours:
			if o.config.Engine == ann.Exact {
				efs = []int{0}
			}
		}
		for _, ef := range efs {
			if ef > 0 && ef < k {
				continue
			}
			found, _, err := r.search(ef, k)
			if err != nil {
				return err
			}
			r.at[which] = point{ef: ef, recall: recall(s.truth, found, k)}
			if r.at[which].recall >= target {
				break
			}
		}
	}
	return nil
}

// recall is the share of the k truly best that were found.
func recall(truth, found [][]uint32, k int) float64 {
	hits := 0
	for i := range truth {
		wanted := make(map[uint32]bool, k)
		for _, id := range truth[i][:k] {
			wanted[id] = true
		}
		for _, id := range found[i] {
			if wanted[id] {
				hits++
				delete(wanted, id)
			}
		}
	}
	return float64(hits) / float64(k*len(truth))
}

// snapshot says how long our index takes to be saved and to be ready again.
func snapshot(s *set, rows []*row) error {
	for _, r := range rows {
		o, ok := r.subject.(*ours)
		if !ok || o.label != "hnsw-int8" {
			continue
		}
		path, remove, err := temporary()
		if err != nil {
			return err
		}
		defer remove()
		file := filepath.Join(path, "index")
		begin := time.Now()
		if err := (ann.Snapshot{Index: o.index}).Save(file); err != nil {
			return err
		}
		saved := time.Since(begin)
		begin = time.Now()
		opened, err := ann.Open(file, o.config, ann.Want{Dims: s.dims})
		if err != nil {
			return err
		}
		ready := time.Since(begin)
		same := &ours{ctx: o.ctx, set: s, config: o.config, index: opened.Index}
		found, _, err := same.search(0, neighbours[0])
		if err != nil {
			return err
		}
		fmt.Printf("snapshot of hnsw-int8: saved in %.2f s, ready in %.2f s, recall@10 %.4f as it is\n",
			saved.Seconds(), ready.Seconds(), recall(s.truth, found, neighbours[0]))
	}
	return nil
}
