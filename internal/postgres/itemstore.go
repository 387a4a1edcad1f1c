package postgres

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// upsertItems writes items and keeps what they were before, if that was something else. Both
// parts see the items as they were, and the counter row keeps other writers away.
const upsertItems = `
	WITH w AS (
		SELECT item_id, title, description, attributes::jsonb AS attributes, available_time, expire_time, hidden, image_digest
		FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::timestamptz[], $7::boolean[], $8::bytea[])
			AS w (item_id, title, description, attributes, available_time, expire_time, hidden, image_digest)
	), before AS (
		INSERT INTO item_history (item_id, title, description, attributes, image_digest, create_time, value_time, end_time, seq)
		SELECT i.item_id, i.title, i.description, i.attributes, i.image_digest, i.create_time, i.value_time, $9, i.seq
		FROM item i JOIN w ON i.item_id = w.item_id COLLATE "C"
		WHERE (i.title, i.description, i.attributes, i.image_digest) IS DISTINCT FROM (w.title, w.description, w.attributes, w.image_digest)
	)
	INSERT INTO item (item_id, title, description, attributes, available_time, expire_time, hidden, image_digest,
		create_time, update_time, value_time, seq)
	SELECT item_id, title, description, attributes, available_time, expire_time, hidden, image_digest, $9, $9, $9, $10 FROM w
	ON CONFLICT (item_id) DO UPDATE SET title = excluded.title, description = excluded.description,
		attributes = excluded.attributes, available_time = excluded.available_time, expire_time = excluded.expire_time,
		hidden = excluded.hidden, image_digest = excluded.image_digest, update_time = excluded.update_time, seq = excluded.seq,
		value_time = CASE WHEN (item.title, item.description, item.attributes, item.image_digest)
			IS DISTINCT FROM (excluded.title, excluded.description, excluded.attributes, excluded.image_digest)
			THEN excluded.value_time ELSE item.value_time END`

// itemRows are items to write, as parallel arrays.
type itemRows struct {
	ids, titles, descriptions, attributes []string
	available, expire                     []*time.Time
	hidden                                []bool
	digests                               [][]byte
}

func (r *itemRows) add(d *itemDraft) {
	it := &d.result.Item
	r.ids = append(r.ids, it.ItemID)
	r.titles = append(r.titles, it.Title)
	r.descriptions = append(r.descriptions, it.Description)
	r.attributes = append(r.attributes, d.attributes)
	r.available = append(r.available, nullTime(it.AvailableTime))
	r.expire = append(r.expire, nullTime(it.ExpireTime))
	r.hidden = append(r.hidden, it.Hidden)
	r.digests = append(r.digests, it.ImageDigest)
}

// store writes what was decided in one round trip: item rows, vectors, text outputs, responses, and the
// removal of pictures that nobody has any more.
func (now *catalogNow) store(ctx context.Context, tx pgx.Tx, drafts []*itemDraft, accepted map[string]*itemDraft) error {
	var items itemRows
	var vectors vectorRows
	var texts textRows
	for _, id := range slices.Sorted(maps.Keys(accepted)) {
		d := accepted[id]
		items.add(d)
		if d.vector != nil {
			vectors.add(id, d.write.Space, d.vector)
		}
		if d.text != nil {
			texts.add(id, d.write.TextEncoder, d.write.Text.Digest, d.text)
		}
	}
	var batch pgx.Batch
	batch.Queue(upsertItems, items.ids, items.titles, items.descriptions, items.attributes,
		items.available, items.expire, items.hidden, items.digests, now.time, now.seq)
	batch.Queue(`DELETE FROM item_vector WHERE item_id = ANY ($1)`, items.ids)
	if len(vectors.itemIDs) > 0 {
		batch.Queue(putVectors, vectors.itemIDs, vectors.spaces, vectors.vectors)
	}
	if len(texts.itemIDs) > 0 {
		batch.Queue(putTexts, texts.itemIDs, texts.encoders, texts.digests, texts.outputs)
	}
	if err := queueResponses(&batch, now.seq, drafts); err != nil {
		return err
	}
	if digests := now.perhapsUnused(drafts, accepted); len(digests) > 0 {
		batch.Queue(dropUnused, digests)
	}
	return tx.SendBatch(ctx, &batch).Close()
}

// queueResponses stores the responses to all writes that succeeded, also to one that a later
// write of the same item replaced.
func queueResponses(batch *pgx.Batch, seq int64, drafts []*itemDraft) error {
	var requests []recsys.RequestID
	var responses []string
	for _, d := range drafts {
		if d.write.Request.IsZero() || d.result.Err != nil {
			continue
		}
		response, err := encodeItemResponse(d)
		if err != nil {
			return err
		}
		requests, responses = append(requests, d.write.Request), append(responses, string(response))
	}
	if len(requests) == 0 {
		return nil
	}
	ids, digests := make([][16]byte, len(requests)), make([][]byte, len(requests))
	for i := range requests {
		ids[i], digests[i] = requests[i].ID, requests[i].Digest[:]
	}
	// In order, because the other log's writers may hold the same ids.
	batch.Queue(`INSERT INTO request (request_id, digest, seq, response)
		SELECT request_id, digest, $4, response::jsonb
		FROM unnest($1::uuid[], $2::bytea[], $3::text[]) AS r (request_id, digest, response) ORDER BY request_id`,
		ids, digests, responses, seq)
	return nil
}

// perhapsUnused are the pictures that items had before this call, and those that came with
// writes that were refused or replaced.
func (now *catalogNow) perhapsUnused(drafts []*itemDraft, accepted map[string]*itemDraft) [][]byte {
	kept := make(map[string]bool, len(accepted))
	for _, d := range accepted {
		kept[string(d.write.Item.ImageDigest)] = true
	}
	var digests [][]byte
	for _, d := range drafts {
		for _, digest := range [][]byte{now.items[d.write.Item.ItemID].digest, d.write.Item.ImageDigest} {
			if len(digest) > 0 && !kept[string(digest)] {
				digests = append(digests, digest)
			}
		}
	}
	return digests
}
