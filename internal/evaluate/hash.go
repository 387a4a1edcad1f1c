package evaluate

import (
	"cmp"
	"hash/fnv"
	"slices"
	"strconv"
)

const golden = 0x9E3779B97F4A7C15 // 2⁶⁴/φ, odd

// The purposes a hash is drawn for; each is the s of Hash.
const (
	seedUser    = 1 // order of users
	seedItem    = 2 // order of a user's items
	seedCold    = 3 // order of items, for cold ones
	seedReveal  = 4 // order of an item's users
	seedHistory = 5 // order of a user's known items
	seedTie     = 6 // order of items with equal scores
)

// Hash is H(s, a, b) of the protocols: 64 well mixed bits of a purpose and two ids.
// All arithmetic wraps around.
func Hash(s, a, b uint64) uint64 {
	return mix(mix(s+golden*(a+1)) + golden*(b+1))
}

func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xBF58476D1CE4E5B9
	x ^= x >> 27
	x *= 0x94D049BB133111EB
	x ^= x >> 31
	return x
}

// numberOf is the number an id is hashed as: itself if it is a number in decimal, else FNV-1a.
func numberOf(id string) uint64 {
	if n, err := strconv.ParseUint(id, 10, 64); err == nil {
		return n
	}
	h := fnv.New64a()
	h.Write([]byte(id)) // never fails
	return h.Sum64()
}

// byHash sorts ascending by hash; numbers, and then the order they came in, settle collisions.
func byHash[T any](rows []T, key func(T) (hash, number uint64)) {
	slices.SortStableFunc(rows, func(a, b T) int {
		hashA, numberA := key(a)
		hashB, numberB := key(b)
		return cmp.Or(cmp.Compare(hashA, hashB), cmp.Compare(numberA, numberB))
	})
}
