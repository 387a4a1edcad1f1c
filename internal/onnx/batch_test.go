package onnx

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// A fake model answers {first value, number of runs}; special first values make it fail.
const (
	brokenTensor = -1 // the run fails
	nanTensor    = -2 // the vector is not finite
)

type fakeModel struct {
	began chan int      // gets the size of every run as it begins
	gate  chan struct{} // a run waits for one token; nil: it does not

	mu     sync.Mutex
	served []float32 // first values, in order
	active int
	closed bool
}

func (m *fakeModel) run(in, out []float32, n int) error {
	m.mu.Lock()
	m.active++
	m.mu.Unlock()
	defer func() {
		m.mu.Lock()
		m.active--
		m.mu.Unlock()
	}()
	if m.began != nil {
		m.began <- n
	}
	if m.gate != nil {
		<-m.gate
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range n {
		first := in[i*len(in)/n]
		switch first {
		case brokenTensor:
			return errors.New("broken tensor")
		case nanTensor:
			out[i*2] = float32(math.NaN())
		default:
			out[i*2], out[i*2+1] = first, 7
		}
		m.served = append(m.served, first)
	}
	return nil
}

func (m *fakeModel) close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.active > 0 || m.closed {
		return fmt.Errorf("closed with %d runs going on, closed before: %v", m.active, m.closed)
	}
	m.closed = true
	return nil
}

// fakeEncoder wants tensors of three values and gives vectors of two.
func fakeEncoder(m *fakeModel, workers, limit int) *Encoder {
	manifest := Manifest{Name: "fake", Version: "1", Input: Input{Size: 1, Resize: Resize{ShortSide: 1}}, Output: Output{Dims: 2}}
	config := DefaultConfig()
	config.Workers, config.MaxBatch = workers, limit
	return newEncoder(manifest, m, config)
}

func tensor(first float32) []float32 { return []float32{first, 0, 0} }

// await yields until the queue holds n calls.
func await(e *Encoder, n int) {
	for {
		e.queue.mu.Lock()
		waiting := len(e.queue.waiting)
		e.queue.mu.Unlock()
		if waiting == n {
			return
		}
		runtime.Gosched()
	}
}

// startCall makes a call and answers where its result will come.
func (e *Encoder) startCall(ctx context.Context, first float32) chan answer {
	out := make(chan answer, 1)
	go func() {
		v, err := e.Encode(ctx, tensor(first))
		out <- answer{v, err}
	}()
	return out
}

func mustClose(t *testing.T, e *Encoder) {
	t.Helper()
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}

// While one run goes on, calls gather; the next runs take them, oldest first, at most four.
func TestBatchesFormWhileARunGoesOn(t *testing.T) {
	t.Parallel()
	m := &fakeModel{began: make(chan int, 10), gate: make(chan struct{}, 10)}
	e := fakeEncoder(m, 1, 4)
	results := []chan answer{e.startCall(t.Context(), 100)}
	sizes := []int{<-m.began} // alone: the first call did not wait for others
	for i := range 9 {
		results = append(results, e.startCall(t.Context(), float32(i)))
		await(e, i+1)
	}
	for range 3 {
		m.gate <- struct{}{}
		sizes = append(sizes, <-m.began)
	}
	m.gate <- struct{}{}
	for i, r := range results {
		a := <-r
		want := []float32{float32(i - 1), 7}
		if i == 0 {
			want[0] = 100
		}
		if a.err != nil {
			t.Fatal(a.err)
		}
		if diff := cmp.Diff(want, a.vector); diff != "" {
			t.Errorf("call %d (-want +got):\n%s", i, diff)
		}
	}
	if diff := cmp.Diff([]int{1, 4, 4, 1}, sizes); diff != "" {
		t.Errorf("sizes of runs (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]float32{100, 0, 1, 2, 3, 4, 5, 6, 7, 8}, m.served); diff != "" {
		t.Errorf("order of calls (-want +got):\n%s", diff)
	}
	mustClose(t, e)
}

// Free workers divide what waits instead of one taking all.
func TestFreeWorkersShare(t *testing.T) {
	t.Parallel()
	q := newQueue[[]float32]()
	for range 6 {
		if err := q.put(&call[[]float32]{done: make(chan answer, 1)}); err != nil {
			t.Fatal(err)
		}
	}
	q.idle = 2 // two more workers are about to look
	var sizes []int
	for range 3 {
		sizes = append(sizes, len(q.take(8)))
		q.idle = max(q.idle-1, 0)
	}
	if diff := cmp.Diff([]int{2, 2, 2}, sizes); diff != "" {
		t.Errorf("shares (-want +got):\n%s", diff)
	}
}

func TestCanceledCallIsNotRun(t *testing.T) {
	t.Parallel()
	m := &fakeModel{began: make(chan int, 10), gate: make(chan struct{}, 10)}
	e := fakeEncoder(m, 1, 4)
	first := e.startCall(t.Context(), 1)
	<-m.began
	ctx, cancel := context.WithCancel(t.Context())
	second := e.startCall(ctx, 2)
	await(e, 1)
	third := e.startCall(t.Context(), 3)
	await(e, 2)
	cancel()
	if a := <-second; !errors.Is(a.err, context.Canceled) {
		t.Errorf("got %v, %v; want context.Canceled while the encoder is busy", a.vector, a.err)
	}
	m.gate <- struct{}{}
	m.gate <- struct{}{}
	if a := <-first; a.err != nil {
		t.Error(a.err)
	}
	if a := <-third; a.err != nil {
		t.Error(a.err)
	}
	if diff := cmp.Diff([]float32{1, 3}, m.served); diff != "" {
		t.Errorf("calls run (-want +got):\n%s", diff)
	}
	mustClose(t, e)
}

// A caller who leaves during the run gets its error at once; the others their vectors.
func TestCancelDuringTheRun(t *testing.T) {
	t.Parallel()
	m := &fakeModel{began: make(chan int, 1), gate: make(chan struct{}, 1)}
	e := fakeEncoder(m, 1, 4)
	ctx, cancel := context.WithCancel(t.Context())
	result := e.startCall(ctx, 1)
	<-m.began
	cancel()
	if a := <-result; !errors.Is(a.err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", a.err)
	}
	m.gate <- struct{}{}
	mustClose(t, e)
}

// One bad call in a run spoils no other.
func TestErrorsAreSeparate(t *testing.T) {
	t.Parallel()
	m := &fakeModel{began: make(chan int, 100), gate: make(chan struct{}, 100)}
	e := fakeEncoder(m, 1, 8)
	blocker := e.startCall(t.Context(), 50)
	<-m.began
	values := []float32{1, brokenTensor, 2, nanTensor, float32(math.Inf(1)), 3}
	var results []chan answer
	for i, v := range values {
		results = append(results, e.startCall(t.Context(), v))
		await(e, i+1)
	}
	for range 100 {
		m.gate <- struct{}{}
	}
	wants := []error{nil, recsys.ErrUnavailable, nil, recsys.ErrCorrupt, recsys.ErrInvalid, nil}
	for i, r := range results {
		a := <-r
		if !errors.Is(a.err, wants[i]) {
			t.Errorf("call of %v: %v, want %v", values[i], a.err, wants[i])
		}
		if wants[i] == nil && !slices.Equal(a.vector, []float32{values[i], 7}) {
			t.Errorf("call of %v: %v", values[i], a.vector)
		}
	}
	<-blocker
	mustClose(t, e)
}

// Close lets the run finish, refuses what waits and what comes later.
func TestClose(t *testing.T) {
	t.Parallel()
	m := &fakeModel{began: make(chan int, 10), gate: make(chan struct{}, 10)}
	e := fakeEncoder(m, 1, 4)
	running := e.startCall(t.Context(), 1)
	<-m.began
	waiting := e.startCall(t.Context(), 2)
	await(e, 1)
	closed := make(chan error)
	go func() { closed <- e.Close() }()
	if a := <-waiting; !errors.Is(a.err, recsys.ErrUnavailable) {
		t.Errorf("waiting call: %v, want ErrUnavailable", a.err)
	}
	select {
	case <-closed:
		t.Error("Close returned while a run was going on")
	default:
	}
	m.gate <- struct{}{}
	if a := <-running; a.err != nil {
		t.Errorf("running call: %v", a.err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if _, err := e.Encode(t.Context(), tensor(3)); !errors.Is(err, recsys.ErrUnavailable) {
		t.Errorf("later call: %v, want ErrUnavailable", err)
	}
	mustClose(t, e) // again
}

// Many callers, some of whom leave, against several workers; then nothing is left behind.
func TestManyCallers(t *testing.T) {
	before := runtime.NumGoroutine()
	m := &fakeModel{}
	e := fakeEncoder(m, 3, 8)
	var wg sync.WaitGroup
	for g := range 32 {
		wg.Go(func() {
			for i := range 200 {
				ctx, cancel := context.WithCancel(t.Context())
				if i%7 == 0 {
					go cancel()
				}
				first := float32(1000*g + i)
				v, err := e.Encode(ctx, tensor(first))
				if err == nil && v[0] != first {
					t.Errorf("got the vector of %v, want that of %v", v[0], first)
				}
				if err != nil && !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
				cancel()
			}
		})
	}
	wg.Wait()
	mustClose(t, e)
	for runtime.NumGoroutine() > before { // cancel's goroutines may still be ending
		runtime.Gosched()
	}
}
