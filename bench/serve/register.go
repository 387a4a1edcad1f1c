package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-473295a7/vitrine/bench/internal/serving"
	pb "github.com/seed-473295a7/vitrine/proto/vitrine/v1"
)

const (
	registerRounds  = 6 // turns of server and peer
	registerCallers = 4 // concurrent
	warmPictures    = 8 // beforehand and not counted
)

// measureEmpty starts a server on an empty database, weighs it and registers pictures.
func (b *bench) measureEmpty(ctx context.Context) (err error) {
	database, err := b.cluster.Create(ctx, "empty")
	if err != nil {
		return err
	}
	s, err := b.program.Serve(ctx, database)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	idle, err := s.SettledMB(ctx)
	if err != nil {
		return err
	}
	b.report.Section("resident memory of vitrine serve, MiB")
	b.report.Value("rss_idle_mb", "empty database", idle, "encoder loaded")
	r, err := b.register(ctx, s)
	if err != nil {
		return err
	}
	after, err := s.SettledMB(ctx)
	if err != nil {
		return err
	}
	b.report.Value("rss_registered_mb", "after RegisterItem of the pictures below", after, "")
	r.print(b.report)
	return nil
}

// registered is what RegisterItem took. CPU and pictures are by round.
type registered struct {
	server, python []float64 // CPU seconds; python is empty without the peer
	pictures       []float64
	wall, peerWall time.Duration // of all rounds
	postgres       float64       // CPU seconds of all rounds
	latencies      []time.Duration
	peers          int   // processes
	leftOut        error // why there is no peer
}

// register lets server and peer embed the same pictures in turns. What the server still does
// while the peer works is charged to the server: a round's CPU time is that from its begin to
// its end.
func (b *bench) register(ctx context.Context, s *serving.Server) (registered, error) {
	var r registered
	pictures := b.pack.sample(b.opts.pictures+warmPictures, b.opts.seed)
	if len(pictures) < warmPictures+registerRounds {
		return r, fmt.Errorf("%d pictures, want %d", len(pictures), warmPictures+registerRounds)
	}
	warm, pictures := pictures[:warmPictures], pictures[warmPictures:]
	var p peer
	if r.leftOut = errors.New("--peers=false"); b.opts.peers {
		p, r.leftOut = startPeer(ctx, b.opts.cache, b.dir)
	}
	if r.leftOut != nil {
		p = nil
	} else {
		r.peers = len(p)
		defer p.stop()
		if err := p.embed(warm); err != nil {
			return r, err
		}
	}
	if _, err := registerAll(ctx, s, warm); err != nil {
		return r, err
	}
	begun := b.cluster.CPUSeconds()
	for k := range registerRounds {
		slice := pictures[k*len(pictures)/registerRounds : (k+1)*len(pictures)/registerRounds]
		if err := r.round(ctx, s, p, slice); err != nil {
			return r, err
		}
		progress("RegisterItem, round %d of %d", k+1, registerRounds)
	}
	r.postgres = b.cluster.CPUSeconds() - begun
	return r, nil
}

// round runs one turn of each.
func (r *registered) round(ctx context.Context, s *serving.Server, p peer, slice []picture) error {
	serverCPU, err := s.CPUSeconds()
	if err != nil {
		return err
	}
	start := time.Now()
	latencies, err := registerAll(ctx, s, slice)
	if err != nil {
		return err
	}
	r.wall += time.Since(start)
	r.latencies = append(r.latencies, latencies...)
	r.pictures = append(r.pictures, float64(len(slice)))
	if p != nil {
		if err := r.peerRound(p, slice); err != nil {
			return err
		}
	}
	end, err := s.CPUSeconds()
	r.server = append(r.server, end-serverCPU)
	return err
}

func (r *registered) peerRound(p peer, slice []picture) error {
	begun, err := p.cpuSeconds()
	if err != nil {
		return err
	}
	start := time.Now()
	if err := p.embed(slice); err != nil {
		return err
	}
	r.peerWall += time.Since(start)
	end, err := p.cpuSeconds()
	r.python = append(r.python, end-begun)
	return err
}

// registerAll registers each picture as an item of its own through concurrent callers, and
// returns how long each call took.
func registerAll(ctx context.Context, s *serving.Server, pictures []picture) ([]time.Duration, error) {
	var (
		wg     sync.WaitGroup
		next   atomic.Int64
		took   = make([]time.Duration, len(pictures))
		faults = make([]error, registerCallers)
	)
	for caller := range registerCallers {
		wg.Go(func() {
			for {
				k := int(next.Add(1)) - 1
				if k >= len(pictures) || faults[caller] != nil {
					return
				}
				took[k], faults[caller] = registerOne(ctx, s, pictures[k])
			}
		})
	}
	wg.Wait()
	return took, errors.Join(faults...)
}

func registerOne(ctx context.Context, s *serving.Server, p picture) (time.Duration, error) {
	content, err := os.ReadFile(p.path)
	if err != nil {
		return 0, err
	}
	start := time.Now()
	answer, err := s.Client.RegisterItem(ctx, &pb.RegisterItemRequest{
		Item: &pb.Item{ItemId: p.itemID, Title: p.title, Picture: &pb.Item_Image{Image: content}},
	})
	took := time.Since(start)
	if err != nil {
		return took, fmt.Errorf("RegisterItem %q: %w", p.itemID, err)
	}
	if !answer.GetCreated() || !answer.GetItem().GetHasImage() {
		return took, fmt.Errorf("RegisterItem %q: created %v, has_image %v; want both", p.itemID, answer.GetCreated(), answer.GetItem().GetHasImage())
	}
	return took, nil
}

func (r registered) print(out *serving.Report) {
	pictures, server, python := sum(r.pictures), sum(r.server), sum(r.python)
	out.Section(fmt.Sprintf("RegisterItem: %.0f pictures, %d concurrent callers, %d rounds", pictures, registerCallers, registerRounds))
	out.Value("register_per_cpu_s", "pictures per CPU-second of the server", pictures/server, fmt.Sprintf("%.1f ms each", 1e3*server/pictures))
	out.Value("register_per_total_cpu_s", "… with PostgreSQL's CPU time added", pictures/(server+r.postgres), "")
	out.Value("register_per_s", "pictures per second", pictures/r.wall.Seconds(), "")
	out.Value("register_p50_ms", "p50, ms", serving.Quantile(r.latencies, .5), "")
	out.Value("register_p99_ms", "p99, ms", serving.Quantile(r.latencies, .99), "")
	if r.leftOut != nil {
		out.Text("Python peer", "left out: %v", r.leftOut)
		return
	}
	ratios := make([]float64, len(r.python))
	for k := range ratios {
		ratios[k] = r.python[k] / r.server[k]
	}
	out.Value("python_per_cpu_s", "Python, pictures per CPU-second", pictures/python, fmt.Sprintf("%.1f ms each; %s", 1e3*python/pictures, peerName))
	out.Value("python_per_s", "Python, pictures per second", pictures/r.peerWall.Seconds(), fmt.Sprintf("%d processes of one thread", r.peers))
	out.Value("register_ratio_vs_python", "ratio per CPU-second", python/server, fmt.Sprintf("by round: median %.2f, %s", median(ratios), span(ratios)))
}
