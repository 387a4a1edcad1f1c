package jobs

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// lockedBuffer is a log that several goroutines write to; grown tells of every line.
type lockedBuffer struct {
	mu    sync.Mutex
	b     bytes.Buffer
	grown chan struct{}
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case l.grown <- struct{}{}:
	default: // a reader is told already
	}
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// await returns once every text has been logged, or ctx has ended.
func (l *lockedBuffer) await(ctx context.Context, texts ...string) {
	for _, text := range texts {
		for !strings.Contains(l.String(), text) {
			select {
			case <-l.grown:
			case <-ctx.Done():
				return
			}
		}
	}
}

func TestRunOutlivesPanicsAndErrors(t *testing.T) {
	t.Parallel()
	log := lockedBuffer{grown: make(chan struct{}, 1)}
	told := []string{"broken invariant", "the store is away"}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	now := func(context.Context) {}
	turns := make(chan int)
	go func() {
		defer cancel()
		for range 3 {
			<-turns
		}
		log.await(ctx, told...)
	}()
	n := 0
	Run(ctx, slog.New(slog.NewTextHandler(&log, nil)),
		Job{Name: "steady", Wait: now, Run: func(ctx context.Context) error {
			select {
			case turns <- n:
				n++
			case <-ctx.Done():
			}
			return nil
		}},
		Job{Name: "panics", Wait: now, Run: func(context.Context) error { panic("broken invariant") }},
		Job{Name: "fails", Wait: now, Run: func(context.Context) error { return errors.New("the store is away") }},
		Job{Name: "elsewhere", Wait: now, Run: func(context.Context) error { return recsys.ErrConflict }},
	)
	if n < 3 {
		t.Errorf("the steady job ran %d times, want 3 or more", n)
	}
	for _, want := range told {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not tell of %q:\n%s", want, log.String())
		}
	}
	if strings.Contains(log.String(), "job=elsewhere") {
		t.Errorf("a job that runs elsewhere was logged as a failure:\n%s", log.String())
	}
}
