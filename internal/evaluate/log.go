package evaluate

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// Log is a shop's interactions as the protocols read them. It is immutable.
type Log struct {
	users   []user // ascending by number, then name
	items   []string
	numbers []uint64 // of items
	at      map[string]int32
}

// user is what one actor did.
type user struct {
	actor     recsys.Actor
	number    uint64
	events    []recsys.Interaction // with items of the catalogue, oldest first
	positives []positive           // one an item, by time
}

// positive is the first positive of a user with an item.
type positive struct {
	item int32
	time time.Time
}

// LogConfig says what counts.
type LogConfig struct {
	Weights recsys.Weights
	// Positive is the confidence from which an event is a positive, what is to be found: with the
	// default weights a like, a place in the cart, a purchase or a rating of 4.
	Positive float64
	// Binary leaves nothing but positives, each as one like: what libraries of matrix
	// factorisation are fed, and what published figures are of.
	Binary bool
}

// DefaultLogConfig returns the definition of the protocols.
func DefaultLogConfig() LogConfig { return LogConfig{Weights: recsys.DefaultWeights(), Positive: 1} }

// NewLog gathers interactions with the items of a catalogue; those with other items are passed
// over. Neither slice is kept.
//
// Errors: recsys.ErrInvalid if an item id occurs twice.
func NewLog(items []string, interactions []recsys.Interaction, config LogConfig) (*Log, error) {
	l := &Log{items: slices.Clone(items), at: make(map[string]int32, len(items))}
	for i, id := range items {
		if _, twice := l.at[id]; twice {
			return nil, recsys.Invalid("items", "holds %q twice", id)
		}
		l.at[id] = int32(i)
		l.numbers = append(l.numbers, numberOf(id))
	}
	for _, u := range l.byActor(interactions) {
		l.finish(u, config)
		l.users = append(l.users, *u)
	}
	slices.SortFunc(l.users, func(a, b user) int {
		return cmp.Or(cmp.Compare(a.number, b.number), a.actor.Compare(b.actor))
	})
	return l, nil
}

// byActor gathers what each actor did; all of it shares one array.
func (l *Log) byActor(interactions []recsys.Interaction) map[recsys.Actor]*user {
	out := make(map[recsys.Actor]*user)
	count, total := make(map[recsys.Actor]int), 0
	for _, in := range interactions {
		if _, ok := l.at[in.ItemID]; ok {
			count[in.Actor]++
			total++
		}
	}
	room := make([]recsys.Interaction, total)
	for _, in := range interactions {
		if _, ok := l.at[in.ItemID]; !ok {
			continue
		}
		u, ok := out[in.Actor]
		if !ok {
			u = &user{actor: in.Actor, number: numberOf(in.Actor.ID)}
			u.events, room = room[:0:count[in.Actor]], room[count[in.Actor]:]
			out[in.Actor] = u
		}
		u.events = append(u.events, in)
	}
	return out
}

// finish orders a user's events and finds the positives.
func (l *Log) finish(u *user, config LogConfig) {
	slices.SortStableFunc(u.events, func(a, b recsys.Interaction) int {
		return cmp.Or(a.EventTime.Compare(b.EventTime), cmp.Compare(l.number(a.ItemID), l.number(b.ItemID)))
	})
	seen := make(map[int32]bool)
	for _, in := range u.events {
		a, p := config.Weights.Of(in.Type, in.Value)
		if item := l.at[in.ItemID]; p > 0 && a >= config.Positive && !seen[item] {
			seen[item] = true
			u.positives = append(u.positives, positive{item, in.EventTime})
		}
	}
	if !config.Binary {
		return
	}
	u.events = u.events[:0]
	for _, p := range u.positives {
		u.events = append(u.events, recsys.Interaction{Actor: u.actor, ItemID: l.items[p.item], Type: recsys.Like, EventTime: p.time})
	}
}

func (l *Log) number(itemID string) uint64 { return l.numbers[l.at[itemID]] }

// WithAtLeast returns the log without the users who have fewer than n positives.
func (l *Log) WithAtLeast(n int) *Log {
	out := *l
	out.users = slices.DeleteFunc(slices.Clone(l.users), func(u user) bool { return len(u.positives) < n })
	return &out
}

// Summary describes a log.
type Summary struct {
	Users     int       `json:"users"`
	Items     int       `json:"items"`
	Events    int       `json:"events"`
	Positives int       `json:"positives"` // distinct pairs
	First     time.Time `json:"first"`
	Last      time.Time `json:"last"`
	Digest    string    `json:"digest"` // of users, items, times and types
}

// Summary counts.
func (l *Log) Summary() Summary {
	s := Summary{Users: len(l.users), Items: len(l.items)}
	h := sha256.New()
	for _, u := range l.users {
		s.Positives += len(u.positives)
		s.Events += len(u.events)
		for _, in := range u.events {
			fmt.Fprintf(h, "%s\x00%s\x00%d\x00%v\x00%g\n", in.Actor.ID, in.ItemID, in.EventTime.UnixNano(), in.Type, in.Value)
			if s.First.IsZero() || in.EventTime.Before(s.First) {
				s.First = in.EventTime
			}
			if in.EventTime.After(s.Last) {
				s.Last = in.EventTime
			}
		}
	}
	s.Digest = hex.EncodeToString(h.Sum(nil)[:8])
	return s
}

// last is the time of the newest event.
func (l *Log) last() time.Time {
	var last time.Time
	for _, u := range l.users {
		if n := len(u.events); n > 0 && u.events[n-1].EventTime.After(last) {
			last = u.events[n-1].EventTime
		}
	}
	return last
}

// eventsWithout returns the user's events but for those with some items.
func (u *user) eventsWithout(l *Log, left func(item int32) bool) []recsys.Interaction {
	var out []recsys.Interaction
	for _, in := range u.events {
		if !left(l.at[in.ItemID]) {
			out = append(out, in)
		}
	}
	return out
}
