package engine

import (
	"container/list"
	"hash/maphash"
	"sync"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// historyCache keeps the preferences of the actors asked for last. Every interaction that
// commits, here or in another process, is noted: it makes the actor's entry stale, also the one
// that a read under way is about to put in. A stale entry, with what was noted since, still
// answers while the store is away. Safe for concurrent use.
type historyCache struct {
	seed   maphash.Seed
	shards [16]historyShard
}

type historyShard struct {
	mu      sync.Mutex
	entries map[recsys.Actor]*list.Element
	recent  *list.List // of historyEntry, most recently used first
	reads   map[*historyRead]struct{}
	limit   int
}

type historyEntry struct {
	actor recsys.Actor
	prefs []preference
	stale bool
}

// historyRead is a read of the store under way; put or abandon ends it.
type historyRead struct {
	actor   recsys.Actor
	noted   []preference // meanwhile, oldest first
	dropped bool         // meanwhile
}

func newHistoryCache(limit int) *historyCache {
	c := &historyCache{seed: maphash.MakeSeed()}
	for i := range c.shards {
		c.shards[i] = historyShard{entries: make(map[recsys.Actor]*list.Element), recent: list.New(),
			reads: make(map[*historyRead]struct{}), limit: max(1, limit/len(c.shards))}
	}
	return c
}

func (c *historyCache) shard(actor recsys.Actor) *historyShard {
	return &c.shards[maphash.String(c.seed, actor.ID)%uint64(len(c.shards))]
}

// get returns an actor's preferences. If they are stale or unknown it begins a read.
func (c *historyCache) get(actor recsys.Actor) (prefs []preference, read *historyRead) {
	s := c.shard(actor)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, ok := s.entries[actor]; ok {
		s.recent.MoveToFront(e)
		entry := e.Value.(historyEntry)
		if !entry.stale {
			return entry.prefs, nil
		}
		prefs = entry.prefs
	}
	read = &historyRead{actor: actor}
	s.reads[read] = struct{}{}
	return prefs, read
}

// abandon ends a read that found nothing.
func (c *historyCache) abandon(read *historyRead) {
	s := c.shard(read.actor)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.reads, read)
}

// put ends a read and keeps what it found; as stale if anything was noted meanwhile.
func (c *historyCache) put(read *historyRead, prefs []preference) {
	s := c.shard(read.actor)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.reads, read)
	if read.dropped {
		return
	}
	for _, newest := range read.noted {
		prefs = withNewest(prefs, newest)
	}
	entry := historyEntry{actor: read.actor, prefs: prefs, stale: len(read.noted) > 0}
	if e, ok := s.entries[read.actor]; ok {
		e.Value = entry
		return
	}
	s.entries[read.actor] = s.recent.PushFront(entry)
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
	for read := range s.reads {
		if read.actor == actor {
			read.noted = append(read.noted, newest)
		}
	}
	if e, ok := s.entries[actor]; ok {
		e.Value = historyEntry{actor: actor, prefs: withNewest(e.Value.(historyEntry).prefs, newest), stale: true}
	}
}

// withNewest returns preferences with one more at the front.
func withNewest(prefs []preference, newest preference) []preference {
	out := []preference{newest}
	for _, p := range prefs {
		if p.item != newest.item {
			out = append(out, p)
			continue
		}
		out[0].hidden = out[0].hidden || p.hidden
		if newest.confidence == 0 {
			out[0].confidence, out[0].target = p.confidence, p.target
		}
	}
	return out
}

// drop removes an actor's preferences.
func (c *historyCache) drop(actor recsys.Actor) {
	s := c.shard(actor)
	s.mu.Lock()
	defer s.mu.Unlock()
	for read := range s.reads {
		read.dropped = read.dropped || read.actor == actor
	}
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
		for read := range s.reads {
			read.dropped = true
		}
		clear(s.entries)
		s.recent.Init()
		s.mu.Unlock()
	}
}
