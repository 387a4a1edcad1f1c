package demo

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// Seed is what the bundled shoppers grow from. It is part of the demo: another one makes
// other request ids, and a database that holds the old ones would gain 300 new shoppers' worth.
const Seed uint64 = 20260101

// The size of the simulation.
const (
	shopperCount = 300
	days         = 90
	coldEvery    = 12 // one item in so many is never met
)

// Start is the first moment of the simulation, which lasts 90 days. It is fixed and not
// relative to now: event times are part of an interaction's identity.
func Start() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }

// The weights of the model. All are integers, so that every processor draws the same shoppers.
const (
	artistWeight  = 3
	keywordWeight = 2
)

// tasteWeights are those of a shopper's first, second and third category; any other has 1.
func tasteWeights() [3]uint64 { return [3]uint64{24, 12, 6} }

// Shoppers simulates 300 shoppers over the items and returns their interactions, oldest first.
// Categories, artists and keywords are the labels of the attributes of these names; items may
// lack them. The result depends on seed and items alone.
//
// The model, so that whoever looks at a recommendation knows what there was to find:
//
//   - Items have an appeal of 12000/(12+rank) for a random rank from 0, a long tail; one item
//     in twelve has none and stays cold.
//   - A shopper has a taste of one to three categories with weights 24, 12 and 6 (others 1),
//     drawn in proportion to their items, one or two favourite artists (weight 3) and two
//     keywords that lean (weight 2 if the item has either), drawn from works of the taste.
//   - The shopper views 6 to 18 items, one in eight shoppers up to 39 more, in visits of about
//     four. Each is drawn without replacement in proportion to appeal × taste × artist ×
//     keyword, but 15 in 100 by appeal alone: those are chance.
//   - A viewed item of the taste is liked in 38 of 100 cases (a favourite artist's in 20 more),
//     any other in 7; put into the cart in 50 of 100 after a like, else in 6; bought in half of
//     those; disliked, where it is not liked, in 3 of 100 within the taste and 20 outside;
//     viewed once more in 15.
func Shoppers(seed uint64, items []recsys.Item) []recsys.Interaction {
	shop := newShop(seed, items)
	var all []recsys.Interaction
	for n := range shopperCount {
		s := shopper{
			shop: shop,
			id:   fmt.Sprintf("simulated-%04d", n+1),
			rng:  rand.New(rand.NewPCG(seed, uint64(n)+1)),
		}
		s.choose()
		all = s.visit(all)
	}
	slices.SortStableFunc(all, func(a, b recsys.Interaction) int {
		return cmp.Or(a.EventTime.Compare(b.EventTime), cmp.Compare(a.Actor.ID, b.Actor.ID))
	})
	return all
}

// shop is what all shoppers see.
type shop struct {
	items  []recsys.Item
	appeal []uint64
	common map[string]bool // keywords on more than an eighth of the items: too general to lean on
}

func newShop(seed uint64, items []recsys.Item) *shop {
	s := &shop{items: items, appeal: make([]uint64, len(items)), common: make(map[string]bool)}
	rng := rand.New(rand.NewPCG(seed, 0))
	for rank, i := range rng.Perm(len(items)) {
		if rank%coldEvery != coldEvery-1 {
			s.appeal[i] = 12_000 / (12 + uint64(rank))
		}
	}
	counts := make(map[string]int)
	for i := range items {
		for _, word := range labels(&items[i], "keywords") {
			if counts[word]++; counts[word] > len(items)/8 {
				s.common[word] = true
			}
		}
	}
	return s
}

func labels(item *recsys.Item, name string) []string { return item.Attributes[name].Labels }

func label(item *recsys.Item, name string) string {
	if all := labels(item, name); len(all) > 0 {
		return all[0]
	}
	return ""
}

// shopper is one simulated shopper.
type shopper struct {
	shop     *shop
	id       string
	rng      *rand.Rand
	taste    []string // categories, dearest first
	artists  []string
	keywords []string
	now      time.Time
}

// choose gives the shopper a taste.
func (s *shopper) choose() {
	if len(s.shop.items) == 0 {
		return
	}
	for range 1 + s.rng.IntN(3) {
		s.taste = add(s.taste, label(&s.shop.items[s.rng.IntN(len(s.shop.items))], "category"))
	}
	var works []*recsys.Item
	for i := range s.shop.items {
		if slices.Contains(s.taste, label(&s.shop.items[i], "category")) {
			works = append(works, &s.shop.items[i])
		}
	}
	if len(works) == 0 {
		return
	}
	for range 1 + s.rng.IntN(2) {
		s.artists = add(s.artists, label(works[s.rng.IntN(len(works))], "artist"))
	}
	for tries := 0; tries < 20 && len(s.keywords) < 2; tries++ {
		words := labels(works[s.rng.IntN(len(works))], "keywords")
		if len(words) == 0 {
			continue
		}
		if word := words[s.rng.IntN(len(words))]; !s.shop.common[word] {
			s.keywords = add(s.keywords, word)
		}
	}
}

// add appends a value that is neither empty nor there.
func add(values []string, value string) []string {
	if value == "" || slices.Contains(values, value) {
		return values
	}
	return append(values, value)
}

// weight is how likely the shopper meets an item, relative to others.
func (s *shopper) weight(i int) uint64 {
	item := &s.shop.items[i]
	w := s.shop.appeal[i]
	if rank := slices.Index(s.taste, label(item, "category")); rank >= 0 {
		w *= tasteWeights()[rank]
	}
	if slices.Contains(s.artists, label(item, "artist")) {
		w *= artistWeight
	}
	if slices.ContainsFunc(labels(item, "keywords"), func(word string) bool { return slices.Contains(s.keywords, word) }) {
		w *= keywordWeight
	}
	return w
}

// draw picks n different items, fewer if fewer can be met.
func (s *shopper) draw(n int) []int {
	liked := make([]uint64, len(s.shop.items))
	for i := range liked {
		liked[i] = s.weight(i)
	}
	known := slices.Clone(s.shop.appeal)
	var drawn []int
	for len(drawn) < n {
		weights := liked
		if s.chance(15) {
			weights = known
		}
		i, ok := s.pick(weights)
		if !ok {
			break
		}
		drawn = append(drawn, i)
		liked[i], known[i] = 0, 0
	}
	return drawn
}

// pick draws an index in proportion to its weight; ok is false if all are 0.
func (s *shopper) pick(weights []uint64) (i int, ok bool) {
	var total uint64
	for _, w := range weights {
		total += w
	}
	if total == 0 {
		return 0, false
	}
	for at := s.rng.Uint64N(total); at >= weights[i]; i++ {
		at -= weights[i]
	}
	return i, true
}

// visit lets the shopper loose and appends what happens.
func (s *shopper) visit(all []recsys.Interaction) []recsys.Interaction {
	views := 6 + s.rng.IntN(13)
	if s.rng.IntN(8) == 0 {
		views += s.rng.IntN(40)
	}
	drawn := s.draw(views)
	visits := make([]int, 1+len(drawn)/4)
	for v := range visits {
		visits[v] = s.rng.IntN(days*24*3600 - 6*3600) // a visit takes less than six hours
	}
	slices.Sort(visits)
	at := -1
	for k, i := range drawn {
		if v := k * len(visits) / len(drawn); v != at {
			at = v
			s.later(Start().Add(time.Duration(visits[v])*time.Second), 0)
		}
		all = s.meet(all, i)
	}
	return all
}

// meet is one item's page and what comes of it.
func (s *shopper) meet(all []recsys.Interaction, i int) []recsys.Interaction {
	item := &s.shop.items[i]
	do := func(kind recsys.InteractionType, within int) {
		s.later(s.now, within)
		all = append(all, recsys.Interaction{Actor: recsys.User(s.id), ItemID: item.ItemID, Type: kind, EventTime: s.now})
	}
	like, dislike := 7, 20
	if slices.Contains(s.taste, label(item, "category")) {
		like, dislike = 38, 3
	}
	if slices.Contains(s.artists, label(item, "artist")) {
		like += 20
	}
	do(recsys.View, 240)
	cart := 6
	switch {
	case s.chance(like):
		do(recsys.Like, 60)
		cart = 50
	case s.chance(dislike):
		do(recsys.Dislike, 30)
		cart = 0
	}
	if s.chance(15) {
		do(recsys.View, 600)
	}
	if s.chance(cart) {
		do(recsys.AddToCart, 120)
		if s.chance(50) {
			do(recsys.Purchase, 300)
		}
	}
	return all
}

// later moves the shopper's clock to a time and 1 to within seconds beyond.
func (s *shopper) later(from time.Time, within int) {
	if s.now.Before(from) {
		s.now = from
	}
	if within > 0 {
		s.now = s.now.Add(time.Duration(1+s.rng.IntN(within)) * time.Second)
	}
}

func (s *shopper) chance(ofHundred int) bool { return s.rng.IntN(100) < ofHundred }
