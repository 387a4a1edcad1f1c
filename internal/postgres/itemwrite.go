package postgres

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// itemDraft is one write on its way: what it becomes in the database and its result.
type itemDraft struct {
	write      *engine.ItemWrite
	result     *engine.ItemResult
	attributes string // JSON
	raw        []byte
	text       []byte
	vector     []byte
	first      *itemDraft // the earlier write of the call with the same request id
}

// itemResponse is the stored response to a write with a request id.
type itemResponse struct {
	Item    itemJSON       `json:"item"`
	Space   recsys.SpaceID `json:"space_id"`
	Created bool           `json:"created"`
}

// itemJSON is recsys.Item with column names for keys.
type itemJSON struct {
	ItemID        string                      `json:"item_id"`
	Title         string                      `json:"title,omitempty"`
	Description   string                      `json:"description,omitempty"`
	Attributes    map[string]recsys.Attribute `json:"attributes,omitempty"`
	AvailableTime time.Time                   `json:"available_time,omitzero"`
	ExpireTime    time.Time                   `json:"expire_time,omitzero"`
	Hidden        bool                        `json:"hidden,omitempty"`
	ImageDigest   []byte                      `json:"image_digest,omitempty"`
	CreateTime    time.Time                   `json:"create_time"`
	UpdateTime    time.Time                   `json:"update_time"`
}

// PutItems writes all items in one transaction and takes one catalogue change number for it.
// Results are in the order of writes; an error in a result concerns that item alone and leaves
// it unwritten: ErrConflict (the request id was used with another body, or IfSeq does not
// hold), ErrNotFound (IfSeq is set and the item is gone), ErrInvalid (a vector or a digest of
// the wrong length, a number that is not finite, a picture neither given nor stored).
//
// Writes are carried out as if one after the other: of two writes of one item the later wins,
// and one with IfSeq conflicts with an earlier one. A written item keeps no vector but the one
// given: those of other spaces, which belong to what it was before, are removed.
//
// A text that is no UTF-8 or holds a NUL makes the whole call ErrInvalid. The writes' images
// are read until the call returns.
func (s *Store) PutItems(ctx context.Context, writes []engine.ItemWrite) ([]engine.ItemResult, error) {
	twice := true
	for i := range writes {
		if writes[i].IfSeq != 0 && writes[i].Request.IsZero() {
			twice = false // the repetition would find its own first go
		}
	}
	var results []engine.ItemResult
	err := s.write(ctx, writing{"put items", catalogLog, twice}, func(tx pgx.Tx, _ bool) error {
		results = make([]engine.ItemResult, len(writes))
		return putItems(ctx, tx, writes, results)
	})
	if err != nil {
		return nil, err
	}
	return results, nil
}

func putItems(ctx context.Context, tx pgx.Tx, writes []engine.ItemWrite, results []engine.ItemResult) error {
	drafts, err := draftItems(ctx, tx, writes, results)
	if err != nil {
		return err
	}
	open := openDrafts(drafts)
	accepted, err := settleItems(ctx, tx, open)
	if err != nil {
		return err
	}
	for _, d := range drafts {
		if d.first != nil {
			d.repeatFirst()
		}
	}
	if len(accepted) == 0 {
		return errNothing
	}
	return nil
}

// settleItems takes the change number and carries out what can be. It returns the writes that
// remain, by item.
func settleItems(ctx context.Context, tx pgx.Tx, open []*itemDraft) (map[string]*itemDraft, error) {
	if len(open) == 0 {
		return nil, nil
	}
	if err := putImages(ctx, tx, open); err != nil {
		return nil, err
	}
	now, err := readCatalog(ctx, tx, open)
	if err != nil {
		return nil, err
	}
	accepted, err := now.decide(open)
	if err != nil || len(accepted) == 0 {
		return nil, err
	}
	return accepted, now.store(ctx, tx, open, accepted)
}

// openDrafts are the writes that are not settled yet by an error or a stored response.
func openDrafts(drafts []*itemDraft) []*itemDraft {
	var open []*itemDraft
	for _, d := range drafts {
		if d.result.Err == nil && !d.result.Replayed && d.first == nil {
			open = append(open, d)
		}
	}
	return open
}

// draftItems prepares the writes and settles those that were carried out before or cannot be.
func draftItems(ctx context.Context, tx pgx.Tx, writes []engine.ItemWrite, results []engine.ItemResult) ([]*itemDraft, error) {
	dims, err := spaceDims(ctx, tx, writes)
	if err != nil {
		return nil, err
	}
	drafts := make([]*itemDraft, len(writes))
	first := make(map[[16]byte]*itemDraft)
	var ids [][16]byte
	for i := range writes {
		d := &itemDraft{write: &writes[i], result: &results[i]}
		drafts[i] = d
		d.result.Err = d.encode(dims)
		if d.write.Request.IsZero() {
			continue
		}
		if earlier, ok := first[d.write.Request.ID]; ok {
			d.first = earlier
			continue
		}
		first[d.write.Request.ID] = d
		ids = append(ids, d.write.Request.ID)
	}
	before, err := findRequests(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	for id, s := range before {
		if err := first[id].replay(s); err != nil {
			return nil, err
		}
	}
	return drafts, nil
}

func spaceDims(ctx context.Context, tx pgx.Tx, writes []engine.ItemWrite) (map[recsys.SpaceID]int, error) {
	var ids []int64
	for i := range writes {
		if id := int64(writes[i].Space); id != 0 && (len(ids) == 0 || ids[len(ids)-1] != id) {
			ids = append(ids, id)
		}
	}
	dims := make(map[recsys.SpaceID]int)
	if len(ids) == 0 {
		return dims, nil
	}
	rows, err := tx.Query(ctx, `SELECT space_id, dims FROM embedding_space WHERE space_id = ANY ($1)`, ids)
	if err != nil {
		return nil, err
	}
	var id recsys.SpaceID
	var n int
	_, err = pgx.ForEachRow(rows, []any{&id, &n}, func() error {
		dims[id] = n
		return nil
	})
	return dims, err
}

// encode gives a write its stored form.
func (d *itemDraft) encode(dims map[recsys.SpaceID]int) (err error) {
	if err := checkImage(d.write); err != nil {
		return err
	}
	if d.attributes, err = encodeAttributes(d.write.Item.Attributes); err != nil {
		return err
	}
	if d.raw, err = encodeVector(d.write.Raw, 0); err != nil {
		return fmt.Errorf("encoder output: %w", err)
	}
	if d.text, err = encodeText(d.write.TextEncoder, d.write.Text); err != nil {
		return err
	}
	if d.write.Vector == nil {
		return nil
	}
	want, ok := dims[d.write.Space]
	if !ok {
		return fmt.Errorf("%q is no embedding space: %w", d.write.Space, recsys.ErrInvalid)
	}
	if d.vector, err = encodeVector(d.write.Vector, want); err != nil {
		return fmt.Errorf("%v: %w", d.write.Space, err)
	}
	return nil
}

// replay answers a write with the stored response of its request.
func (d *itemDraft) replay(s stored) error {
	if err := s.answers(d.write.Request); err != nil {
		d.result.Err = err
		return nil
	}
	var r itemResponse
	if err := s.decode(&r); err != nil {
		return err
	}
	*d.result = engine.ItemResult{Item: recsys.Item(r.Item), Space: r.Space, Seq: s.seq, Created: r.Created, Replayed: true}
	return nil
}

// repeatFirst answers a write with what became of the earlier one with its request id.
func (d *itemDraft) repeatFirst() {
	if d.first.write.Request.Digest != d.write.Request.Digest {
		d.result.Err = stored{}.answers(d.write.Request)
		return
	}
	*d.result = *d.first.result
	d.result.Replayed = d.result.Err == nil
}

// catalogNow is what the holder of the catalogue's counter row sees, its own earlier writes included.
type catalogNow struct {
	seq    int64
	time   time.Time
	items  map[string]itemNow
	images map[string]bool // stored digests
}

type itemNow struct {
	seq        int64
	createTime time.Time
	digest     []byte
}

// readCatalog takes the change number and then reads, in one round trip, what the writes depend on.
func readCatalog(ctx context.Context, tx pgx.Tx, drafts []*itemDraft) (*catalogNow, error) {
	ids := make([]string, len(drafts))
	var digests [][]byte
	for i, d := range drafts {
		ids[i] = d.write.Item.ItemID
		if digest := d.write.Item.ImageDigest; len(digest) > 0 {
			digests = append(digests, digest)
		}
	}
	now := &catalogNow{items: make(map[string]itemNow), images: make(map[string]bool)}
	var batch pgx.Batch
	batch.Queue(takeNumber, catalogLog).QueryRow(func(row pgx.Row) error { return row.Scan(&now.seq, &now.time) })
	batch.Queue(`SELECT item_id, seq, create_time, image_digest FROM item WHERE item_id = ANY ($1)`, ids).Query(func(rows pgx.Rows) error {
		var id string
		var it itemNow
		_, err := pgx.ForEachRow(rows, []any{&id, &it.seq, &it.createTime, &it.digest}, func() error {
			now.items[id] = it
			it.digest = nil
			return nil
		})
		return err
	})
	batch.Queue(`SELECT image_digest FROM image WHERE image_digest = ANY ($1)`, digests).Query(func(rows pgx.Rows) error {
		var digest []byte
		_, err := pgx.ForEachRow(rows, []any{&digest}, func() error {
			now.images[string(digest)] = true
			return nil
		})
		return err
	})
	return now, tx.SendBatch(ctx, &batch).Close()
}

// decide settles each write and returns, per item, the one that remains. errStale if a picture
// that was stored a moment ago has been removed since.
func (now *catalogNow) decide(drafts []*itemDraft) (map[string]*itemDraft, error) {
	accepted := make(map[string]*itemDraft)
	for _, d := range drafts {
		it := d.write.Item
		before, exists := now.items[it.ItemID]
		switch {
		case d.write.IfSeq != 0 && !exists:
			d.result.Err = &recsys.FieldError{Field: "item_id", Reason: "is not registered", Err: recsys.ErrNotFound}
			continue
		case d.write.IfSeq != 0 && d.write.IfSeq != before.seq:
			d.result.Err = fmt.Errorf("item %q was written meanwhile: %w", it.ItemID, recsys.ErrConflict)
			continue
		case len(it.ImageDigest) > 0 && !now.images[string(it.ImageDigest)]:
			if d.write.Image != nil {
				return nil, errStale
			}
			d.result.Err = recsys.Invalid("item.image", "is not stored")
			continue
		}
		created := before.createTime
		if !exists {
			created = now.time
		}
		now.items[it.ItemID] = itemNow{seq: now.seq, createTime: created, digest: before.digest}
		accepted[it.ItemID] = d
		*d.result = engine.ItemResult{Item: asStored(it, created, now.time), Space: d.write.Space, Seq: now.seq, Created: !exists}
	}
	return accepted, nil
}

// asStored is an item as it will be read.
func asStored(it recsys.Item, created, updated time.Time) recsys.Item {
	it.AvailableTime, it.ExpireTime = storedTime(it.AvailableTime), storedTime(it.ExpireTime)
	it.CreateTime, it.UpdateTime = created.UTC(), updated.UTC()
	it.ImageDigest = bytes.Clone(it.ImageDigest)
	if len(it.ImageDigest) == 0 {
		it.ImageDigest = nil
	}
	if len(it.Attributes) == 0 {
		it.Attributes = nil
	}
	return it
}

func encodeItemResponse(d *itemDraft) ([]byte, error) {
	b, err := json.Marshal(itemResponse{Item: itemJSON(d.result.Item), Space: d.result.Space, Created: d.result.Created})
	if err != nil {
		return nil, fmt.Errorf("response: %w: %w", recsys.ErrInvalid, err)
	}
	return b, nil
}
