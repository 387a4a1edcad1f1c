package engine

import (
	"sync"
	"sync/atomic"
)

// numbers gives every item id a small number, once and for the life of the process, and
// counts the item's interactions. Ids that are not registered have numbers too: what people
// did with them counts as soon as they are. Safe for concurrent use; reading a count or an id
// by number takes no lock.
type numbers struct {
	mu     sync.RWMutex
	byID   map[string]uint32
	chunks atomic.Pointer[[]*numberChunk]
	used   uint32
	total  atomic.Int64 // positives of registered and other items together
}

type numberChunk struct {
	ids       [chunkSize]string
	positives [chunkSize]atomic.Int64
}

func newNumbers() *numbers {
	n := &numbers{byID: make(map[string]uint32)}
	n.chunks.Store(new([]*numberChunk))
	return n
}

// find returns the number of an id that has one.
func (n *numbers) find(itemID string) (uint32, bool) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	number, ok := n.byID[itemID]
	return number, ok
}

// number returns the number of an id and gives it one if need be.
func (n *numbers) number(itemID string) uint32 {
	if number, ok := n.find(itemID); ok {
		return number
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if number, ok := n.byID[itemID]; ok {
		return number
	}
	number := n.used
	n.used++
	chunks := *n.chunks.Load()
	if int(number/chunkSize) == len(chunks) {
		grown := append(chunks[:len(chunks):len(chunks)], new(numberChunk))
		n.chunks.Store(&grown)
		chunks = grown
	}
	chunks[number/chunkSize].ids[number%chunkSize] = itemID
	n.byID[itemID] = number
	return number
}

// id is the id of a number that was given out.
func (n *numbers) id(number uint32) string {
	return (*n.chunks.Load())[number/chunkSize].ids[number%chunkSize]
}

// positives counts an item's positive interactions so far.
func (n *numbers) positives(number uint32) int64 {
	return (*n.chunks.Load())[number/chunkSize].positives[number%chunkSize].Load()
}

func (n *numbers) addPositives(number uint32, by int64) {
	(*n.chunks.Load())[number/chunkSize].positives[number%chunkSize].Add(by)
	n.total.Add(by)
}

// resetPositives sets every count to 0.
func (n *numbers) resetPositives() {
	n.total.Store(0)
	for _, c := range *n.chunks.Load() {
		for i := range c.positives {
			c.positives[i].Store(0)
		}
	}
}
