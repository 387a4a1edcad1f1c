package postgres_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

func textOutput(itemID, text string) engine.TextOutput {
	digest := sha256.Sum256([]byte(text))
	return engine.TextOutput{ItemID: itemID, Digest: digest[:], Raw: []float32{float32(len(text)), 1}}
}

// titled gives a write the output of its text.
func titled(w engine.ItemWrite, text string) engine.ItemWrite {
	w.TextEncoder, w.Text = "words@1", textOutput(w.Item.ItemID, text)
	return w
}

func TestTextOutputs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	putAll(t, b.Store, titled(itemNamed("a"), "vase"), titled(itemNamed("b"), "old vase"), itemNamed("bare"))
	read := func(encoder string, ids []string) (got []string) {
		t.Helper()
		err := b.TextOutputs(t.Context(), encoder, ids, func(o engine.TextOutput) error {
			got = append(got, fmt.Sprintf("%s %x %v", o.ItemID, o.Digest[:4], o.Raw))
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		return got
	}
	want := func(step string, got []string, outputs ...engine.TextOutput) {
		t.Helper()
		var lines []string
		for _, o := range outputs {
			lines = append(lines, fmt.Sprintf("%s %x %v", o.ItemID, o.Digest[:4], o.Raw))
		}
		if diff := cmp.Diff(lines, got); diff != "" {
			t.Errorf("%s (want, got):\n%s", step, diff)
		}
	}
	want("all", read("words@1", nil), textOutput("a", "vase"), textOutput("b", "old vase"))
	want("some", read("words@1", []string{"none", "b", "bare"}), textOutput("b", "old vase"))
	want("no items", read("words@1", []string{}))
	want("another encoder", read("words@2", nil))

	put(t, b.Store, itemNamed("a")) // replaced without a text encoder: the old output stays, under its digest
	put(t, b.Store, titled(itemNamed("b"), "new vase"))
	want("replaced", read("words@1", nil), textOutput("a", "vase"), textOutput("b", "new vase"))
	late := []engine.TextOutput{textOutput("bare", "x"), textOutput("gone", "y"), textOutput("a", "bowl")}
	if err := b.PutTextOutputs(t.Context(), "words@1", late); err != nil {
		t.Fatal(err)
	}
	want("put later", read("words@1", nil), textOutput("a", "bowl"), textOutput("b", "new vase"), textOutput("bare", "x"))
	if _, err := b.DeleteItem(t.Context(), "a", recsys.RequestID{}); err != nil {
		t.Fatal(err)
	}
	want("deleted", read("words@1", nil), textOutput("b", "new vase"), textOutput("bare", "x"))
	stop := errors.New("enough")
	if err := b.TextOutputs(t.Context(), "words@1", nil, func(engine.TextOutput) error { return stop }); err != stop {
		t.Errorf("error of the callback: %v", err)
	}
}

func TestTextOutputsAreChecked(t *testing.T) {
	t.Parallel()
	b := setup(t)
	short, nan, nameless := titled(itemNamed("a"), "x"), titled(itemNamed("b"), "x"), titled(itemNamed("c"), "x")
	short.Text.Digest = short.Text.Digest[:31]
	nan.Text.Raw[1] = float32(math.NaN())
	nameless.TextEncoder = ""
	results, err := b.PutItems(t.Context(), []engine.ItemWrite{short, nan, nameless, itemNamed("d")})
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range results[:3] {
		if !errors.Is(r.Err, recsys.ErrInvalid) {
			t.Errorf("item %d: %v, want ErrInvalid", i, r.Err)
		}
		bad := []engine.ItemWrite{short, nan, nameless}[i]
		if err := b.PutTextOutputs(t.Context(), bad.TextEncoder, []engine.TextOutput{bad.Text}); !errors.Is(err, recsys.ErrInvalid) {
			t.Errorf("output %d: %v, want ErrInvalid", i, err)
		}
	}
	if results[3].Err != nil || b.number(t, `SELECT count(*) FROM text_output`) != 0 {
		t.Errorf("the item at no fault: %v; want it alone written", results[3].Err)
	}
	put(t, b.Store, titled(itemNamed("d"), "x"))
	if _, err := b.raw.Exec(t.Context(), `UPDATE text_output SET output = '\x0000c07f'`); err != nil { // NaN
		t.Fatal(err)
	}
	err = b.TextOutputs(t.Context(), "words@1", nil, func(engine.TextOutput) error { return nil })
	if !errors.Is(err, recsys.ErrCorrupt) {
		t.Errorf("stored NaN: %v, want ErrCorrupt", err)
	}
}
