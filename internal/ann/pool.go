package ann

import "math"

// key orders nodes by score, best first, and ties by node: a key is smaller if its node
// is better. The lowest bit is free for a mark.
type key = uint64

// opened marks the key of a node whose links have been followed.
const opened key = 1

// keyOf puts the score in the high half, turned so that a greater one gives a smaller key.
func keyOf(score float32, node uint32) key {
	b := math.Float32bits(score)
	ascending := b ^ (uint32(int32(b)>>31) | 1<<31)
	return uint64(^ascending)<<32 | uint64(node)<<1
}

func nodeOf(k key) uint32 { return uint32(k) >> 1 }

// scoreOf is the score that keyOf was given.
func scoreOf(k key) float32 {
	ascending := ^uint32(k >> 32)
	if ascending>>31 == 1 {
		return math.Float32frombits(ascending &^ (1 << 31))
	}
	return math.Float32frombits(^ascending)
}

// pool keeps the best nodes of a walk in order, up to a limit, and knows which of them
// is to be opened next. For the few hundred that a walk keeps, moving memory within one
// sorted array is faster than two heaps.
type pool struct {
	keys  []key
	limit int
	next  int // all before it are opened
}

// reset empties the pool and makes room for limit nodes, above 0.
func (p *pool) reset(limit int) {
	if cap(p.keys) < limit {
		p.keys = make([]key, 0, limit)
	}
	p.keys, p.limit, p.next = p.keys[:0], limit, 0
}

// worst returns a key that a node must be better than to be kept.
func (p *pool) worst() key {
	if len(p.keys) < p.limit {
		return math.MaxUint64
	}
	return p.keys[len(p.keys)-1]
}

// push adds a node that is better than the worst.
func (p *pool) push(k key) {
	n := len(p.keys)
	if n < p.limit {
		p.keys = p.keys[:n+1]
	} else {
		n--
	}
	at := 0
	for size := n; size > 0; { // halving without a branch to guess wrong
		half := (size + 1) / 2
		if p.keys[at+half-1] < k {
			at += half
		}
		size -= half
	}
	copy(p.keys[at+1:n+1], p.keys[at:n])
	p.keys[at] = k
	p.next = min(p.next, at)
}

// open marks the best node that is not opened and returns it; false if there is none.
func (p *pool) open() (node uint32, ok bool) {
	for ; p.next < len(p.keys); p.next++ {
		if k := p.keys[p.next]; k&opened == 0 {
			p.keys[p.next] = k | opened
			p.next++
			return nodeOf(k), true
		}
	}
	return 0, false
}

// heap holds keys with the best on top.
type heap []key

func (h *heap) push(k key) {
	s := append(*h, k)
	i := len(s) - 1
	for i > 0 && s[(i-1)/2] > k {
		s[i] = s[(i-1)/2]
		i = (i - 1) / 2
	}
	s[i] = k
	*h = s
}

// pop takes the best key of a heap that is not empty.
func (h *heap) pop() key {
	s := *h
	best, last := s[0], s[len(s)-1]
	s = s[:len(s)-1]
	*h = s
	for i := 0; len(s) > 0; {
		child := 2*i + 1
		if child+1 < len(s) && s[child+1] < s[child] {
			child++
		}
		if child >= len(s) || s[child] >= last {
			s[i] = last
			break
		}
		s[i] = s[child]
		i = child
	}
	return best
}
