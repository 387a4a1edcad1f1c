package engine

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"sync"

	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/space"
)

// RegisterItems creates or replaces items. A result without Err is durable, embedded and may
// be recommended; results are in the order of items. Pictures are decoded in parallel, all
// rows are committed in one transaction; of two rows of one item the later wins.
//
// Errors are per item: a *recsys.FieldError on item.image for a picture that cannot be used,
// recsys.ErrConflict for a request id used with another body, recsys.ErrUnavailable when the
// store or the encoder does not answer.
func (e *Engine) RegisterItems(ctx context.Context, items []Registration) []Registered {
	out := make([]Registered, len(items))
	writes := make([]ItemWrite, len(items))
	inputs := make([]space.Input, len(items))
	s := e.state.Load()
	texts, err := e.textsOf(ctx, items)
	if err != nil {
		for i := range out {
			out[i].Err = err
		}
		return out
	}
	var wg sync.WaitGroup
	for i := range items {
		wg.Go(func() {
			var seen *hashes
			writes[i], inputs[i], seen, out[i].Err = e.prepare(ctx, s, &items[i], texts[items[i].Item.ItemID])
			if out[i].Err == nil && items[i].FindDuplicate {
				out[i].DuplicateOf = e.duplicateOf(ctx, s, &writes[i], seen)
			}
		})
	}
	wg.Wait()
	e.commit(ctx, writes, inputs, out)
	return out
}

// textsOf returns what is stored of the texts of the items, so that one that is sent again as it
// was is not encoded again.
func (e *Engine) textsOf(ctx context.Context, items []Registration) (map[string]TextOutput, error) {
	list := make([]*recsys.Item, len(items))
	for i := range items {
		list[i] = &items[i].Item
	}
	return e.storedTexts(ctx, list)
}

// prepare embeds one item; text is the stored output of its text, or of the one it had. seen is nil if the
// picture was not decoded.
func (e *Engine) prepare(ctx context.Context, s *State, r *Registration, text TextOutput) (w ItemWrite, in space.Input, seen *hashes, err error) {
	w = ItemWrite{Item: r.Item, Image: r.Image, Encoder: s.encoder.Name(), Space: s.spaceID, Request: r.Request}
	in = e.inputOf(&r.Item, text)
	w.Item.ImageDigest = nil
	if r.Image != nil {
		digest := sha256.Sum256(r.Image)
		w.Item.ImageDigest = digest[:]
		if w.Raw, err = e.store.RawOutput(ctx, s.encoder.Name(), w.Item.ImageDigest); errors.Is(err, recsys.ErrNotFound) {
			if w.Raw, seen, err = e.encodeHashed(ctx, s.encoder, r.Image); err == nil {
				w.Hash = seen.plain[:]
			}
		}
		if err != nil {
			return w, in, nil, onField(err, "item.image")
		}
		in.Image = w.Raw
	}
	if err := e.completeText(ctx, &w, &in); err != nil {
		return w, in, nil, err
	}
	w.Vector = s.space.Embed(in)
	return w, in, seen, nil
}

// encode gives the raw output of a picture: the stored one if the store has seen it, so that
// a shop that sends its catalogue again pays no encoder, else a new one.
func (e *Engine) encode(ctx context.Context, encoder Encoder, image, digest []byte) ([]float32, error) {
	raw, err := e.store.RawOutput(ctx, encoder.Name(), digest)
	if err == nil || !errors.Is(err, recsys.ErrNotFound) {
		return raw, err
	}
	return e.encodeOne(ctx, encoder, image)
}

// onField names the field of a fault found by someone who did not know it.
func onField(err error, field string) error {
	var fault *recsys.FieldError
	if errors.As(err, &fault) && fault.Field == "" {
		return &recsys.FieldError{Field: field, Reason: fault.Reason, Err: fault.Err}
	}
	return err
}

// commit stores the prepared writes that have no error yet and brings them into State.
func (e *Engine) commit(ctx context.Context, writes []ItemWrite, inputs []space.Input, out []Registered) {
	var at []int
	var sound []ItemWrite
	for i := range writes {
		if out[i].Err == nil {
			at = append(at, i)
			sound = append(sound, writes[i])
		}
	}
	if len(sound) == 0 {
		return
	}
	results, err := e.store.PutItems(ctx, sound)
	if err != nil {
		for _, i := range at {
			out[i].Err = err
		}
		return
	}
	var arrivals []arrival
	for k, i := range at {
		res := &results[k]
		out[i] = Registered{Item: res.Item, Space: res.Space, Created: res.Created, DuplicateOf: out[i].DuplicateOf, Err: res.Err}
		if res.Err == nil && !res.Replayed {
			e.countOverlooked(inputs[i])
			arrivals = append(arrivals, arrival{item: &res.Item, seq: res.Seq, space: writes[i].Space, vector: writes[i].Vector, input: inputs[i], reader: writes[i].Encoder})
		}
	}
	slices.Reverse(arrivals) // all have one seq: the first to be applied, the last in the call, wins
	late, err := e.apply(arrivals)
	if err == nil && late { // another encoder went live since these were prepared
		err = e.Sync(ctx)
	}
	if err != nil {
		// Durable but not searchable: Sync heals it, so the caller is told the truth about the write.
		e.log.Error("registered items are not in memory yet", "error", err)
	}
	e.wakeSync()
}

// countOverlooked counts what an item has that the live space cannot embed; it is stored all the same,
// and the next fit finds it.
func (e *Engine) countOverlooked(in space.Input) {
	unseen, wrong := e.state.Load().space.Overlooked(in.Attributes)
	e.overlooked.unseen.Add(int64(unseen))
	e.overlooked.wrong.Add(int64(wrong))
}

// UpdateItem changes an item. Errors as RegisterItems, recsys.ErrNotFound if it is not
// registered, and what Change answers.
func (e *Engine) UpdateItem(ctx context.Context, u ItemUpdate) (Registered, error) {
	const attempts = 5 // against other writers of the same item
	var lost error
	for range attempts {
		row, err := e.storedItem(ctx, u.ItemID)
		if err != nil {
			return Registered{}, err
		}
		done, err := e.updateOnce(ctx, u, row)
		if _, ofRequest := errors.AsType[*recsys.FieldError](err); ofRequest || !errors.Is(err, recsys.ErrConflict) {
			return done, err
		}
		lost = err
	}
	return Registered{}, lost
}

func (e *Engine) storedItem(ctx context.Context, itemID string) (ItemRow, error) {
	rows, err := e.store.Items(ctx, []string{itemID})
	if err != nil {
		return ItemRow{}, err
	}
	if len(rows) == 0 {
		return ItemRow{}, &recsys.FieldError{Field: "item_id", Reason: "is not registered", Err: recsys.ErrNotFound}
	}
	return rows[0], nil
}

func (e *Engine) updateOnce(ctx context.Context, u ItemUpdate, row ItemRow) (Registered, error) {
	s := e.state.Load()
	r := Registration{Item: row.Item, Request: u.Request}
	if err := u.Change(&r.Item); err != nil {
		return Registered{}, err
	}
	var w ItemWrite
	var in space.Input
	var err error
	if u.ImageSet {
		r.Image = u.Image
		var texts map[string]TextOutput
		if texts, err = e.textsOf(ctx, []Registration{r}); err == nil {
			w, in, _, err = e.prepare(ctx, s, &r, texts[u.ItemID])
		}
	} else {
		w, in, err = e.prepareUpdate(ctx, s, &r)
	}
	if err != nil {
		return Registered{}, err
	}
	w.IfSeq = row.Seq
	out := make([]Registered, 1)
	e.commit(ctx, []ItemWrite{w}, []space.Input{in}, out)
	return out[0], out[0].Err
}

// prepareUpdate embeds an item whose picture stays.
func (e *Engine) prepareUpdate(ctx context.Context, s *State, r *Registration) (ItemWrite, space.Input, error) {
	w := ItemWrite{Item: r.Item, Encoder: s.encoder.Name(), Space: s.spaceID, Request: r.Request}
	inputs, err := e.inputs(ctx, s.encoder, []ItemRow{{Item: r.Item}})
	if err != nil {
		return w, space.Input{}, err
	}
	in := inputs[0]
	if err := e.completeText(ctx, &w, &in); err != nil {
		return w, in, err
	}
	w.Vector = s.space.Embed(in)
	return w, in, nil
}

// DeleteItem removes an item; when it returns, no response holds it any more.
// recsys.ErrNotFound if it is not registered and allowMissing is false.
func (e *Engine) DeleteItem(ctx context.Context, itemID string, allowMissing bool, request recsys.RequestID) error {
	seq, err := e.store.DeleteItem(ctx, itemID, request)
	if err != nil {
		if allowMissing && errors.Is(err, recsys.ErrNotFound) {
			return nil
		}
		return err
	}
	if seq == 0 {
		return nil
	}
	return e.withdraw([]string{itemID}, seq)
}
