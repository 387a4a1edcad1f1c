package engine

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
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

	halfLife time.Duration // of recent; 0: nothing fades
	landmark time.Time     // where recent counts 1: the newest interaction at the last load, else the first one
	most     atomicFloat   // the greatest recent
	newest   atomicFloat   // what the newest interaction counts
}

type numberChunk struct {
	ids       [chunkSize]string
	positives [chunkSize]atomic.Int64
	// recent is Σ 2^((t − landmark)/halfLife) over positives at times t: what fades alike for all
	// items need not be brought up to date.
	recent [chunkSize]atomicFloat
	// first is the time of the first interaction of any kind, Unix nanoseconds; 0: none.
	first [chunkSize]atomic.Int64
}

// atomicFloat is a float64 that one goroutine adds to while others read.
type atomicFloat struct{ bits atomic.Uint64 }

func (f *atomicFloat) load() float64   { return math.Float64frombits(f.bits.Load()) }
func (f *atomicFloat) store(v float64) { f.bits.Store(math.Float64bits(v)) }

func newNumbers(halfLife time.Duration) *numbers {
	n := &numbers{byID: make(map[string]uint32), halfLife: halfLife}
	n.chunks.Store(new([]*numberChunk))
	n.newest.store(1)
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
	return n.chunkOf(number).ids[number%chunkSize]
}

// count returns how many numbers were given out.
func (n *numbers) count() uint32 {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.used
}

// ids lists the ids of all numbers, by number.
func (n *numbers) ids() []string {
	ids := make([]string, n.count())
	for number := range ids {
		ids[number] = n.id(uint32(number))
	}
	return ids
}

// positives counts an item's positive interactions so far.
func (n *numbers) positives(number uint32) int64 {
	return n.chunkOf(number).positives[number%chunkSize].Load()
}

// popularity is what an item's positives amount to with those of long ago faded: 0 for an item
// nobody liked and 1 for the one most people like now, on a log scale.
func (n *numbers) popularity(number uint32) float64 {
	return n.scale().of(n.chunkOf(number).recent[number%chunkSize].load())
}

// popularityScale makes popularity of recent, for as long as neither the most popular item nor
// the newest interaction changes.
type popularityScale struct{ unit, most float64 }

func (n *numbers) scale() popularityScale {
	unit := n.newest.load()
	return popularityScale{unit: unit, most: math.Log1p(n.most.load() / unit)}
}

func (s popularityScale) of(recent float64) float64 {
	if recent == 0 || s.most == 0 {
		return 0
	}
	return math.Log1p(recent/s.unit) / s.most
}

// recentOf is the recent that a popularity comes of; below 0 for one below 0.
func (s popularityScale) recentOf(popularity float64) float64 {
	return s.unit * math.Expm1(popularity*s.most)
}

// firstSeen is when somebody first did something with an item, Unix nanoseconds; the greatest
// time if nobody has.
func (n *numbers) firstSeen(number uint32) int64 {
	if first := n.chunkOf(number).first[number%chunkSize].Load(); first != 0 {
		return first
	}
	return math.MaxInt64
}

func (n *numbers) chunkOf(number uint32) *numberChunk { return (*n.chunks.Load())[number/chunkSize] }

// add counts an interaction, a positive one or not. One goroutine at a time.
func (n *numbers) add(number uint32, at time.Time, positive bool) {
	c, i := n.chunkOf(number), number%chunkSize
	if first := c.first[i].Load(); first == 0 || at.UnixNano() < first {
		c.first[i].Store(at.UnixNano())
	}
	if !positive {
		return
	}
	c.positives[i].Add(1)
	n.total.Add(1)
	if n.landmark.IsZero() {
		n.landmark = at
	}
	weight := n.weight(at)
	n.newest.store(max(n.newest.load(), weight))
	n.addRecent(c, i, weight)
}

// addAll counts all interactions of one item, type and value, as a load brings them.
func (n *numbers) addAll(number uint32, count TypeCount, positive bool) {
	c, i := n.chunkOf(number), number%chunkSize
	if first := c.first[i].Load(); first == 0 || count.First.UnixNano() < first {
		c.first[i].Store(count.First.UnixNano())
	}
	if positive {
		c.positives[i].Add(count.Count)
		n.total.Add(count.Count)
		n.addRecent(c, i, count.Recent)
	}
}

func (n *numbers) addRecent(c *numberChunk, i uint32, by float64) {
	sum := c.recent[i].load() + by
	c.recent[i].store(sum)
	n.most.store(max(n.most.load(), sum))
}

// weight is how much a positive at a time counts beside one at the landmark.
func (n *numbers) weight(at time.Time) float64 {
	if n.halfLife == 0 {
		return 1
	}
	const farthest = 500 // half-lives; float64 ends at 1,000
	return math.Exp2(max(-farthest, min(float64(at.Sub(n.landmark))/float64(n.halfLife), farthest)))
}

// reset sets every count to 0.
func (n *numbers) reset(landmark time.Time) {
	n.total.Store(0)
	n.landmark = landmark
	n.most.store(0)
	n.newest.store(1)
	for _, c := range *n.chunks.Load() {
		for i := range c.positives {
			c.positives[i].Store(0)
			c.recent[i].store(0)
			c.first[i].Store(0)
		}
	}
}
