package onnx

import (
	"fmt"
	"slices"
	"sync"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// call is one tensor that waits for its vector.
type call struct {
	tensor []float32
	done   chan answer // holds one, so that a worker never waits for a caller who left
}

type answer struct {
	vector []float32
	err    error
}

// queue holds the calls that no worker has taken, oldest first. Its length is bounded by the
// callers, each of whom waits for one call.
type queue struct {
	mu      sync.Mutex
	arrived sync.Cond
	waiting []*call
	idle    int // workers that wait for a call
	closed  bool
}

func newQueue() *queue {
	q := new(queue)
	q.arrived.L = &q.mu
	return q
}

// put adds a call; recsys.ErrUnavailable after close.
func (q *queue) put(c *call) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return errClosed()
	}
	q.waiting = append(q.waiting, c)
	q.arrived.Signal()
	return nil
}

// drop takes a call back whose caller has left. One that a worker has already is not there
// any more, which is well.
func (q *queue) drop(c *call) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if i := slices.Index(q.waiting, c); i >= 0 {
		q.waiting = slices.Delete(q.waiting, i, i+1)
	}
}

// take waits for calls and returns the oldest: the caller's share if the workers that are
// free divided them evenly, at most limit. Nothing is returned after close.
func (q *queue) take(limit int) []*call {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.idle++
	for len(q.waiting) == 0 && !q.closed {
		q.arrived.Wait()
	}
	share := (len(q.waiting) + q.idle - 1) / q.idle
	q.idle--
	n := min(share, limit)
	calls := slices.Clone(q.waiting[:n])
	q.waiting = slices.Delete(q.waiting, 0, n)
	return calls
}

// close refuses the calls that wait and all later ones, and sends the workers home.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	for _, c := range q.waiting {
		c.done <- answer{err: errClosed()}
	}
	q.waiting = nil
	q.arrived.Broadcast()
}

func errClosed() error { return fmt.Errorf("encoder is closed: %w", recsys.ErrUnavailable) }
