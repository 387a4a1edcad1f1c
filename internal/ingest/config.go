package ingest

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// Sink takes the rows; *engine.Engine is one. Results are in the order of the writes and durable
// where Err is nil. ErrUnavailable and ErrExhausted in a result are retried, any other error is
// a fault of that row.
type Sink interface {
	RegisterItems(ctx context.Context, registrations []engine.Registration) []engine.Registered
	RecordInteractions(ctx context.Context, writes []engine.InteractionWrite) []engine.InteractionResult
}

// Config tunes a run. Start from DefaultConfig.
type Config struct {
	ItemBatch        int           // items a call of the sink takes at most, 1..10000
	InteractionBatch int           // interactions a call takes at most, 1..100000
	Workers          int           // pictures read at a time, 1..256
	Retries          int           // how often a batch is tried again while the sink is unavailable, 0..100
	RetryWait        time.Duration // before the first retry; doubles up to 16 times that
	// Progress is told how many of the file's rows are done, loaded or not: once before the
	// first batch and after every batch, from the calling goroutine. nil: nobody is told.
	Progress func(done, total int64)
	Log      *slog.Logger     // told of retries; nil: nobody
	Now      func() time.Time // the clock event times are held against; nil: time.Now
}

// DefaultConfig returns batches that keep an encoder busy while the next one is read, and
// retries that outlast a database restart (some ten seconds).
func DefaultConfig() Config {
	return Config{ItemBatch: 64, InteractionBatch: 1000, Workers: 4, Retries: 6, RetryWait: 200 * time.Millisecond}
}

// Validate reports every setting that is out of range.
func (c Config) Validate() error {
	between := func(name string, value, low, high int) error {
		if value < low || value > high {
			return recsys.Invalid(name, "is %d, want %d to %d", value, low, high)
		}
		return nil
	}
	var wait error
	if c.RetryWait <= 0 || c.RetryWait > time.Minute {
		wait = recsys.Invalid("retry_wait", "is %v, want more than 0 and at most 1m", c.RetryWait)
	}
	return errors.Join(
		between("item_batch", c.ItemBatch, 1, 10_000),
		between("interaction_batch", c.InteractionBatch, 1, 100_000),
		between("workers", c.Workers, 1, 256),
		between("retries", c.Retries, 0, 100),
		wait,
	)
}

// filled puts something callable where nil means nobody.
func (c Config) filled() Config {
	if c.Progress == nil {
		c.Progress = func(int64, int64) {}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}
