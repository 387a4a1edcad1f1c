package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/seed-473295a7/vitrine/internal/als"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// foldBatch bounds the items, and so the users and rows, one fold-in reads.
const foldBatch = 200

// foldYoungRows computes the fold-ins of the trained items that are new: what they have been
// served by, recomputed with the new factors, so that the training does not throw them back.
func foldYoungRows(f *factorModel, rows trainingRows, left []float64) {
	f.rows = make(map[string]int32, len(rows.itemIDs))
	byItem := make(map[int32][]als.Entry)
	for row, id := range rows.itemIDs {
		f.rows[id] = int32(row)
		if n := f.als.Positives(row); n > 0 && f.foldShare(int32(row), n, left[row]) > 0 {
			byItem[int32(row)] = nil
		}
	}
	for _, entry := range rows.entries {
		if entries, young := byItem[entry.Item]; young {
			byItem[entry.Item] = append(entries, entry)
		}
	}
	users := make(map[int32][]float32) // plain half-steps, shared by the items a user touched
	halfStep := func(user int32) []float32 {
		w, ok := users[user]
		if !ok {
			w = f.als.UserHalfStep(trainedHistory(f, rows.of(int(user))))
			users[user] = w
		}
		return w
	}
	for _, row := range slices.Sorted(maps.Keys(byItem)) {
		var touches []als.Touch
		for _, entry := range byItem[row] {
			touches = append(touches, als.Touch{User: halfStep(entry.User), Confidence: entry.Confidence, Target: entry.Target})
		}
		r, m := f.als.FoldInItem(touches, f.als.Positives(int(row)), f.als.ItemPrior(int(row)))
		f.foldAt[row] = len(f.foldAt)
		f.r = append(f.r, r...)
		f.m = append(f.m, m...)
	}
}

// trainedHistory is a user's row with trained item factors. Entries of items without a row are left out.
func trainedHistory(f *factorModel, entries []als.Entry) []als.Weighted {
	history := make([]als.Weighted, 0, len(entries))
	for _, entry := range entries {
		history = append(history, als.Weighted{Factor: f.als.ItemFactor(int(entry.Item)), Confidence: entry.Confidence, Target: entry.Target})
	}
	return history
}

// Pending is how many items wait for FoldIn.
func (e *Engine) Pending() int { return e.touched.len() }

// worthFolding is the share of a fold-in from which a trained item is served by it.
const worthFolding = .1

// FoldIn brings the served factors of items with new interactions or new content up to date,
// at most foldBatch of them, and returns how many it did. A trained item keeps its factor until
// a tenth more has happened to it, or while it is well known and nothing new comes of it.
func (e *Engine) FoldIn(ctx context.Context) (int, error) {
	s := e.state.Load()
	if s.model == nil {
		return 0, nil
	}
	taken := e.touched.take(foldBatch)
	var ids []string
	for _, id := range taken {
		if e.worthFolding(s, id) {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return len(taken), nil
	}
	if err := e.foldIn(ctx, s, ids); err != nil {
		e.touched.add(ids...)
		return 0, err
	}
	return len(taken), nil
}

func (e *Engine) worthFolding(s *State, itemID string) bool {
	number := e.numbers.number(itemID)
	row, trained := s.model.trained(itemID)
	switch {
	case s.facts(number) == nil:
		return false
	case !trained:
		return true
	}
	left := e.left(s.chunks[number/chunkSize].created[number%chunkSize], e.numbers.firstSeen(number), e.now().UnixNano())
	return s.model.foldShare(row, float64(e.numbers.positives(number)), left) > worthFolding
}

func (e *Engine) foldIn(ctx context.Context, s *State, ids []string) error {
	touches, err := e.touches(ctx, s.model, ids)
	if err != nil {
		return err
	}
	rows, err := e.store.Items(ctx, ids)
	if err != nil {
		return fmt.Errorf("read touched items: %w", err)
	}
	inputs, err := e.inputs(ctx, s.encoder, rows)
	if err != nil {
		return err
	}
	done := make(map[uint32]served, len(rows))
	for i, row := range rows {
		number := e.numbers.number(row.Item.ItemID)
		done[number] = e.foldedItem(s.model, row.Item, number, touches[row.Item.ItemID], s.model.prior(inputs[i]))
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	live := e.state.Load()
	if live.modelID != s.modelID {
		return nil // the new model's load has marked what it needs
	}
	c := live.change()
	for number, factor := range done {
		if live.facts(number) != nil {
			c.setFactor(number, factor)
		}
	}
	return e.publish(c)
}

// foldedItem is how an item is served after what has happened to it.
func (e *Engine) foldedItem(model *factorModel, item recsys.Item, number uint32, t itemTouches, prior []float32) served {
	left := e.left(item.CreateTime.UnixNano(), e.numbers.firstSeen(number), e.now().UnixNano())
	r, m := model.als.FoldInItem(t.touches, t.positives, prior)
	if row, ok := model.trained(item.ItemID); ok {
		base, content := model.servedRow(row, model.foldShare(row, t.positives, left), r, m)
		return e.explored(model, base, content, t.positives, left)
	}
	for k := range r {
		r[k] += m[k]
	}
	return e.explored(model, r, m, t.positives, left)
}

type itemTouches struct {
	touches   []als.Touch
	positives float64 // mass, as in training
}

// touches gathers, for each item, the users who did something with it, their factors
// recomputed from all they did with items the model knows.
func (e *Engine) touches(ctx context.Context, model *factorModel, ids []string) (map[string]itemTouches, error) {
	actors := make(map[recsys.Actor]struct{})
	if _, err := e.store.Interactions(ctx, InteractionFilter{ItemIDs: ids}, func(in recsys.Interaction) error {
		actors[in.Actor] = struct{}{}
		return ctx.Err()
	}); err != nil {
		return nil, fmt.Errorf("read interactions of touched items: %w", err)
	}
	histories := make(map[recsys.Actor][]recsys.Interaction)
	list := make([]recsys.Actor, 0, len(actors))
	for actor := range actors {
		list = append(list, actor)
	}
	if len(list) == 0 {
		return nil, nil
	}
	if _, err := e.store.Interactions(ctx, InteractionFilter{Actors: list}, func(in recsys.Interaction) error {
		histories[in.Actor] = append(histories[in.Actor], in)
		return ctx.Err()
	}); err != nil {
		return nil, fmt.Errorf("read histories: %w", err)
	}
	wanted := make(map[uint32]string, len(ids))
	for _, id := range ids {
		wanted[e.numbers.number(id)] = id
	}
	out := make(map[string]itemTouches)
	for _, events := range histories {
		e.addTouches(out, model, wanted, events)
	}
	return out, nil
}

func (e *Engine) addTouches(out map[string]itemTouches, model *factorModel, wanted map[uint32]string, events []recsys.Interaction) {
	prefs := e.summarize(newestFirst(events))
	var history []als.Weighted
	for _, p := range prefs {
		if row, ok := model.rows[e.numbers.id(p.item)]; ok && p.confidence > 0 {
			history = append(history, als.Weighted{Factor: model.als.ItemFactor(int(row)), Confidence: float32(p.confidence), Target: float32(p.target)})
		}
	}
	user := model.als.UserHalfStep(history)
	for _, p := range prefs {
		id, ok := wanted[p.item]
		if !ok || p.confidence == 0 {
			continue
		}
		t := out[id]
		t.touches = append(t.touches, als.Touch{User: user, Confidence: float32(p.confidence), Target: float32(p.target)})
		if p.target > 0 {
			t.positives += p.confidence
		}
		out[id] = t
	}
}
