package serving

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Load is requests from callers that never pause.
type Load struct {
	Callers int
	Length  time.Duration
	Call    func(ctx context.Context, n int) error // the n-th request; concurrent
}

// LoadResult is what a load took.
type LoadResult struct {
	Latencies []time.Duration
	Wall      time.Duration
	CPU       float64 // of the server, seconds
}

// PerSecond is how many requests were answered a second.
func (r LoadResult) PerSecond() float64 { return float64(len(r.Latencies)) / r.Wall.Seconds() }

// PerCPUSecond is how many requests a second of the server's processor time answered.
func (r LoadResult) PerCPUSecond() float64 {
	return float64(len(r.Latencies)) / max(r.CPU, 1.0/ticksPerSecond)
}

// Run ends with the first error.
func (l Load) Run(ctx context.Context, s *Server) (LoadResult, error) {
	begun, err := s.CPUSeconds()
	if err != nil {
		return LoadResult{}, err
	}
	var (
		wg     sync.WaitGroup
		next   atomic.Int64
		took   = make([][]time.Duration, l.Callers)
		faults = make([]error, l.Callers)
		start  = time.Now()
	)
	for caller := range l.Callers {
		wg.Go(func() {
			for time.Since(start) < l.Length && faults[caller] == nil {
				sent := time.Now()
				faults[caller] = l.Call(ctx, int(next.Add(1))-1)
				took[caller] = append(took[caller], time.Since(sent))
			}
		})
	}
	wg.Wait()
	out := LoadResult{Latencies: slices.Concat(took...), Wall: time.Since(start)}
	end, err := s.CPUSeconds()
	out.CPU = end - begun
	return out, errors.Join(append(faults, err)...)
}

// Paced is requests that arrive at random (exponential gaps) at a rate, whether or not those
// before were answered. Latencies count from when a request should have been sent, so that a
// server that stalls does not hide it by holding the client back.
type Paced struct {
	Rate   float64 // a second
	Length time.Duration
	Seed   uint64
	Call   func(ctx context.Context, n int) error
}

// Run returns once all were answered. Errors are joined.
func (p Paced) Run(ctx context.Context, s *Server) (LoadResult, error) {
	begun, err := s.CPUSeconds()
	if err != nil {
		return LoadResult{}, err
	}
	var (
		wg     sync.WaitGroup
		mu     sync.Mutex
		out    LoadResult
		faults []error
		random = rand.New(rand.NewPCG(p.Seed, 1))
		start  = time.Now()
	)
	for n, next := 0, start; next.Sub(start) < p.Length && ctx.Err() == nil; n++ {
		due := next
		time.Sleep(time.Until(due))
		wg.Go(func() {
			err := p.Call(ctx, n)
			took := time.Since(due)
			mu.Lock()
			defer mu.Unlock()
			out.Latencies = append(out.Latencies, took)
			if err != nil {
				faults = append(faults, err)
			}
		})
		next = due.Add(time.Duration(random.ExpFloat64() / p.Rate * float64(time.Second)))
	}
	wg.Wait()
	out.Wall = time.Since(start)
	end, err := s.CPUSeconds()
	out.CPU = end - begun
	return out, errors.Join(append(faults, err)...)
}
