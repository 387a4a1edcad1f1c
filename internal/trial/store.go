package trial

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// Store is an engine.Store in memory. It keeps no pictures, only what the encoder made of them,
// and answers followers of the change log with a whole load. Safe for concurrent use.
type Store struct {
	mu           sync.RWMutex
	items        map[string]*storedItem
	outputs      map[output][]float32
	texts        map[output]engine.TextOutput
	interactions []recsys.Interaction // in the order of arrival
	spaces       []recsys.SpaceRecord // space n is at n−1
	models       []recsys.ModelRecord
	space        recsys.SpaceID
	model        recsys.ModelID
	activated    map[recsys.ModelID]time.Time
	locked       map[string]bool

	catalogSeq, interactionSeq int64
}

var _ engine.Store = (*Store)(nil)

// storedItem is replaced as a whole, so that views may share it.
type storedItem struct {
	item    recsys.Item
	seq     int64
	vectors map[recsys.SpaceID][]float32
}

// output names an encoder output: encoder, and the picture's digest or the text's item.
type output struct{ encoder, of string }

// NewStore returns a store that holds nothing.
func NewStore() *Store {
	return &Store{items: make(map[string]*storedItem), outputs: make(map[output][]float32), texts: make(map[output]engine.TextOutput),
		locked: make(map[string]bool), activated: make(map[recsys.ModelID]time.Time)}
}

// Copy reads catalogue, outputs of an encoder and of a text encoder ("": none) and the live space
// of another store; interactions and factor models stay behind. Memory: the outputs, 5 KB an
// item at 1,280 dimensions.
func Copy(ctx context.Context, from engine.Store, encoder, textEncoder string) (*Store, error) {
	s := NewStore()
	head, err := from.Load(ctx, 0, nil, func(row engine.ItemRow) error {
		s.items[row.Item.ItemID] = &storedItem{item: row.Item, seq: 1, vectors: map[recsys.SpaceID][]float32{1: row.Vector}}
		return ctx.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("copy the catalogue: %w", err)
	}
	if head.Space != nil {
		record := *head.Space
		record.ID = 1
		s.spaces, s.space = []recsys.SpaceRecord{record}, 1
	}
	s.catalogSeq = 1
	err = from.RawOutputs(ctx, encoder, nil, func(itemID string, raw []float32) error {
		if it, ok := s.items[itemID]; ok {
			s.outputs[output{encoder, string(it.item.ImageDigest)}] = slices.Clone(raw)
		}
		return ctx.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("copy encoder outputs: %w", err)
	}
	if textEncoder == "" {
		return s, nil
	}
	err = from.TextOutputs(ctx, textEncoder, nil, func(t engine.TextOutput) error {
		t.Digest, t.Raw = slices.Clone(t.Digest), slices.Clone(t.Raw)
		s.texts[output{textEncoder, t.ItemID}] = t
		return ctx.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("copy text encoder outputs: %w", err)
	}
	return s, nil
}

// View returns a store with the same catalogue but for what change does to each item, the same
// live space, and other interactions, which must not change. change returns false to leave an item out.
func (s *Store) View(interactions []recsys.Interaction, change func(*recsys.Item) bool) *Store {
	s.mu.RLock()
	defer s.mu.RUnlock()
	v := NewStore()
	v.outputs, v.texts, v.spaces, v.space = s.outputs, s.texts, slices.Clone(s.spaces), s.space
	v.interactions = slices.Clip(interactions) // what is appended goes elsewhere
	v.catalogSeq, v.interactionSeq = 1, 1
	for id, it := range s.items {
		copied := storedItem{item: it.item, seq: 1, vectors: maps.Clone(it.vectors)}
		if change(&copied.item) {
			v.items[id] = &copied
		}
	}
	return v
}

// Add brings items of another store in, as if they were registered now.
func (s *Store) Add(from *Store, itemIDs []string, at time.Time) {
	from.mu.RLock()
	defer from.mu.RUnlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.catalogSeq++
	for _, id := range itemIDs {
		if it, ok := from.items[id]; ok {
			copied := storedItem{item: it.item, seq: s.catalogSeq, vectors: maps.Clone(it.vectors)}
			copied.item.CreateTime, copied.item.UpdateTime = at, at
			s.items[id] = &copied
		}
	}
}

// ItemIDs lists the catalogue, ascending.
func (s *Store) ItemIDs() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Sorted(maps.Keys(s.items))
}

// PutItems stores items; request ids and IfSeq are not kept to.
func (s *Store) PutItems(_ context.Context, writes []engine.ItemWrite) ([]engine.ItemResult, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.catalogSeq++
	out := make([]engine.ItemResult, len(writes))
	for i, w := range writes {
		_, known := s.items[w.Item.ItemID]
		s.items[w.Item.ItemID] = &storedItem{item: w.Item, seq: s.catalogSeq, vectors: map[recsys.SpaceID][]float32{w.Space: w.Vector}}
		if w.Raw != nil {
			s.outputs[output{w.Encoder, string(w.Item.ImageDigest)}] = w.Raw
		}
		if w.Text.Raw != nil {
			s.texts[output{w.TextEncoder, w.Item.ItemID}] = w.Text
		}
		out[i] = engine.ItemResult{Item: w.Item, Space: w.Space, Seq: s.catalogSeq, Created: !known}
	}
	return out, nil
}

// DeleteItem removes an item.
func (s *Store) DeleteItem(_ context.Context, itemID string, _ recsys.RequestID) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.items[itemID]; !ok {
		return 0, fmt.Errorf("item %q: %w", itemID, recsys.ErrNotFound)
	}
	delete(s.items, itemID)
	s.catalogSeq++
	return s.catalogSeq, nil
}

// Items returns those of the ids that exist.
func (s *Store) Items(_ context.Context, itemIDs []string) ([]engine.ItemRow, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []engine.ItemRow
	for _, id := range itemIDs {
		if it, ok := s.items[id]; ok {
			out = append(out, engine.ItemRow{Item: it.item, Seq: it.seq})
		}
	}
	return out, nil
}

// RawOutputs hands out encoder outputs.
func (s *Store) RawOutputs(ctx context.Context, encoder string, itemIDs []string, each func(itemID string, raw []float32) error) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if itemIDs == nil {
		itemIDs = slices.Sorted(maps.Keys(s.items))
	}
	for _, id := range itemIDs {
		it, ok := s.items[id]
		if !ok {
			continue
		}
		if raw, ok := s.outputs[output{encoder, string(it.item.ImageDigest)}]; ok {
			if err := cmp.Or(each(id, raw), ctx.Err()); err != nil {
				return err
			}
		}
	}
	return nil
}

// RawOutput returns the output for a picture.
func (s *Store) RawOutput(_ context.Context, encoder string, imageDigest []byte) ([]float32, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if raw, ok := s.outputs[output{encoder, string(imageDigest)}]; ok {
		return raw, nil
	}
	return nil, recsys.ErrNotFound
}

// Fingerprints hands out encoder outputs without hashes: a trial keeps no pictures.
func (s *Store) Fingerprints(ctx context.Context, encoder string, itemIDs []string, each func(f engine.Fingerprint) error) error {
	return s.RawOutputs(ctx, encoder, itemIDs, func(itemID string, raw []float32) error {
		return each(engine.Fingerprint{ItemID: itemID, Raw: raw})
	})
}

// TextOutputs hands out text encoder outputs.
func (s *Store) TextOutputs(ctx context.Context, encoder string, itemIDs []string, each func(engine.TextOutput) error) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if itemIDs == nil {
		itemIDs = slices.Sorted(maps.Keys(s.items))
	}
	for _, id := range itemIDs {
		if t, ok := s.texts[output{encoder, id}]; ok {
			if err := cmp.Or(each(t), ctx.Err()); err != nil {
				return err
			}
		}
	}
	return nil
}

// PutTextOutputs stores text encoder outputs.
func (s *Store) PutTextOutputs(_ context.Context, encoder string, outputs []engine.TextOutput) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range outputs {
		s.texts[output{encoder, t.ItemID}] = t
	}
	return nil
}

// Load hands out the catalogue, all vectors included.
func (s *Store) Load(ctx context.Context, halfLife time.Duration, _ func(engine.Head) int64, each func(engine.ItemRow) error) (engine.Head, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	head := engine.Head{CatalogSeq: s.catalogSeq, InteractionSeq: s.interactionSeq}
	if s.space > 0 {
		record := s.spaces[s.space-1]
		head.Space = &record
	}
	if s.model > 0 {
		record := s.models[s.model-1]
		head.Model = &record
	}
	head.Newest, head.Counts = s.counts(halfLife)
	for _, id := range slices.Sorted(maps.Keys(s.items)) {
		it := s.items[id]
		if err := cmp.Or(each(engine.ItemRow{Item: it.item, Vector: it.vectors[s.space], Seq: it.seq}), ctx.Err()); err != nil {
			return engine.Head{}, err
		}
	}
	return head, nil
}

// counts counts interactions as Head says.
func (s *Store) counts(halfLife time.Duration) (newest time.Time, out []engine.TypeCount) {
	for _, in := range s.interactions {
		if in.EventTime.After(newest) {
			newest = in.EventTime
		}
	}
	type key struct {
		item  string
		kind  recsys.InteractionType
		value float64
	}
	at := make(map[key]int)
	for _, in := range s.interactions {
		k := key{in.ItemID, in.Type, in.Value}
		i, ok := at[k]
		if !ok {
			i = len(out)
			at[k] = i
			out = append(out, engine.TypeCount{ItemID: in.ItemID, Type: in.Type, Value: in.Value, First: in.EventTime})
		}
		c := &out[i]
		c.Count++
		if in.EventTime.Before(c.First) {
			c.First = in.EventTime
		}
		weight := 1.0
		if halfLife > 0 {
			weight = math.Exp2(-float64(newest.Sub(in.EventTime)) / float64(halfLife))
		}
		c.Recent += weight
	}
	return newest, out
}
