package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/postgres"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

const (
	styles = 20 // labels that filters ask for
	batch  = 500
)

// filterOf is one of the filters that are asked in turn; it allows one item in forty.
func filterOf(n int) string {
	return fmt.Sprintf(`attributes.style == "style %d" && attributes.price < 500`, n%styles)
}

// catalog is a simulated shop of n items: outputs of pictures with attributes, of which some are
// popular.
type catalog struct {
	*outputs
	n    int
	seed uint64
}

func itemID(i int) string { return fmt.Sprintf("item-%07d", i) }
func userID(i int) string { return fmt.Sprintf("user-%06d", i) }

// item is the i-th item, with a few bytes in the place of a picture: nobody will decode them.
func (c catalog) item(i int) engine.ItemWrite {
	r := rand.New(rand.NewPCG(c.seed, uint64(i)))
	row := i % c.len()
	picture := fmt.Appendf(nil, "picture %d of %d", i, c.n)
	digest := sha256.Sum256(picture)
	return engine.ItemWrite{Image: picture, Encoder: c.encoder, Raw: c.mix(r, row), Item: recsys.Item{
		ItemID: itemID(i), Title: fmt.Sprintf("Picture %d", i), ImageDigest: digest[:],
		Attributes: map[string]recsys.Attribute{
			"artist":   recsys.Labels(fmt.Sprintf("artist %d", c.groups[row]*8+r.IntN(8))),
			"style":    recsys.Labels(fmt.Sprintf("style %d", r.IntN(styles))),
			"keywords": recsys.Labels(fmt.Sprintf("keyword %d", r.IntN(100)), fmt.Sprintf("keyword %d", 100+r.IntN(100))),
			"price":    recsys.Number(math.Round(1000 * r.Float64())),
		}}}
}

// history is what the u-th shopper liked: three quarters within two groups of their own, all by
// popularity, which falls with the item's number.
func (c catalog) history(u, events int) []recsys.Interaction {
	r := rand.New(rand.NewPCG(c.seed+1, uint64(u)))
	there := min(c.n, c.len())
	own := [2]int{c.groups[r.IntN(there)], c.groups[r.IntN(there)]}
	var out []recsys.Interaction
	for at := range 1 + r.IntN(2*events) {
		item := 0
		for taken := false; !taken; {
			item = int(float64(c.n) * math.Pow(r.Float64(), 2.5))
			group := c.groups[item%c.len()]
			taken = at%4 == 3 || group == own[0] || group == own[1]
		}
		out = append(out, recsys.Interaction{Actor: recsys.User(userID(u)), ItemID: itemID(item), Type: recsys.Like,
			EventTime: time.Now().Add(-time.Duration(r.IntN(30*24*60)) * time.Minute)})
	}
	return out
}

// fill writes the shop through the store, as imports do but for the encoder.
func (c catalog) fill(ctx context.Context, store *postgres.Store, opts options) (interactions int, err error) {
	for at := 0; at < c.n; at += batch {
		writes := make([]engine.ItemWrite, min(batch, c.n-at))
		for i := range writes {
			writes[i] = c.item(at + i)
		}
		results, err := store.PutItems(ctx, writes)
		if err != nil {
			return 0, err
		}
		for _, r := range results {
			if r.Err != nil {
				return 0, r.Err
			}
		}
	}
	for u := range opts.users {
		var writes []engine.InteractionWrite
		for _, in := range c.history(u, opts.events) {
			writes = append(writes, engine.InteractionWrite{Interaction: in})
		}
		if _, err := store.PutInteractions(ctx, writes); err != nil {
			return 0, err
		}
		interactions += len(writes)
	}
	return interactions, nil
}
