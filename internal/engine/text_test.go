package engine_test

import (
	"context"
	"fmt"
	"hash/fnv"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/pgtest"
	"github.com/seed-473295a7/vitrine/internal/recsys"
	"github.com/seed-473295a7/vitrine/internal/space"
)

// toyTexts counts a text's words in 16 places by their hash. The real encoder has its own tests
// and those of the command.
type toyTexts struct {
	name  string
	calls atomic.Int64
}

func (e *toyTexts) Name() string { return e.name }

func (e *toyTexts) Tokens(text string) []int64 {
	var out []int64
	for word := range strings.FieldsSeq(strings.ToLower(text)) {
		h := fnv.New32a()
		_, _ = h.Write([]byte(word))
		out = append(out, int64(h.Sum32()%16))
	}
	return out
}

func (e *toyTexts) Encode(_ context.Context, tokens []int64) ([]float32, error) {
	e.calls.Add(1)
	out := make([]float32, 16)
	for _, at := range tokens {
		out[at]++
	}
	return out, nil
}

// reading opens an engine with an encoder of texts on a bundle's database.
func (b bundle) reading(t *testing.T, texts engine.TextEncoder) bundle {
	t.Helper()
	settings := engine.DefaultConfig()
	settings.Recipe.ALS.Factors = 16
	e, err := engine.New(settings, engine.Deps{Store: b.store, Encoder: b.encoder, TextEncoder: texts, Log: slog.New(slog.DiscardHandler), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.Engine = e
	return b
}

var themes = [2]string{"storm at sea", "dog in a garden"}

// titledItem has a picture that says nothing, and one of two themes in its text.
func titledItem(id string, theme int, r *rand.Rand) engine.Registration {
	it := kindItem(id, 0, r)
	it.Item.Title, it.Item.Description, it.Item.Attributes = "Study "+id, themes[theme], nil
	return it
}

func titledShop(t *testing.T, b bundle) {
	t.Helper()
	r := rand.New(rand.NewPCG(2, 3))
	var items []engine.Registration
	for i := range 40 {
		items = append(items, titledItem(fmt.Sprintf("%d-%02d", i%2, i/2), i%2, r))
	}
	b.register(t, items...)
}

// sameTheme is how many of the ten nearest items share an item's theme, which its id begins with.
func sameTheme(t *testing.T, b bundle, itemID string) (n int, blocks map[string]float32) {
	t.Helper()
	found, err := b.FindSimilarItems(t.Context(), engine.SimilarQuery{ItemID: itemID, PageSize: 10, MinSimilarity: -1})
	if err != nil {
		t.Fatal(err)
	}
	for _, hit := range found.Items {
		if hit.ItemID[0] == itemID[0] {
			n++
		}
	}
	return n, found.Items[0].Blocks
}

func fitSpace(t *testing.T, b bundle, schema *space.Schema) {
	t.Helper()
	if _, err := b.FitSpace(t.Context(), engine.FitOrder{Schema: schema}, silent); err != nil {
		t.Fatal(err)
	}
}

func embedTexts(t *testing.T, b bundle, want int) {
	t.Helper()
	if n, err := b.EmbedTexts(t.Context(), silent); n != want || err != nil {
		t.Errorf("%d texts embedded, %v; want %d", n, err, want)
	}
}

// A database without texts gets them when an encoder is there, loses nothing when it is gone, and
// never compares the outputs of two.
func TestTextsAreOptional(t *testing.T) {
	t.Parallel()
	plain := setup(t)
	titledShop(t, plain)
	fitSpace(t, plain, nil)
	embedTexts(t, plain, 0)

	words := &toyTexts{name: "words@1"}
	b := plain.reading(t, words)
	if _, blocks := sameTheme(t, b, "0-00"); len(blocks) != 1 {
		t.Errorf("a space fitted without texts: blocks %v", blocks)
	}
	embedTexts(t, b, 40)
	embedTexts(t, b, 0)
	if n := words.calls.Load(); n != 40 {
		t.Errorf("%d texts encoded, want 40", n)
	}
	fitSpace(t, b, &space.Schema{Text: space.TextRule{Weight: 3}})
	for _, id := range []string{"0-00", "1-00"} {
		if n, blocks := sameTheme(t, b, id); n != 10 || len(blocks) != 2 || blocks["text"] < .5 {
			t.Errorf("%s: %d of 10 neighbours share its theme, blocks %v", id, n, blocks)
		}
	}

	for name, other := range map[string]bundle{"without an encoder": plain, "with another one": plain.reading(t, &toyTexts{name: "words@2"})} {
		if err := other.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		other.register(t, titledItem("1-late", 1, rand.New(rand.NewPCG(1, 1))))
		if _, blocks := sameTheme(t, other, "1-late"); len(blocks) != 1 || blocks["image"] == 0 {
			t.Errorf("%s: an item has blocks %v, want the picture's alone", name, blocks)
		}
		if n, _ := sameTheme(t, other, "0-00"); n != 10 {
			t.Errorf("%s: %d of 10 neighbours share the theme of an item embedded before", name, n)
		}
	}
	fitSpace(t, plain, nil)
	if _, blocks := sameTheme(t, plain, "0-00"); len(blocks) != 1 {
		t.Errorf("fitted anew without an encoder: blocks %v", blocks)
	}
}

// A text is encoded once for as long as it stays the same, and again when it changes.
func TestTextIsEncodedWhenItChanges(t *testing.T) {
	t.Parallel()
	words := &toyTexts{name: "words@1"}
	b := setup(t).reading(t, words)
	titledShop(t, b)
	fitSpace(t, b, nil)
	r := rand.New(rand.NewPCG(4, 4))
	step := func(name string, calls int64, act func()) {
		t.Helper()
		before := words.calls.Load()
		act()
		if n := words.calls.Load() - before; n != calls {
			t.Errorf("%s: %d texts encoded, want %d", name, n, calls)
		}
	}
	update := func(u engine.ItemUpdate) {
		t.Helper()
		u.ItemID = "x"
		if _, err := b.UpdateItem(t.Context(), u); err != nil {
			t.Fatal(err)
		}
	}
	near := func(theme string) {
		t.Helper()
		found, err := b.FindSimilarItems(t.Context(), engine.SimilarQuery{ItemID: "x", PageSize: 1, MinSimilarity: -1})
		if err != nil || found.Items[0].ItemID[:1] != theme {
			t.Errorf("nearest is %+v, %v; want theme %s", found.Items, err, theme)
		}
	}
	item := titledItem("x", 0, r)
	step("registered", 1, func() { b.register(t, item) })
	near("0")
	step("registered again", 0, func() { b.register(t, item) })
	step("twice in one call", 1, func() {
		other := titledItem("x", 1, r)
		b.register(t, other, item) // the later one wins
	})
	hide := func(it *recsys.Item) error { it.Hidden = !it.Hidden; return nil }
	step("another field", 0, func() { update(engine.ItemUpdate{Change: hide}) })
	step("another picture", 0, func() { update(engine.ItemUpdate{Change: hide, ImageSet: true, Image: picture(1, 1)}) })
	near("0")
	step("another description", 1, func() {
		update(engine.ItemUpdate{Change: func(it *recsys.Item) error { it.Description = themes[1]; return nil }})
	})
	near("1")
	step("no text at all", 0, func() {
		update(engine.ItemUpdate{Change: func(it *recsys.Item) error { it.Title, it.Description = "", ""; return nil }})
	})
	if _, blocks := sameTheme(t, b, "x"); len(blocks) != 1 {
		t.Errorf("without a text: blocks %v", blocks)
	}
	step("a space fitted anew", 0, func() { fitSpace(t, b, nil) })
	other := b.reading(t, words)
	var vectors [][]engine.SimilarItem
	for _, e := range []bundle{b, other} {
		found, err := e.FindSimilarItems(t.Context(), engine.SimilarQuery{ItemID: "1-03", PageSize: 40, MinSimilarity: -1})
		if err != nil {
			t.Fatal(err)
		}
		vectors = append(vectors, found.Items)
	}
	if diff := cmp.Diff(vectors[0], vectors[1]); diff != "" {
		t.Errorf("another process (-this +other):\n%s", diff)
	}
}

// With texts in the factor model's content a new item ranks by what its text says.
func TestTextRanksNewItems(t *testing.T) {
	t.Parallel()
	b := open(t, pgtest.New(t)).reading(t, &toyTexts{name: "words@1"})
	titledShop(t, b)
	r := rand.New(rand.NewPCG(6, 6))
	var list []recsys.Interaction
	for u := range 40 {
		for _, i := range r.Perm(20)[:8] {
			list = append(list, like(fmt.Sprintf("u%02d", u), fmt.Sprintf("%d-%02d", u%2, i)))
		}
	}
	b.record(t, list...)
	fitSpace(t, b, nil)
	if _, _, err := b.Train(t.Context(), silent); err != nil {
		t.Fatal(err)
	}
	b.register(t, titledItem("0-new", 0, r), titledItem("1-new", 1, r))
	place := func(user, item string) int {
		list := ids(b.recommend(t, engine.RecommendQuery{Actor: recsys.User(user), PageSize: 60, IncludeSeen: true}))
		for i, id := range list {
			if id == item {
				return i
			}
		}
		return len(list)
	}
	for u, name := range []string{"u00", "u01"} {
		own, other := place(name, fmt.Sprintf("%d-new", u)), place(name, fmt.Sprintf("%d-new", 1-u))
		if own >= other {
			t.Errorf("%s: the new item of the liked theme is at %d, the other at %d", name, own, other)
		}
	}
}
