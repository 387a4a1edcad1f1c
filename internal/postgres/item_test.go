package postgres_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// oddText has everything that breaks careless storage: quotes, backslashes, escapes of JSON and
// of SQL, combining marks, an astral character, right-to-left text and a soft line break.
const oddText = "a'b\"c\\d\t\n\\u0000 %s $1 ; DROP TABLE e\u0301 ñ \U0001F5BC שלום \u2028 </script>\u00a0\ufeff"

func TestItemRoundTrip(t *testing.T) {
	t.Parallel()
	b := setup(t)
	space := activeSpace(t, b.Store, 3)
	berlin := time.FixedZone("CET", 3600)
	items := []recsys.Item{
		{ItemID: "plain"},
		{ItemID: "ítem/" + strings.Repeat("é", 120), Title: oddText, Description: strings.Repeat(oddText, 100)},
		{ItemID: oddText[:20], Hidden: true, AvailableTime: time.Date(1, 1, 1, 0, 0, 1, 0, time.UTC), ExpireTime: time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, berlin)},
		{ItemID: "attributes", Attributes: map[string]recsys.Attribute{
			oddText: recsys.Labels(oddText, "", "b"), "price": recsys.Number(1e-308), "year": recsys.Number(1999),
			"third": recsys.Number(1.0 / 3), "max": recsys.Number(math.MaxFloat64), "text": recsys.Text(oddText), "empty": recsys.Text("")}},
	}
	for _, it := range items {
		w := pictured(engine.ItemWrite{Item: it, Space: space, Vector: []float32{1, -0.5, math.SmallestNonzeroFloat32}}, it.ItemID)
		got := put(t, b.Store, w)
		want := w.Item
		want.AvailableTime, want.ExpireTime = want.AvailableTime.Truncate(time.Microsecond).UTC(), want.ExpireTime.Truncate(time.Microsecond).UTC()
		want.CreateTime, want.UpdateTime = got.Item.CreateTime, got.Item.UpdateTime
		if age := time.Since(got.Item.CreateTime); age < -time.Minute || age > time.Minute || !got.Item.UpdateTime.Equal(got.Item.CreateTime) {
			t.Errorf("create time %v, update time %v", got.Item.CreateTime, got.Item.UpdateTime)
		}
		if diff := cmp.Diff(want, got.Item); diff != "" || !got.Created || got.Space != space {
			t.Errorf("result (want, got):\n%s created %v space %v", diff, got.Created, got.Space)
		}
		row, err := b.Item(t.Context(), it.ItemID)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(engine.ItemRow{Item: want, Seq: got.Seq}, row); diff != "" {
			t.Errorf("read back (want, got):\n%s", diff)
		}
	}
	var loaded []engine.ItemRow
	head, err := b.Load(t.Context(), 0, nil, func(row engine.ItemRow) error {
		loaded = append(loaded, row)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	listed, err := b.ListItems(t.Context(), "", 100)
	if err != nil {
		t.Fatal(err)
	}
	for i := range listed {
		listed[i].Vector = []float32{1, -0.5, math.SmallestNonzeroFloat32}
	}
	if diff := cmp.Diff(listed, loaded); diff != "" || len(loaded) != len(items) {
		t.Errorf("load (want, got):\n%s", diff)
	}
	if head.Space == nil || head.Space.ID != space || head.CatalogSeq != 5 || head.InteractionSeq != 0 || head.Model != nil {
		t.Errorf("head %+v", head)
	}
}

func TestPutItemsResults(t *testing.T) {
	t.Parallel()
	b := setup(t)
	space := activeSpace(t, b.Store, 2)
	first := put(t, b.Store, pictured(itemNamed("a"), "picture"))
	vector := func(v ...float32) engine.ItemWrite {
		w := itemNamed("v")
		w.Space, w.Vector = space, v
		return w
	}
	ifSeq := func(id string, seq int64) engine.ItemWrite {
		w := itemNamed(id)
		w.IfSeq = seq
		return w
	}
	attribute := func(a recsys.Attribute) engine.ItemWrite {
		w := itemNamed("v")
		w.Item.Attributes = map[string]recsys.Attribute{"x": a}
		return w
	}
	elsewhere := vector(1, 2)
	elsewhere.Space = space + 1
	unstored := pictured(itemNamed("v"), "never stored")
	unstored.Image = nil
	badDigest := pictured(itemNamed("v"), "x")
	badDigest.Item.ImageDigest = []byte("short")
	noDigest := pictured(itemNamed("v"), "x")
	noDigest.Item.ImageDigest = nil
	for _, c := range []struct {
		name string
		w    engine.ItemWrite
		want error
	}{
		{"if seq, item gone", ifSeq("none", 7), recsys.ErrNotFound},
		{"if seq, other seq", ifSeq("a", first.Seq+1), recsys.ErrConflict},
		{"vector too short", vector(1), recsys.ErrInvalid},
		{"vector too long", vector(1, 2, 3), recsys.ErrInvalid},
		{"vector with NaN", vector(1, float32(math.NaN())), recsys.ErrInvalid},
		{"vector with infinity", vector(1, float32(math.Inf(-1))), recsys.ErrInvalid},
		{"unknown space", elsewhere, recsys.ErrInvalid},
		{"picture not stored", unstored, recsys.ErrInvalid},
		{"bad digest", badDigest, recsys.ErrInvalid},
		{"picture without digest", noDigest, recsys.ErrInvalid},
		{"attribute of no kind", attribute(recsys.Attribute{}), recsys.ErrInvalid},
		{"labels without labels", attribute(recsys.Labels()), recsys.ErrInvalid},
		{"number not finite", attribute(recsys.Number(math.NaN())), recsys.ErrInvalid},
	} {
		before, _, _ := b.Heads(t.Context())
		alone, err := b.PutItems(t.Context(), []engine.ItemWrite{c.w})
		if err != nil || !errors.Is(alone[0].Err, c.want) {
			t.Errorf("%s: alone %v, call %v, want %v", c.name, alone, err, c.want)
		}
		if after, _, _ := b.Heads(t.Context()); after != before {
			t.Errorf("%s: took a change number for nothing", c.name)
		}
		beside, err := b.PutItems(t.Context(), []engine.ItemWrite{itemNamed("l"), c.w, itemNamed("r")})
		if err != nil || beside[0].Err != nil || !errors.Is(beside[1].Err, c.want) || beside[2].Err != nil {
			t.Errorf("%s: between sound items %+v, call %v", c.name, beside, err)
		}
	}
	if n := b.number(t, `SELECT count(*) FROM item WHERE item_id = 'v'`); n != 0 {
		t.Error("a refused item was written")
	}
	if n := b.number(t, `SELECT count(*) FROM image`); n != 1 {
		t.Errorf("%d images, want that of item a alone", n)
	}
}

func TestPutItemsReplaces(t *testing.T) {
	t.Parallel()
	b := setup(t)
	space := activeSpace(t, b.Store, 1)
	w := pictured(itemNamed("a"), "one")
	w.Space, w.Vector = space, []float32{1}
	w.Item.Attributes = map[string]recsys.Attribute{"x": recsys.Number(1)}
	first := put(t, b.Store, w)

	second := itemNamed("a") // keeps the stored picture, loses vector and attributes
	second.Item.ImageDigest, second.IfSeq = w.Item.ImageDigest, first.Seq
	got := put(t, b.Store, second)
	if got.Created || got.Seq <= first.Seq || !got.Item.CreateTime.Equal(first.Item.CreateTime) || !got.Item.UpdateTime.After(first.Item.UpdateTime) {
		t.Errorf("first %+v, second %+v", first, got)
	}
	changes, err := b.Changes(t.Context(), space, 0, first.Seq, 0)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]engine.ItemRow{{Item: got.Item, Seq: got.Seq}}, changes.Items); diff != "" {
		t.Errorf("replaced item (want, got):\n%s", diff)
	}
	if raw, err := b.RawOutput(t.Context(), "enc@1", w.Item.ImageDigest); err != nil || !slices.Equal(raw, w.Raw) {
		t.Errorf("raw output %v, %v", raw, err)
	}
}

func TestPutItemsTwiceInOneCall(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var ids requests
	base := put(t, b.Store, itemNamed("a"))
	early, late, guarded := pictured(itemNamed("a"), "early"), pictured(itemNamed("a"), "late"), itemNamed("a")
	early.Item.Title, late.Item.Title, guarded.IfSeq = "early", "late", base.Seq
	early.Request, late.Request = ids.next("early"), ids.next("late")
	repeat, other := early, late
	other.Request = withBody(early.Request, "something else")
	results, err := b.PutItems(t.Context(), []engine.ItemWrite{early, repeat, other, late, guarded})
	if err != nil {
		t.Fatal(err)
	}
	if r := results[0]; r.Err != nil || r.Created || r.Item.Title != "early" {
		t.Errorf("early: %+v", r)
	}
	if r := results[1]; r.Err != nil || !r.Replayed || r.Item.Title != "early" {
		t.Errorf("repeat: %+v", r)
	}
	if r := results[2]; !errors.Is(r.Err, recsys.ErrConflict) {
		t.Errorf("same id, other body: %+v", r)
	}
	if r := results[3]; r.Err != nil || r.Created || r.Item.Title != "late" {
		t.Errorf("late: %+v", r)
	}
	if r := results[4]; !errors.Is(r.Err, recsys.ErrConflict) {
		t.Errorf("if seq after an earlier write: %+v", r)
	}
	row, err := b.Item(t.Context(), "a")
	if err != nil || row.Item.Title != "late" {
		t.Errorf("stored %+v, %v; want the later", row, err)
	}
	if n := b.number(t, `SELECT count(*) FROM image`); n != 1 {
		t.Errorf("%d images, want the later's", n)
	}
	again := put(t, b.Store, early)
	if !again.Replayed || again.Item.Title != "early" || again.Created || again.Seq != results[0].Seq {
		t.Errorf("replay: %+v", again)
	}
	if diff := cmp.Diff(results[0].Item, again.Item); diff != "" {
		t.Errorf("replayed item (want, got):\n%s", diff)
	}
}

func TestPutItemsSameRequestConcurrently(t *testing.T) {
	t.Parallel()
	b := setup(t)
	stores := []interface {
		PutItems(context.Context, []engine.ItemWrite) ([]engine.ItemResult, error)
	}{b.Store, openStore(t, b.url)}
	var ids requests
	for round := range 5 {
		request := ids.next("body")
		results := make([]engine.ItemResult, 24)
		var wg sync.WaitGroup
		for i := range results {
			wg.Go(func() {
				w := pictured(itemNamed(fmt.Sprint("item", round)), "same picture")
				w.Request = request
				if i%3 == 0 {
					w.Request = withBody(request, "another body")
				}
				got, err := stores[i%2].PutItems(t.Context(), []engine.ItemWrite{w})
				if err != nil {
					t.Error(err)
					return
				}
				results[i] = got[0]
			})
		}
		wg.Wait()
		var first, replayed, refused int
		for _, r := range results {
			switch {
			case errors.Is(r.Err, recsys.ErrConflict):
				refused++
			case r.Err != nil:
				t.Error(r.Err)
			case r.Replayed:
				replayed++
			default:
				first++
			}
		}
		if first != 1 || replayed+refused != len(results)-1 || refused != 8 && refused != 16 {
			t.Errorf("round %d: %d first, %d replayed, %d refused", round, first, replayed, refused)
		}
	}
	if seq, _, err := b.Heads(t.Context()); err != nil || seq != 5 {
		t.Errorf("change number %d, want one per request; %v", seq, err)
	}
}

func TestDeleteItem(t *testing.T) {
	t.Parallel()
	b := setup(t)
	space := activeSpace(t, b.Store, 1)
	var ids requests
	w := pictured(itemNamed("a"), "picture")
	w.Space, w.Vector = space, []float32{1}
	last := put(t, b.Store, w)
	request := ids.next("delete a")
	seq, err := b.DeleteItem(t.Context(), "a", request)
	if err != nil || seq != last.Seq+1 {
		t.Fatalf("seq %d, %v", seq, err)
	}
	if seq, err := b.DeleteItem(t.Context(), "a", request); err != nil || seq != 0 {
		t.Errorf("replay: seq %d, %v", seq, err)
	}
	if _, err := b.DeleteItem(t.Context(), "b", withBody(request, "delete b")); !errors.Is(err, recsys.ErrConflict) {
		t.Errorf("same id, other body: %v", err)
	}
	if _, err := b.DeleteItem(t.Context(), "a", ids.next("again")); !errors.Is(err, recsys.ErrNotFound) {
		t.Errorf("deleted item: %v", err)
	}
	if _, err := b.Item(t.Context(), "a"); !errors.Is(err, recsys.ErrNotFound) {
		t.Errorf("read: %v", err)
	}
	if head, _, _ := b.Heads(t.Context()); head != seq {
		t.Errorf("change number %d, want %d: the others changed nothing", head, seq)
	}
	for _, table := range []string{"item", "item_vector", "image"} {
		if n := b.number(t, `SELECT count(*) FROM `+table); n != 0 {
			t.Errorf("%d rows are left in %s", n, table)
		}
	}
	put(t, b.Store, w)
	changes, err := b.Changes(t.Context(), space, 0, last.Seq, 0)
	if err != nil || len(changes.Items) != 1 || len(changes.DeletedItemIDs) != 0 {
		t.Errorf("after registering it again: %+v, %v", changes, err)
	}
}

func TestImagesGoWithTheirLastItem(t *testing.T) {
	t.Parallel()
	b := setup(t)
	count := func(wantImages, wantOutputs int64) { // outputs stay for the history
		t.Helper()
		if images, outputs := b.number(t, `SELECT count(*) FROM image`), b.number(t, `SELECT count(*) FROM encoder_output`); images != wantImages || outputs != wantOutputs {
			t.Errorf("%d images and %d outputs, want %d and %d", images, outputs, wantImages, wantOutputs)
		}
	}
	putAll(t, b.Store, pictured(itemNamed("a"), "shared"), pictured(itemNamed("b"), "shared"), pictured(itemNamed("c"), "own"))
	count(2, 2)
	put(t, b.Store, pictured(itemNamed("a"), "new")) // b still has the shared one
	count(3, 3)
	put(t, b.Store, itemNamed("c")) // has no picture now
	count(2, 3)
	if _, err := b.DeleteItem(t.Context(), "b", recsys.RequestID{}); err != nil {
		t.Fatal(err)
	}
	count(1, 3)
	swap := []engine.ItemWrite{pictured(itemNamed("a"), "x"), pictured(itemNamed("c"), "new")} // new moves from a to c
	putAll(t, b.Store, swap...)
	count(2, 4)
	putAll(t, b.Store, pictured(itemNamed("d"), "replaced in the same call"), itemNamed("d"))
	count(2, 4)
	if _, err := b.DeleteItem(t.Context(), "d", recsys.RequestID{}); err != nil {
		t.Fatal(err)
	}
	var got []string
	err := b.RawOutputs(t.Context(), "enc@1", nil, func(id string, raw []float32) error {
		got = append(got, fmt.Sprint(id, raw))
		return nil
	})
	if diff := cmp.Diff([]string{"a[1 2]", "c[3 2]"}, got); diff != "" || err != nil {
		t.Errorf("raw outputs (want, got):\n%s%v", diff, err)
	}
}

// Writers and deleters of items that share pictures: no picture may be missing, none left over.
func TestSharedImagesUnderConcurrency(t *testing.T) {
	t.Parallel()
	b := setup(t)
	other := openStore(t, b.url)
	var wg sync.WaitGroup
	for worker := range 6 {
		wg.Go(func() {
			store := b.Store
			if worker%2 == 1 {
				store = other
			}
			for i := range 25 {
				id := fmt.Sprint("item", (worker+i)%4)
				picture := fmt.Sprint("picture", (worker*i)%3)
				if i%3 == 2 {
					if _, err := store.DeleteItem(t.Context(), id, recsys.RequestID{}); err != nil && !errors.Is(err, recsys.ErrNotFound) {
						t.Errorf("delete: %v", err)
					}
					continue
				}
				results, err := store.PutItems(t.Context(), []engine.ItemWrite{pictured(itemNamed(id), picture), pictured(itemNamed(id+"'"), picture+"'")})
				if err != nil || results[0].Err != nil || results[1].Err != nil {
					t.Errorf("put: %v %+v", err, results)
				}
			}
		})
	}
	wg.Wait()
	if n := b.number(t, `SELECT count(*) FROM item WHERE image_digest NOT IN (SELECT image_digest FROM encoder_output)`); n != 0 {
		t.Errorf("%d items lack their raw output", n)
	}
	if n := b.number(t, `SELECT count(*) FROM image WHERE image_digest NOT IN (SELECT image_digest FROM item WHERE image_digest IS NOT NULL)`); n != 0 {
		t.Errorf("%d images belong to nobody", n)
	}
	if n := b.number(t, `SELECT count(*) FROM encoder_output WHERE image_digest NOT IN
		(SELECT image_digest FROM image UNION ALL SELECT image_digest FROM item_history WHERE image_digest IS NOT NULL)`); n != 0 {
		t.Errorf("%d outputs belong to no image and no history", n)
	}
}

func TestListItemsPages(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := []string{"a", "B", "b", "a b", "é", "z", "\U0001F5BC", "ﬁ", "A-1", "a1", "~", "10", "9"}
	var writes []engine.ItemWrite
	for _, id := range ids {
		writes = append(writes, itemNamed(id))
	}
	putAll(t, b.Store, writes...)
	slices.Sort(ids) // by bytes
	for _, limit := range []int{1, 3, 100} {
		var got []string
		for after := ""; ; {
			page, err := b.ListItems(t.Context(), after, limit)
			if err != nil {
				t.Fatal(err)
			}
			for _, row := range page {
				got = append(got, row.Item.ItemID)
				after = row.Item.ItemID
			}
			if len(page) < limit {
				break
			}
		}
		if diff := cmp.Diff(ids, got); diff != "" {
			t.Errorf("limit %d (want, got):\n%s", limit, diff)
		}
	}
	some, err := b.Items(t.Context(), []string{"z", "none", "é"})
	if err != nil || len(some) != 2 {
		t.Errorf("items %v, %v", some, err)
	}
}

func TestRawOutputs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	other := pictured(itemNamed("other"), "o")
	other.Encoder = "enc@2"
	putAll(t, b.Store, pictured(itemNamed("a"), "1"), pictured(itemNamed("b"), "22"), itemNamed("bare"), other)
	read := func(ids []string) (got []string) {
		err := b.RawOutputs(t.Context(), "enc@1", ids, func(id string, raw []float32) error {
			got = append(got, fmt.Sprint(id, raw))
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		return got
	}
	if diff := cmp.Diff([]string{"a[1 2]", "b[2 2]"}, read(nil)); diff != "" {
		t.Errorf("all (want, got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"b[2 2]"}, read([]string{"b", "bare", "other", "none"})); diff != "" {
		t.Errorf("some (want, got):\n%s", diff)
	}
	if got := read([]string{}); got != nil {
		t.Errorf("none: %v", got)
	}
	stop := errors.New("enough")
	if err := b.RawOutputs(t.Context(), "enc@1", nil, func(string, []float32) error { return stop }); err != stop {
		t.Errorf("error of the callback: %v", err)
	}
	if _, err := b.RawOutput(t.Context(), "enc@3", other.Item.ImageDigest); !errors.Is(err, recsys.ErrNotFound) {
		t.Errorf("unknown encoder: %v", err)
	}
	if _, err := b.raw.Exec(t.Context(), `UPDATE encoder_output SET output = '\x0000c07f' WHERE encoder = 'enc@2'`); err != nil { // NaN
		t.Fatal(err)
	}
	if _, err := b.RawOutput(t.Context(), "enc@2", other.Item.ImageDigest); !errors.Is(err, recsys.ErrCorrupt) {
		t.Errorf("stored NaN: %v", err)
	}
}

func TestFingerprints(t *testing.T) {
	t.Parallel()
	b := setup(t)
	with := pictured(itemNamed("with"), "one")
	with.Hash = bytes.Repeat([]byte{7}, 32)
	without := pictured(itemNamed("without"), "the other")
	for _, w := range []engine.ItemWrite{with, without, itemNamed("bare")} {
		put(t, b.Store, w)
	}
	got := make(map[string]engine.Fingerprint)
	err := b.Fingerprints(t.Context(), "enc@1", []string{"with", "without", "bare", "nobody"}, func(f engine.Fingerprint) error {
		f.Raw, f.Hash = slices.Clone(f.Raw), bytes.Clone(f.Hash)
		got[f.ItemID] = f
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]engine.Fingerprint{"with": {ItemID: "with", Raw: with.Raw, Hash: with.Hash}, "without": {ItemID: "without", Raw: without.Raw}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("fingerprints (-want +got):\n%s", diff)
	}
}
