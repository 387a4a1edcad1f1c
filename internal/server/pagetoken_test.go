package server

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

func TestPageTokenRoundTrip(t *testing.T) {
	t.Parallel()
	list := listName("items")
	for _, id := range []string{"a", strings.Repeat("ü", 128), `x"\`} {
		got, err := itemsAfter(list, writeToken(list, []byte(id)))
		if err != nil || got != id {
			t.Errorf("%q came back as %q, %v", id, got, err)
		}
	}
	last := engine.ListedInteraction{ID: 1 << 40}
	for _, at := range []time.Time{time.Unix(0, 0), time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC)} {
		last.EventTime = at
		got, err := interactionsAfter(list, interactionToken(list, last))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(engine.InteractionCursor{EventTime: at.UTC(), ID: 1 << 40}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

func TestPageTokenIsRefused(t *testing.T) {
	t.Parallel()
	list := listName("items")
	token := writeToken(list, []byte("lamp-1"))
	flipped := []byte(token)
	flipped[12] ^= 1
	raw, _ := base64.RawURLEncoding.DecodeString(token)
	for name, bad := range map[string]string{
		"another list":     writeToken(listName("interactions"), []byte("lamp-1")),
		"a changed byte":   string(flipped),
		"cut":              token[:len(token)-2],
		"longer":           token + "AA",
		"padded":           base64.URLEncoding.EncodeToString(append(raw, 0)),
		"garbage":          "%%%",
		"no place":         writeToken(list, nil),
		"NUL":              writeToken(list, []byte("a\x00")),
		"wrong UTF-8":      writeToken(list, []byte("\xff")),
		"too long a place": writeToken(list, []byte(strings.Repeat("x", 257))),
	} {
		got, err := itemsAfter(list, bad)
		var fault *recsys.FieldError
		if !errors.As(err, &fault) || fault.Field != "page_token" || got != "" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if _, err := interactionsAfter(list, token); err == nil {
		t.Error("an item's place was taken for an interaction's")
	}
	if _, err := interactionsAfter(list, interactionToken(list, engine.ListedInteraction{})); err == nil {
		t.Error("a cursor without id was taken")
	}
}

func TestListNamesDiffer(t *testing.T) {
	t.Parallel()
	if listName("a", "bc") == listName("ab", "c") || listName("a") == listName("a", "") {
		t.Error("two lists have one name")
	}
}

// FuzzPageToken: no token makes trouble, and only what writeToken writes is read.
func FuzzPageToken(f *testing.F) {
	list := listName("items")
	f.Add(writeToken(list, []byte("lamp-1")))
	f.Add(interactionToken(list, engine.ListedInteraction{ID: 7}))
	f.Add(writeToken(listName(""), nil))
	f.Add("AQ")
	f.Fuzz(func(t *testing.T, token string) {
		if place, err := readToken(list, token); err == nil && writeToken(list, place) != token {
			t.Errorf("token %q is read as %q, whose token is another", token, place)
		}
		if id, err := itemsAfter(list, token); err == nil && token != "" && writeToken(list, []byte(id)) != token {
			t.Errorf("token %q is read as item %q", token, id)
		}
		if _, err := interactionsAfter(list, token); err != nil && !errors.Is(err, recsys.ErrInvalid) {
			t.Errorf("token %q: %v", token, err)
		}
	})
}
