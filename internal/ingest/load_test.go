package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

func TestProgress(t *testing.T) {
	t.Parallel()
	cfg := testConfig()
	var got [][2]int64
	cfg.Progress = func(done, total int64) { got = append(got, [2]int64{done, total}) }
	if _, err := Interactions(t.Context(), text("events.csv", manyRows(7)+"bad\n"), newFakeSink(), cfg); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([][2]int64{{0, 8}, {3, 8}, {6, 8}, {8, 8}}, got); diff != "" {
		t.Error(diff)
	}
}

func TestEmptyTable(t *testing.T) {
	t.Parallel()
	_, report := mustInteractions(t, "user,item,timestamp\n")
	if report.Rows != 0 || report.Loaded != 0 || report.Line != 0 {
		t.Errorf("%+v", report)
	}
}

// away answers ErrUnavailable from the first call to before the back-th.
func away(back int, item string) func(int, string) error {
	return func(call int, id string) error {
		if call < back && (item == "" || id == item) {
			return fmt.Errorf("put: %w", recsys.ErrUnavailable)
		}
		return nil
	}
}

func TestWaitsForTheStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sink := newFakeSink()
		sink.refuse = away(3, "")
		var log bytes.Buffer
		cfg := testConfig()
		cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
		start := time.Now()
		report, err := Interactions(t.Context(), text("events.csv", manyRows(5)), sink, cfg)
		if err != nil {
			t.Fatal(err)
		}
		if report.Loaded != 5 || report.Replayed != 0 || len(sink.interactions) != 5 {
			t.Errorf("%+v", report)
		}
		if waited := time.Since(start); waited != (200+400+800)*time.Millisecond {
			t.Errorf("waited %v", waited)
		}
		if n := strings.Count(log.String(), "import waits for the store"); n != 3 {
			t.Errorf("%d lines in the log:\n%s", n, &log)
		}
	})
}

func TestRepeatsFromTheFirstUndecidedRow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		// Item 1 comes twice, its first row is undecided at first, its second is stored: the
		// repetition must not leave the first row on top.
		sink := newFakeSink()
		first := true
		sink.refuse = func(call int, item string) error {
			if item == "1" && first {
				first = false
				return recsys.ErrUnavailable
			}
			return nil
		}
		content := "item_id,title\n0,zero\n1,early\n1,late\n"
		report, err := Items(t.Context(), ItemSource{Table: text("items.csv", content)}, sink, testConfig())
		if err != nil {
			t.Fatal(err)
		}
		if got := sink.items["1"].Item.Title; got != "late" {
			t.Errorf("title %q", got)
		}
		if diff := cmp.Diff([]int{3, 2}, sink.calls); diff != "" {
			t.Error(diff)
		}
		if report.Loaded != 3 || report.Created != 2 || report.Replaced != 1 {
			t.Errorf("%+v", report)
		}
	})
}

func TestGivesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sink := newFakeSink()
		sink.refuse = away(1<<30, "i4")
		content := "user,item,timestamp\nu,i0,1\nu,\nu,i2,1\nu,i3,1\nu,i4,1\nu,i5,1\nu,i6,1\n"
		report, err := Interactions(t.Context(), text("events.csv", content), sink, testConfig())
		if !errors.Is(err, recsys.ErrUnavailable) {
			t.Fatalf("error %v", err)
		}
		want := "events.csv: stopped, everything up to line 5 is done and loading the file again is harmless: gave up after 7 attempts: unavailable"
		if err.Error() != strings.Replace(want, "unavailable", "put: unavailable", 1) {
			t.Errorf("error %v", err)
		}
		if report.Line != 5 || report.Loaded != 3 || report.Skipped != 1 || report.Rows != 7 {
			t.Errorf("%+v", report)
		}
		sink.refuse = nil
		report, err = Interactions(t.Context(), text("events.csv", content), sink, testConfig())
		if err != nil || report.Loaded != 6 || report.Replayed != 4 { // i5 had been stored beside i4
			t.Errorf("again: %+v, %v", report, err)
		}
	})
}

func TestCancelLeavesWhatWasCommitted(t *testing.T) {
	t.Parallel()
	for _, at := range []int64{0, 6} {
		ctx, cancel := context.WithCancel(t.Context())
		cfg := testConfig()
		cfg.Progress = func(done, total int64) {
			if done == at {
				cancel()
			}
		}
		sink := newFakeSink()
		report, err := Interactions(ctx, text("events.csv", manyRows(50)), sink, cfg)
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("error %v", err)
		}
		if report.Loaded != at || len(sink.interactions) != int(at) || report.Line != int(at)+min(1, int(at)) {
			t.Errorf("cancelled after %d rows: %+v with %d stored", at, report, len(sink.interactions))
		}
	}
}

func TestCancelledBeforeTheStart(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Items(ctx, ItemSource{Table: text("items.csv", "item_id\n1\n")}, newFakeSink(), testConfig()); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// mute answers fewer rows than it was given.
type mute struct{ *fakeSink }

func (mute) RegisterItems(context.Context, []engine.Registration) []engine.Registered { return nil }

func TestRefusesASinkThatLosesRows(t *testing.T) {
	t.Parallel()
	_, err := Items(t.Context(), ItemSource{Table: text("items.csv", "item_id\n1\n")}, mute{newFakeSink()}, testConfig())
	if !errors.Is(err, recsys.ErrIncompatible) {
		t.Errorf("error %v", err)
	}
}

func TestConfigValidateNamesEveryFault(t *testing.T) {
	t.Parallel()
	if err := DefaultConfig().Validate(); err != nil {
		t.Errorf("the default: %v", err)
	}
	err := Config{Retries: -1}.Validate()
	for _, name := range []string{"item_batch", "interaction_batch", "workers", "retries", "retry_wait"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s is not named in %v", name, err)
		}
	}
	if _, err := Interactions(t.Context(), text("events.csv", manyRows(1)), newFakeSink(), Config{}); !errors.Is(err, recsys.ErrInvalid) {
		t.Errorf("error %v", err)
	}
}
