package onnx

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// call is one input, a picture's tensor or a text's tokens, that waits for its vector.
type call[T any] struct {
	input T
	done  chan answer // holds one, so that a worker never waits for a caller who left
}

type answer struct {
	vector []float32
	err    error
}

// queue holds the calls that no worker has taken, oldest first. Its length is bounded by the
// callers, each of whom waits for one call.
type queue[T any] struct {
	mu      sync.Mutex
	arrived sync.Cond
	waiting []*call[T]
	idle    int // workers that wait for a call
	closed  bool
}

func newQueue[T any]() *queue[T] {
	q := new(queue[T])
	q.arrived.L = &q.mu
	return q
}

// put adds a call; recsys.ErrUnavailable after close.
func (q *queue[T]) put(c *call[T]) error {
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
func (q *queue[T]) drop(c *call[T]) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if i := slices.Index(q.waiting, c); i >= 0 {
		q.waiting = slices.Delete(q.waiting, i, i+1)
	}
}

// await puts an input in and waits for its vector, or for ctx to end.
func (q *queue[T]) await(ctx context.Context, input T) ([]float32, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c := &call[T]{input: input, done: make(chan answer, 1)}
	if err := q.put(c); err != nil {
		return nil, err
	}
	select {
	case a := <-c.done:
		return a.vector, a.err
	case <-ctx.Done():
		q.drop(c)
		return nil, ctx.Err()
	}
}

// take waits for calls and returns the oldest: the caller's share if the workers that are
// free divided them evenly, at most limit. Nothing is returned after close.
func (q *queue[T]) take(limit int) []*call[T] {
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
func (q *queue[T]) close() {
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
