package ingest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// fakeSink stores like the engine: items are replaced, request ids answer replays.
type fakeSink struct {
	mu           sync.Mutex
	items        map[string]engine.Registration
	interactions map[recsys.RequestID]recsys.Interaction
	calls        []int                             // rows per call
	refuse       func(call int, item string) error // nil: nothing is refused
}

func newFakeSink() *fakeSink {
	return &fakeSink{items: map[string]engine.Registration{}, interactions: map[recsys.RequestID]recsys.Interaction{}}
}

func (s *fakeSink) RegisterItems(ctx context.Context, writes []engine.Registration) []engine.Registered {
	s.mu.Lock()
	defer s.mu.Unlock()
	answers := make([]engine.Registered, len(writes))
	for i, w := range writes {
		if err := s.refusal(ctx, w.Item.ItemID); err != nil {
			answers[i].Err = err
			continue
		}
		_, there := s.items[w.Item.ItemID]
		s.items[w.Item.ItemID] = w
		answers[i] = engine.Registered{Item: w.Item, Created: !there}
	}
	s.calls = append(s.calls, len(writes))
	return answers
}

func (s *fakeSink) RecordInteractions(ctx context.Context, writes []engine.InteractionWrite) []engine.InteractionResult {
	s.mu.Lock()
	defer s.mu.Unlock()
	answers := make([]engine.InteractionResult, len(writes))
	for i, w := range writes {
		if err := s.refusal(ctx, w.Interaction.ItemID); err != nil {
			answers[i].Err = err
			continue
		}
		_, there := s.interactions[w.Request]
		s.interactions[w.Request] = w.Interaction
		answers[i] = engine.InteractionResult{Interaction: w.Interaction, Replayed: there}
	}
	s.calls = append(s.calls, len(writes))
	return answers
}

func (s *fakeSink) refusal(ctx context.Context, item string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.refuse == nil {
		return nil
	}
	return s.refuse(len(s.calls), item)
}

// text is a table in memory.
func text(name, content string) Source {
	return Source{Name: name, Open: func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader([]byte(content))), nil
	}}
}

// testConfig has small batches, so that short files make several, and a clock that stands still.
func testConfig() Config {
	cfg := DefaultConfig()
	cfg.ItemBatch, cfg.InteractionBatch = 3, 3
	cfg.Now = func() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }
	return cfg
}

// manyRows is a file of n views by n users, one a line from line 2 on.
func manyRows(n int) string {
	var b bytes.Buffer
	b.WriteString("user,item,timestamp\n")
	for i := range n {
		fmt.Fprintf(&b, "u%d,i%d,%d\n", i, i, 1_600_000_000+i)
	}
	return b.String()
}

func faultStrings(report Report) []string {
	var all []string
	for _, f := range report.Faults {
		all = append(all, f.String())
	}
	return all
}

func mustInteractions(t *testing.T, content string) ([]recsys.Interaction, Report) {
	t.Helper()
	sink := newFakeSink()
	report, err := Interactions(t.Context(), text("events.csv", content), sink, testConfig())
	if err != nil {
		t.Fatal(err)
	}
	var all []recsys.Interaction
	for _, in := range sink.interactions {
		all = append(all, in)
	}
	return all, report
}

func mustItems(t *testing.T, content string, kinds map[string]recsys.AttributeKind) (map[string]recsys.Item, Report) {
	t.Helper()
	sink := newFakeSink()
	report, err := Items(t.Context(), ItemSource{Table: text("items.csv", content), Kinds: kinds}, sink, testConfig())
	if err != nil {
		t.Fatal(err)
	}
	items := map[string]recsys.Item{}
	for id, w := range sink.items {
		items[id] = w.Item
	}
	return items, report
}
