package engine

import (
	"container/list"
	"hash/maphash"
	"sync"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// historyCache keeps the preferences of the actors asked for last. It is kept true by forget,
// called for every interaction that commits, here or in another process; what was read from
// the store before a forget is never put in after it. Safe for concurrent use.
type historyCache struct {
	seed   maphash.Seed
	shards [16]historyShard
}

type historyShard struct {
	mu      sync.Mutex
	entries map[recsys.Actor]*list.Element
	recent  *list.List // of historyEntry, most recently used first
	limit   int
	forgets uint64
}

type historyEntry struct {
	actor recsys.Actor
	prefs []preference
}

func newHistoryCache(limit int) *historyCache {
	c := &historyCache{seed: maphash.MakeSeed()}
	for i := range c.shards {
		c.shards[i] = historyShard{entries: make(map[recsys.Actor]*list.Element), recent: list.New(),
			limit: max(1, limit/len(c.shards))}
	}
	return c
}

func (c *historyCache) shard(actor recsys.Actor) *historyShard {
	return &c.shards[maphash.String(c.seed, actor.ID)%uint64(len(c.shards))]
}

// get returns an actor's preferences, or the token that a later put needs.
func (c *historyCache) get(actor recsys.Actor) (prefs []preference, token uint64, ok bool) {
	s := c.shard(actor)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, ok := s.entries[actor]; ok {
		s.recent.MoveToFront(e)
		return e.Value.(historyEntry).prefs, 0, true
	}
	return nil, s.forgets, false
}

// put keeps preferences unless anything of the shard was forgotten since the token was given.
func (c *historyCache) put(actor recsys.Actor, prefs []preference, token uint64) {
	s := c.shard(actor)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.forgets != token {
		return
	}
	if e, ok := s.entries[actor]; ok {
		e.Value = historyEntry{actor, prefs}
		s.recent.MoveToFront(e)
		return
	}
	s.entries[actor] = s.recent.PushFront(historyEntry{actor, prefs})
	if s.recent.Len() > s.limit {
		oldest := s.recent.Back()
		delete(s.entries, oldest.Value.(historyEntry).actor)
		s.recent.Remove(oldest)
	}
}

// forget drops an actor's preferences.
func (c *historyCache) forget(actor recsys.Actor) {
	s := c.shard(actor)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forgets++
	if e, ok := s.entries[actor]; ok {
		delete(s.entries, actor)
		s.recent.Remove(e)
	}
}

// forgetAll drops everything.
func (c *historyCache) forgetAll() {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		s.forgets++
		clear(s.entries)
		s.recent.Init()
		s.mu.Unlock()
	}
}
