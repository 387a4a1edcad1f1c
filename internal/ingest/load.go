package ingest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// row is a row on its way to the sink: a write, or the faults that keep it away.
type row[W any] struct {
	line, end int
	write     W
	faults    []Fault
}

// outcome is what the sink answered to a write.
type outcome struct {
	created, replayed bool
	err               error
}

// loader carries batches from a file to the sink: one goroutine reads the next batch while
// the sink works on the last, so two batches are in memory at most.
type loader[W any] struct {
	name  string
	cfg   Config
	next  func(ctx context.Context) ([]row[W], error) // a batch; empty at the end of the file
	send  func(ctx context.Context, writes []W) []outcome
	tally func(report *Report, write W, got outcome) // counts a loaded row
}

// run loads all batches into report; report.Rows must be known.
func (l *loader[W]) run(ctx context.Context, report *Report) error {
	var reading sync.WaitGroup
	defer reading.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // before the wait above: it ends the reader

	batches := make(chan []row[W])
	var readErr error // read after batches is closed
	reading.Go(func() {
		defer close(batches)
		readErr = l.read(ctx, batches)
	})
	done := int64(0)
	l.cfg.Progress(0, report.Rows)
	for batch := range batches {
		if err := l.commit(ctx, batch, report); err != nil {
			return l.stopped(err, report)
		}
		done += int64(len(batch))
		report.Rows = max(report.Rows, done) // the file grew meanwhile
		l.cfg.Progress(done, report.Rows)
	}
	if readErr != nil {
		return l.stopped(readErr, report)
	}
	return nil
}

func (l *loader[W]) read(ctx context.Context, batches chan<- []row[W]) error {
	for {
		batch, err := l.next(ctx)
		if len(batch) > 0 {
			select {
			case batches <- batch:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if err != nil || len(batch) == 0 {
			return err
		}
	}
}

func (l *loader[W]) stopped(err error, report *Report) error {
	return fmt.Errorf("%s: stopped, everything up to line %d is done and loading the file again is harmless: %w",
		l.name, report.Line, err)
}

// commit hands a batch to the sink until every row of it is stored or refused. On an error
// the rows before the first that is neither are counted.
func (l *loader[W]) commit(ctx context.Context, batch []row[W], report *Report) error {
	sound := make([]int, 0, len(batch))
	for i := range batch {
		if batch[i].faults == nil {
			sound = append(sound, i)
		}
	}
	got, err := l.sendAll(ctx, batch, sound)
	settled := len(batch)
	if err != nil {
		settled = sound[len(got)]
	}
	for i := range batch[:settled] {
		r := &batch[i]
		if r.faults == nil {
			answer := got[0]
			got = got[1:]
			if answer.err == nil {
				report.Loaded++
				l.tally(report, r.write, answer)
			} else {
				r.faults = []Fault{faultOf(r.line, answer.err)}
			}
		}
		if r.faults != nil {
			report.skip(r.faults)
		}
		report.Line = r.end
	}
	return err
}

// sendAll returns the outcome of the sound rows; with an error, of those before the first that is undecided.
//
// A retry repeats everything from the first undecided row on, so that of two rows about one
// item the later is still written last. Repeating a stored row is harmless; its first outcome counts.
func (l *loader[W]) sendAll(ctx context.Context, batch []row[W], sound []int) ([]outcome, error) {
	got := make([]outcome, 0, len(sound))
	stored := make(map[int]outcome)
	for attempt := 0; len(got) < len(sound); attempt++ {
		if err := ctx.Err(); err != nil {
			return got, err
		}
		from := len(got)
		answers, err := l.sendRows(ctx, batch, sound[from:])
		if err != nil {
			return got, err
		}
		var undecided error
		for k, answer := range answers {
			if before, ok := stored[from+k]; ok {
				answer = before
			}
			if answer.err == nil {
				stored[from+k] = answer
			}
			if undecided == nil && passing(answer.err) {
				undecided = answer.err
			}
			if undecided == nil {
				got = append(got, answer)
			}
		}
		if undecided == nil {
			break
		}
		if err := l.wait(ctx, attempt, batch[sound[len(got)]].line, undecided); err != nil {
			return got, err
		}
	}
	return got, nil
}

func (l *loader[W]) sendRows(ctx context.Context, batch []row[W], rows []int) ([]outcome, error) {
	writes := make([]W, 0, len(rows))
	for _, i := range rows {
		writes = append(writes, batch[i].write)
	}
	answers := l.send(ctx, writes)
	if len(answers) != len(writes) {
		return nil, fmt.Errorf("the sink answered %d of %d rows: %w", len(answers), len(writes), recsys.ErrIncompatible)
	}
	return answers, nil
}

// wait sleeps before the next attempt; its error ends the run.
func (l *loader[W]) wait(ctx context.Context, attempt, line int, reason error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if attempt >= l.cfg.Retries {
		return fmt.Errorf("gave up after %d attempts: %w", attempt+1, reason)
	}
	delay := l.cfg.RetryWait << min(attempt, 4)
	l.cfg.Log.WarnContext(ctx, "import waits for the store", "file", l.name, "line", line,
		"attempt", attempt+1, "wait", delay, "error", reason)
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// passing reports whether an error may go away by itself. One about a field does not: a
// picture may exhaust a limit each time.
func passing(err error) bool {
	if _, ok := errors.AsType[*recsys.FieldError](err); ok {
		return false
	}
	return errors.Is(err, recsys.ErrUnavailable) || errors.Is(err, recsys.ErrExhausted) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// faultOf turns the sink's answer into a fault of a row.
func faultOf(line int, err error) Fault {
	field, ok := errors.AsType[*recsys.FieldError](err)
	if !ok {
		return Fault{Line: line, Reason: err.Error()}
	}
	column := strings.TrimPrefix(strings.TrimPrefix(field.Field, "item."), "interaction.")
	return Fault{Line: line, Column: column, Reason: field.Reason}
}
