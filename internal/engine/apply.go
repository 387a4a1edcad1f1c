package engine

import (
	"context"
	"fmt"

	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/space"
)

// arrival is a committed item on its way into State.
type arrival struct {
	item   *recsys.Item
	seq    int64
	space  recsys.SpaceID // of vector
	vector []float32
	input  space.Input
	reader string // the encoder that input is of
}

// apply puts committed items into State. An arrival older than what State holds is passed
// over, so that two writers of one item, or a writer and Sync, may come in either order.
//
// An arrival that was read for another encoder than the live one is left to Sync, which late asks for.
func (e *Engine) apply(arrivals []arrival) (late bool, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.state.Load()
	c := s.change()
	for _, a := range arrivals {
		number := e.numbers.number(a.item.ItemID)
		if a.seq <= c.next.seqOf(number) {
			continue
		}
		if a.reader != s.encoder.Name() {
			late = true
			continue
		}
		if a.space != s.spaceID {
			a.vector = s.space.Embed(a.input)
		}
		c.put(number, a.item, a.seq, a.vector)
		if s.model != nil {
			e.placeFactor(c, number, a)
		}
	}
	return late, e.publish(c)
}

// publish makes a finished change the live State; the caller holds mu.
func (e *Engine) publish(c *change) error {
	next, err := c.done()
	if err != nil {
		return fmt.Errorf("update the index: %w", err)
	}
	e.state.Store(next)
	return nil
}

// placeFactor gives a new or changed item its served factor: a trained or folded-in one stays
// until FoldIn has redone it, everything else starts at its content prior.
func (e *Engine) placeFactor(c *change, number uint32, a arrival) {
	model := c.next.model
	left := e.left(a.item.CreateTime.UnixNano(), e.numbers.firstSeen(number), e.now().UnixNano())
	n := float64(e.numbers.positives(number))
	if n > 0 {
		e.touched.add(a.item.ItemID)
		if _, ok := c.next.factor(number); ok {
			return
		}
	}
	if row, ok := model.trained(a.item.ItemID); ok {
		base, content := model.servedRow(row, 0, nil, nil)
		c.setFactor(number, e.explored(model, base, content, n, left))
		return
	}
	prior := model.prior(a.input)
	c.setFactor(number, e.explored(model, prior, prior, n, left))
}

// withdraw takes deleted items out of State unless they were written again after seq.
func (e *Engine) withdraw(itemIDs []string, seq int64) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.state.Load().change()
	for _, id := range itemIDs {
		number := e.numbers.number(id)
		if c.next.seqOf(number) < seq {
			c.remove(number, seq)
		}
	}
	return e.publish(c)
}

// installFactors places the factors of a loaded model; the caller holds mu and has installed the
// counts of the same load.
func (e *Engine) installFactors(ctx context.Context, c *change, rows []ItemRow, head Head) error {
	model := c.next.model
	if model == nil {
		return nil
	}
	now := e.now().UnixNano()
	c.next.exploredAt = now
	c.next.corrections = e.correctionsOf(model)
	var later []ItemRow
	for _, row := range rows {
		at, ok := model.rows[row.Item.ItemID]
		changed := row.Seq > head.Model.CatalogSeq
		if !ok || changed && !model.als.Trained(int(at)) {
			later = append(later, row)
			continue
		}
		number := e.numbers.number(row.Item.ItemID)
		left := e.left(row.Item.CreateTime.UnixNano(), e.numbers.firstSeen(number), now)
		c.setFactor(number, e.installed(model, at, left))
		if changed {
			e.touched.add(row.Item.ItemID)
		}
	}
	arrivals, err := e.arrivals(ctx, later, &c.next)
	if err != nil {
		return err
	}
	for _, a := range arrivals {
		e.placeFactor(c, e.numbers.number(a.item.ItemID), a)
	}
	return nil
}

// installed is how the item of a row is served as the model left it.
func (e *Engine) installed(model *factorModel, row int32, left float64) served {
	n := model.als.Positives(int(row))
	if n == 0 {
		mu := model.als.ItemPrior(int(row))
		return e.explored(model, mu, mu, 0, left)
	}
	share := 0.0
	r, m, ok := model.folded(row)
	if ok {
		share = model.foldShare(row, n, left)
	}
	base, content := model.servedRow(row, share, r, m)
	return e.explored(model, base, content, n, left)
}

// arrivals adds to stored rows what the spaces read of them.
func (e *Engine) arrivals(ctx context.Context, rows []ItemRow, s *State) ([]arrival, error) {
	inputs, err := e.inputs(ctx, s.encoder, rows)
	if err != nil {
		return nil, err
	}
	out := make([]arrival, len(rows))
	for i := range rows {
		out[i] = arrival{item: &rows[i].Item, seq: rows[i].Seq, space: s.spaceID, vector: rows[i].Vector, input: inputs[i], reader: s.encoder.Name()}
		if rows[i].Vector == nil {
			out[i].space = 0 // whoever places it embeds it
		}
	}
	return out, nil
}

// inputs gathers what the spaces read of several items with a query for pictures and one for
// texts. A picture that the encoder has not seen is encoded; a text without a stored output of the
// encoder that runs counts as absent.
func (e *Engine) inputs(ctx context.Context, encoder Encoder, rows []ItemRow) ([]space.Input, error) {
	inputs := make([]space.Input, len(rows))
	texts, err := e.storedTexts(ctx, itemsOf(rows))
	if err != nil {
		return nil, err
	}
	pictured := make(map[string]*space.Input, len(rows))
	var ids []string
	for i, row := range rows {
		inputs[i] = e.inputOf(&rows[i].Item, texts[row.Item.ItemID])
		if len(row.Item.ImageDigest) > 0 {
			pictured[row.Item.ItemID] = &inputs[i]
			ids = append(ids, row.Item.ItemID)
		}
	}
	if len(ids) == 0 {
		return inputs, nil
	}
	err = e.store.RawOutputs(ctx, encoder.Name(), ids, func(itemID string, raw []float32) error {
		pictured[itemID].Image = append([]float32(nil), raw...)
		delete(pictured, itemID)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read encoder outputs: %w", err)
	}
	return inputs, e.completeOutputs(ctx, encoder, pictured)
}

// carryOver brings into a State that was loaded from an older snapshot what was written here
// after that snapshot, so that nothing acknowledged disappears and nothing deleted comes back.
// The caller holds mu.
func (e *Engine) carryOver(ctx context.Context, c *change) error {
	live := e.state.Load()
	if live == nil {
		return nil
	}
	var present []string
	for at, ch := range live.chunks {
		for i, seq := range ch.seq {
			number := uint32(at*chunkSize + i)
			switch {
			case seq <= c.next.catalogSeq || seq <= c.next.seqOf(number):
			case ch.facts[i] == nil:
				c.remove(number, seq)
			default:
				present = append(present, e.numbers.id(number))
			}
		}
	}
	if len(present) == 0 {
		return nil
	}
	rows, err := e.store.Items(ctx, present)
	if err != nil {
		return fmt.Errorf("read items written meanwhile: %w", err)
	}
	arrivals, err := e.arrivals(ctx, rows, &c.next)
	if err != nil {
		return err
	}
	for _, a := range arrivals {
		number := e.numbers.number(a.item.ItemID)
		c.put(number, a.item, a.seq, c.next.space.Embed(a.input))
		if c.next.model != nil {
			e.placeFactor(c, number, a)
		}
	}
	return nil
}
