package engine

import (
	"container/list"
	"hash/maphash"
	"sync"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// historyCache keeps the preferences of the actors asked for last. Every interaction that
// commits, here or in another process, is noted: it makes the entry stale, and what was read
// from the store before is never put in after it. A stale entry, with what was noted since, still
// answers while the store is away. Safe for concurrent use.
type historyCache struct {
	seed   maphash.Seed
	shards [16]historyShard
}

type historyShard struct {
	mu      sync.Mutex
	entries map[recsys.Actor]*list.Element
	recent  *list.List // of historyEntry, most recently used first
	limit   int
	changes uint64 // notes and drops so far
}

type historyEntry struct {
	actor recsys.Actor
	prefs []preference
	stale bool
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

// get returns an actor's preferences. fresh is false if they are stale or unknown; token is
// then what put needs.
func (c *historyCache) get(actor recsys.Actor) (prefs []preference, token uint64, fresh bool) {
	s := c.shard(actor)
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.entries[actor]
	if !ok {
		return nil, s.changes, false
	}
	s.recent.MoveToFront(e)
	entry := e.Value.(historyEntry)
	return entry.prefs, s.changes, !entry.stale
}

// put keeps preferences unless anything of the shard changed since the token was given.
func (c *historyCache) put(actor recsys.Actor, prefs []preference, token uint64) {
	s := c.shard(actor)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changes != token {
		return
	}
	if e, ok := s.entries[actor]; ok {
		e.Value = historyEntry{actor: actor, prefs: prefs}
		return
	}
	s.entries[actor] = s.recent.PushFront(historyEntry{actor: actor, prefs: prefs})
	if s.recent.Len() > s.limit {
		oldest := s.recent.Back()
		delete(s.entries, oldest.Value.(historyEntry).actor)
		s.recent.Remove(oldest)
	}
}

// note makes an actor's entry stale and adds the newest thing they did to it.
func (c *historyCache) note(actor recsys.Actor, newest preference) {
	s := c.shard(actor)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changes++
	e, ok := s.entries[actor]
	if !ok {
		return
	}
	prefs := []preference{newest}
	for _, p := range e.Value.(historyEntry).prefs {
		if p.item != newest.item {
			prefs = append(prefs, p)
			continue
		}
		prefs[0].hidden = prefs[0].hidden || p.hidden
		if newest.confidence == 0 {
			prefs[0].confidence, prefs[0].target = p.confidence, p.target
		}
	}
	e.Value = historyEntry{actor: actor, prefs: prefs, stale: true}
}

// drop removes an actor's preferences.
func (c *historyCache) drop(actor recsys.Actor) {
	s := c.shard(actor)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changes++
	if e, ok := s.entries[actor]; ok {
		delete(s.entries, actor)
		s.recent.Remove(e)
	}
}

// dropAll removes everything.
func (c *historyCache) dropAll() {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		s.changes++
		clear(s.entries)
		s.recent.Init()
		s.mu.Unlock()
	}
}
