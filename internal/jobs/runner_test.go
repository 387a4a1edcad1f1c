package jobs

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// lockedBuffer is a log that several goroutines write to.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestRunOutlivesPanicsAndErrors(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	ctx, cancel := context.WithCancel(t.Context())
	now := func(context.Context) {}
	turns := make(chan int)
	go func() {
		for range 3 {
			<-turns
		}
		cancel()
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
	for _, want := range []string{"broken invariant", "the store is away"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not tell of %q:\n%s", want, log.String())
		}
	}
	if strings.Contains(log.String(), "job=elsewhere") {
		t.Errorf("a job that runs elsewhere was logged as a failure:\n%s", log.String())
	}
}
